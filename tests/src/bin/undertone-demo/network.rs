//! Where the demo takes place: namespaces around an appliance, or addresses of the loopback interface.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context as _, Result, bail};
use undertone_tests::{
    Error,
    lab::{Family, Lab, Namespace, Site, require_privilege},
    rtp::Endpoint,
};

use super::{arguments::Path, script::Party};

/// Hosts, and an appliance between them.
pub(crate) enum Network {
    /// Each in a network namespace of its own.
    Lab(Box<Lab>),
    /// Addresses 127.77.N.x that no other demo on this machine has.
    Loopback { number: u8, _claim: UdpSocket },
}

/// A host beside the appliance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Party(Party),
    Monitor,
}

impl Network {
    /// Namespaces if there is the privilege to make them, else loopback, where only sockets will do.
    pub(crate) fn build(path: Path) -> Result<(Self, Path)> {
        match require_privilege("a lab of network namespaces") {
            Ok(()) => Ok((Self::Lab(Box::new(Lab::three_way()?)), path)),
            Err(Error::NotPermitted { capabilities, .. }) if matches!(path, Path::Native | Path::Generic) => {
                bail!("XDP and network namespaces need {capabilities}: run as root, or choose `--path io-uring`")
            }
            Err(Error::NotPermitted { .. }) => Ok((Self::loopback()?, Path::IoUring)),
            Err(other) => Err(other.into()),
        }
    }

    fn loopback() -> Result<Self> {
        let claim = |number: u8| {
            let claim = UdpSocket::bind((Ipv4Addr::new(127, 77, 0, 1), 20_000 + u16::from(number))).ok()?;
            Some(Self::Loopback { number, _claim: claim })
        };
        (1..=u8::MAX).find_map(claim).context("255 demos are running at once")
    }

    /// The IP versions that a call can be shown over. The loopback interface has one IPv6 address only, and a call wants
    /// the parties' media to come from others than the appliance's.
    pub(crate) fn families(&self) -> &'static [Family] {
        match self {
            Self::Lab(_) => &Family::ALL,
            Self::Loopback { .. } => &[Family::V4],
        }
    }

    /// A host's address.
    pub(crate) fn address(&self, host: Host, family: Family) -> IpAddr {
        match self {
            Self::Lab(lab) => site(lab, host).address(family),
            Self::Loopback { number, .. } => Ipv4Addr::new(127, 77, *number, host.number()).into(),
        }
    }

    /// The appliance's address that faces a host.
    pub(crate) fn facing(&self, host: Host, family: Family) -> IpAddr {
        match self {
            Self::Lab(lab) => site(lab, host).facing_address(family),
            Self::Loopback { number, .. } => Ipv4Addr::new(127, 77, *number, 1).into(),
        }
    }

    /// The appliance's interface at which a host's packets arrive, as `undertone status` names it.
    pub(crate) const fn interface(&self, host: Host) -> &'static str {
        match self {
            Self::Lab(_) => host.name(),
            Self::Loopback { .. } => "*",
        }
    }

    /// The appliance's interfaces.
    pub(crate) fn interfaces(&self) -> Vec<String> {
        match self {
            Self::Lab(lab) => Host::ALL.map(|host| site(lab, host).facing().device().to_owned()).to_vec(),
            Self::Loopback { .. } => Vec::new(),
        }
    }

    /// Binds a UDP port of a host.
    pub(crate) fn bind(&self, host: Host, family: Family, port: u16) -> Result<Endpoint> {
        let at = SocketAddr::new(self.address(host, family), port);
        Ok(match self.namespace(host) {
            Some(namespace) => Endpoint::bind(namespace, at)?,
            None => Endpoint::bind_here(at)?,
        })
    }

    /// The namespace of a host, if it has one.
    pub(crate) fn namespace(&self, host: Host) -> Option<&Namespace> {
        match self {
            Self::Lab(lab) => Some(site(lab, host).namespace()),
            Self::Loopback { .. } => None,
        }
    }

    /// The namespace of the appliance, if it has one.
    pub(crate) fn appliance(&self) -> Option<&Namespace> {
        match self {
            Self::Lab(lab) => Some(&lab.appliance),
            Self::Loopback { .. } => None,
        }
    }

    /// What was built, in a line.
    pub(crate) fn description(&self) -> String {
        let hosts = Host::ALL.map(|host| format!("{} {}", host.name(), self.address(host, Family::V4))).join(", ");
        match self {
            Self::Lab(_) => format!("a namespace each for {hosts}, and for the appliance between them"),
            Self::Loopback { .. } => format!(
                "{hosts}, appliance {}: all on the loopback interface, because namespaces need root",
                self.facing(Host::Monitor, Family::V4)
            ),
        }
    }
}

impl Host {
    pub(crate) const ALL: [Self; 3] = [Self::Party(Party::Caller), Self::Party(Party::Agent), Self::Monitor];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Party(party) => party.name(),
            Self::Monitor => "monitor",
        }
    }

    /// Its place on the loopback interface; the appliance has the first.
    const fn number(self) -> u8 {
        match self {
            Self::Party(Party::Caller) => 2,
            Self::Party(Party::Agent) => 3,
            Self::Monitor => 4,
        }
    }
}

fn site(lab: &Lab, host: Host) -> &Site {
    match host {
        Host::Party(Party::Caller) => &lab.caller,
        Host::Party(Party::Agent) => &lab.agent,
        Host::Monitor => &lab.monitor,
    }
}
