//! RTP in the lab: packets, streams, endpoints, and a network that impairs them as it is told.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use undertone_tests::lab::{Family, Lab};
//! use undertone_tests::rtp::{Endpoint, Stream};
//!
//! # fn main() -> undertone_tests::Result<()> {
//! let lab = Lab::three_way()?;
//! let caller = Endpoint::bind(lab.caller.namespace(), (lab.caller.address(Family::V4), 4000))?;
//! let appliance = Endpoint::bind(&lab.appliance, (lab.caller.facing_address(Family::V4), 30000))?;
//! let stream = Stream::pcmu(0x1234);
//! caller.send_paced(&stream.numbered(50), stream.ptime(), appliance.local())?;
//! let received = appliance.wait_for_packets(50, Duration::from_secs(1))?;
//! # let _ = received;
//! # Ok(())
//! # }
//! ```

mod endpoint;
pub mod netem;
mod packet;
mod tap;
mod truth;

pub use endpoint::{Endpoint, Received, Schedule};
pub use packet::{Packet, Stream};
pub use tap::{Seen, Tap};
pub use truth::{Arrival, Truth, WINDOW};
