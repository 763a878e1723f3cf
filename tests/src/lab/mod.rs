//! Networks on one machine: namespaces, the links between them, and the programs that run in them.
//!
//! A lab touches nothing outside the namespaces it made. Each is named after the process that owns it, so two test
//! runs never meet, and what a killed run left behind is removed by the next one. Dropping a lab, also while a panic
//! unwinds, removes it.
//!
//! ```no_run
//! use undertone_tests::lab::{Family, Lab};
//!
//! # fn main() -> undertone_tests::Result<()> {
//! let lab = Lab::three_way()?;
//! let caller = lab.caller.address(Family::V4);
//! let nic = lab.caller.facing().name(); // the appliance's interface that faces the caller
//! # let _ = (caller, nic);
//! # Ok(())
//! # }
//! ```

mod bpffs;
mod interface;
mod link;
mod mac;
mod namespace;
mod patch;
mod privilege;
mod process;
mod program;
mod stale;
mod tmpfs;
mod tool;
mod topology;
mod vlan;
mod wait;

pub use bpffs::Bpffs;
pub use interface::{Family, Interface};
pub use link::{End, Link};
pub use mac::Mac;
pub use namespace::Namespace;
pub use privilege::require_privilege;
pub use process::Process;
pub use program::program;
pub use stale::remove_stale;
pub use tmpfs::Tmpfs;
pub use topology::{Lab, Site};
pub use vlan::Tag;
pub use wait::wait_for;

pub(crate) use tool::run_tool;
