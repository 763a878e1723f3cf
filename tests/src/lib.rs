//! What the tests are written with: a lab of network namespaces, RTP endpoints and real speech.
//!
//! - [`lab`] builds networks out of namespaces and veth links, runs programs in them and cleans up.
//! - [`phone`] starts telephones that speak SIP.
//! - [`rtp`] sends and receives RTP in them, clean or impaired, and says what a receiver must count.
//! - [`speech`] makes the audio that crosses, and tells how much of it arrived.
//!
//! Everything blocks and nothing needs an async runtime. What needs privilege is tested under modules named
//! `privileged`, so that a run without root can leave it out by name.

#![forbid(unsafe_code)]

mod error;
pub mod lab;
pub mod phone;
pub mod rtp;
pub mod speech;

pub use error::{Error, Result};
