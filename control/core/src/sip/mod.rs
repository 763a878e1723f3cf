//! SIP: messages, and the transactions that carry them.
//!
//! Nothing here knows of calls. [`message`] reads and edits what is on the wire and leaves every other byte as it came;
//! [`transaction`] repeats, absorbs and times out (RFC 3261 §17, RFC 6026).

pub mod message;
pub mod transaction;

use std::{fmt, net::SocketAddr};

/// How SIP messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// A message a datagram.
    Udp,
    /// A stream.
    Tcp,
    /// A stream inside TLS.
    Tls,
}

impl Transport {
    /// Every transport.
    pub const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    /// Whether the network below repeats what is lost, so that transactions need not.
    pub const fn is_reliable(self) -> bool {
        !matches!(self, Self::Udp)
    }

    /// The name in a Via header (RFC 3261 §20.42).
    pub const fn in_via(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The name in a `transport` parameter and in the configuration.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port where none is named (RFC 3261 §19.1.2).
    pub const fn port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }

    /// The transport of a name in any case, as Via headers and `transport` parameters have it.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|transport| name.eq_ignore_ascii_case(transport.in_via().as_bytes()))
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.key())
    }
}

/// The way a message came, or is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The number of our own SIP address, in the order of the configuration.
    pub listener: u8,
    /// How.
    pub transport: Transport,
    /// The other end.
    pub remote: SocketAddr,
    /// The connection, where there is one; 0 leaves it to the shell, which makes one when it has to.
    pub connection: u64,
}
