//! How a request names a media port.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// A media port: its number, which is enough where only one media address has a stream there, or address and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct PortName {
    /// The media address, if it was said.
    pub(crate) ip: Option<IpAddr>,
    /// The port.
    pub(crate) port: u16,
}

impl PortName {
    /// Whether this names `at`.
    pub(crate) fn names(self, at: SocketAddr) -> bool {
        self.port == at.port() && self.ip.is_none_or(|ip| ip == at.ip())
    }
}

impl FromStr for PortName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = match text.parse::<SocketAddr>() {
            Ok(socket) => Some(Self { ip: Some(socket.ip()), port: socket.port() }),
            Err(_) => text.parse().ok().map(|port| Self { ip: None, port }),
        };
        named.filter(|name| name.port != 0).ok_or_else(|| {
            format!("\"{text}\" names no media port: write its number, or address and number like 192.0.2.10:20000 or [2001:db8::10]:20000")
        })
    }
}

impl From<SocketAddr> for PortName {
    fn from(at: SocketAddr) -> Self {
        Self { ip: Some(at.ip()), port: at.port() }
    }
}

impl TryFrom<String> for PortName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PortName> for String {
    fn from(name: PortName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(formatter),
            None => self.port.fmt(formatter),
        }
    }
}
