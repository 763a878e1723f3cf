//! What control decides, without I/O and without a clock.
//!
//! [`Config::parse`] turns the operator's file into typed values, or into a [`ConfigError`] that names lines and keys.
//! [`reconcile`] compares the relays it asks for with those that run, and says what to do: [`Step`]s for the shell.

#![forbid(unsafe_code)]

pub mod call;
pub mod config;
pub mod element;
pub mod names;
pub mod reconcile;
pub mod sip;
pub mod time;
pub mod trunk;

pub use config::{Config, ConfigError};
pub use reconcile::Step;
