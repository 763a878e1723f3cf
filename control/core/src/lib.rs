//! What control decides, without I/O and without a clock.
//!
//! [`Config::parse`] turns the operator's file into typed values, or into a [`ConfigError`] that names lines and keys.
//! [`reconcile`] compares the relays it asks for with those that run, and says what to do: [`Step`]s for the shell.
//! [`identity`] says who the parties of a call are, by what is said in it and by the [`directory`]; [`sdp`] reads what parties say about their media, and puts our addresses in the place of theirs.
//! [`monitor`] is what supervisors dial, and [`permission`] whether they may;
//! [`recording`] is which calls are recorded, and [`audit`] what is written down of all that.

#![forbid(unsafe_code)]

pub mod audit;
pub mod call;
pub mod config;
pub mod directory;
pub mod element;
pub mod identity;
pub mod monitor;
pub mod names;
pub mod permission;
pub mod portal;
pub mod reconcile;
pub mod recording;
pub mod sdp;
pub mod sip;
pub mod time;
pub mod trunk;
pub mod ua;

pub use config::{Config, ConfigError};
pub use reconcile::Step;
