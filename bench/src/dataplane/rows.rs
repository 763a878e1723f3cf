//! Which rows there are.

use anyhow::Result;

use crate::{
    dataplane::{
        forwarding::{Forwarding, Load, Relay},
        rule_write::RuleWrite,
        user_space::{self, UserSpace},
    },
    report::Unit,
    rounds::{self, Measured},
};

/// What a row measures.
pub(super) enum Subject {
    /// A way through the kernel.
    Forwarding(Load),
    /// A process that relays.
    UserSpace(user_space::Relay),
    /// Writing rules.
    RuleWrite,
}

/// A row that can be measured.
pub(super) struct Plan {
    name: &'static str,
    subject: Subject,
    ratio_to: Option<&'static str>,
}

/// Every row, in the order of the table.
pub(super) const ALL: &[Plan] = &[
    Plan { name: "bare-redirect", subject: Subject::Forwarding(bare(Relay::Bare, 10)), ratio_to: None },
    Plan {
        name: "bare-cold",
        subject: Subject::Forwarding(bare(Relay::BareCold, 18)),
        ratio_to: Some("bare-redirect"),
    },
    relay("forward-1024", Load { streams_log2: 10, ..Load::PLAIN }, "bare-redirect"),
    relay("clock-per-packet", Load { streams_log2: 10, relay: Relay::ClockPerPacket, ..Load::PLAIN }, "forward-1024"),
    relay("forward-65536", Load { streams_log2: 16, ..Load::PLAIN }, "bare-redirect"),
    relay("forward-262144", Load::PLAIN, "bare-redirect"),
    relay("forward-262144-random", Load { shuffled: true, ..Load::PLAIN }, "bare-redirect"),
    relay("forward-ipv6", Load { frames: Frames::V6, ..Load::PLAIN }, "forward-262144"),
    relay("forward-vlan", Load { frames: Frames::Vlan, ..Load::PLAIN }, "forward-262144"),
    relay("copies-1", copies(1), "forward-1024"),
    relay("copies-2", copies(2), "forward-1024"),
    relay("copies-4", copies(4), "forward-1024"),
    relay("copies-8", copies(8), "forward-1024"),
    relay("generic", Load { streams_log2: 10, relay: Relay::Generic, ..Load::PLAIN }, "forward-1024"),
    Plan { name: "rtpengine-user", subject: Subject::UserSpace(user_space::Relay::Rtpengine), ratio_to: None },
    Plan {
        name: "io-uring",
        subject: Subject::UserSpace(user_space::Relay::Undertone),
        ratio_to: Some("rtpengine-user"),
    },
    Plan { name: "rule-write", subject: Subject::RuleWrite, ratio_to: None },
];

/// What the frames look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frames {
    V4,
    /// IPv4 with one VLAN tag, which is replaced by another.
    Vlan,
    V6,
}

/// Streams that are copied have a replication group each. They are as few as fit the tables' default size.
const fn copies(copies: u8) -> Load {
    Load { streams_log2: 10, copies, ..Load::PLAIN }
}

/// A program that is not the product, under streams in random order.
const fn bare(relay: Relay, streams_log2: u32) -> Load {
    Load { streams_log2, shuffled: true, relay, ..Load::PLAIN }
}

const fn relay(name: &'static str, load: Load, ratio_to: &'static str) -> Plan {
    Plan { name, subject: Subject::Forwarding(load), ratio_to: Some(ratio_to) }
}

impl rounds::Plan for Plan {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ratio_to(&self) -> Option<&'static str> {
        self.ratio_to
    }

    fn obstacle(&self) -> Option<String> {
        match &self.subject {
            Subject::UserSpace(relay) => relay.obstacle(),
            Subject::Forwarding(_) | Subject::RuleWrite => None,
        }
    }
}

impl Plan {
    /// Builds what the row needs.
    pub(super) fn prepare(&self, site: &Site) -> Result<(Unit, Box<dyn Measured>)> {
        Ok(match &self.subject {
            Subject::Forwarding(load) => (Unit::PacketsPerSecond, Box::new(Forwarding::new(*load, site.seconds)?)),
            Subject::UserSpace(relay) => {
                (Unit::PacketsPerSecond, Box::new(UserSpace::new(*relay, site.beside, site.seconds)?))
            }
            Subject::RuleWrite => (Unit::Nanoseconds, Box::new(RuleWrite::new()?)),
        })
    }
}

/// Where and for how long rows are measured.
pub(super) struct Site {
    /// How long one measurement takes.
    pub(super) seconds: f64,
    /// A core beside the one that is measured.
    pub(super) beside: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ratio_is_to_a_row_that_is_measured_before() {
        rounds::assert_every_ratio_is_to_a_row_before(ALL);
    }
}
