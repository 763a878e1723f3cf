//! What the fuzz targets do with an input, and what must hold whatever it is.
//!
//! Each takes bytes and panics when something does not hold. The integration tests compile this module too, and give it
//! every input that is kept below `seeds` and `regressions`.

#![forbid(unsafe_code)]

mod config;
mod datagram;
mod element;
mod engine;
mod mixer;
mod reception;
mod rewrite;
mod sdp;
mod sip;

pub use self::{
    config::config, datagram::datagram, element::element, engine::engine, mixer::mixer, reception::reception,
    rewrite::rewrite, sdp::sdp, sip::sip,
};
