//! What control decides, without I/O and without a clock.
//!
//! [`Config::parse`] turns the operator's file into typed values, or into a [`ConfigError`] that names lines and keys.
//! [`reconcile`] compares the relays it asks for with those that run, and says what to do: [`Step`]s for the shell.

#![forbid(unsafe_code)]

pub mod config;
pub mod names;
pub mod reconcile;

pub use config::{Config, ConfigError};
pub use reconcile::Step;
