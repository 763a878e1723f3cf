//! Where the demo takes place: namespaces around an appliance, or addresses of the loopback interface.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    process,
};

use anyhow::{Result, bail};
use undertone_dataplane::{Dataplane, MixerOptions, Node, Options, PathChoice};
use undertone_tests::{
    Error,
    lab::{Family, Lab, Site, require_privilege},
    rtp::Endpoint,
};

use super::script::Party;

/// The first of the appliance's media ports, at least.
const MEDIA_PORT: u16 = 20_000;

/// How many media ports a call takes, each with the next one for RTCP.
const MEDIA_PORTS: u16 = 4;

/// How many processes on one loopback interface have media ports of their own, all below those that systems give away.
const NEIGHBOURS: u32 = 3000;

/// Hosts, and an appliance between them.
pub(crate) enum Network {
    /// Each in a network namespace of its own.
    Lab(Box<Lab>),
    /// All in this process, each at an address of its own where the loopback interface has more than one.
    Loopback,
}

/// A host beside the appliance.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    Party(Party),
    Monitor,
}

impl Network {
    /// Namespaces if there is the privilege to make them, else loopback, where only sockets will do.
    pub(crate) fn build(choice: PathChoice) -> Result<(Self, PathChoice)> {
        match require_privilege("a lab of network namespaces") {
            Ok(()) => Ok((Self::Lab(Box::new(Lab::three_way()?)), choice)),
            Err(Error::NotPermitted { capabilities, .. })
                if matches!(choice, PathChoice::Native | PathChoice::Generic) =>
            {
                bail!("XDP and network namespaces need {capabilities}: run as root, or choose `--path io-uring`")
            }
            Err(Error::NotPermitted { .. }) => Ok((Self::Loopback, PathChoice::Sockets)),
            Err(other) => Err(other.into()),
        }
    }

    /// The IP versions that a call can be shown over.
    pub(crate) fn families(&self) -> Vec<Family> {
        let has = |family| match self {
            Self::Loopback if family == Family::V6 => UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok(),
            _ => true,
        };
        Family::ALL.into_iter().filter(|family| has(*family)).collect()
    }

    /// A host's address.
    pub(crate) fn address(&self, host: Host, family: Family) -> IpAddr {
        match self {
            Self::Lab(lab) => site(lab, host).address(family),
            Self::Loopback => loopback(family, host.number()),
        }
    }

    /// The appliance's media address that faces a host.
    pub(crate) fn media_address(&self, host: Host, family: Family) -> IpAddr {
        match self {
            Self::Lab(lab) => site(lab, host).facing_address(family),
            Self::Loopback => loopback(family, 1),
        }
    }

    /// The first of the [`MEDIA_PORTS`] that the appliance has.
    pub(crate) fn media_port(&self) -> u16 {
        match self {
            Self::Lab(_) => MEDIA_PORT,
            Self::Loopback => MEDIA_PORT + MEDIA_PORTS * (process::id() % NEIGHBOURS) as u16,
        }
    }

    /// The appliance's interface at which a host's packets arrive, as the data plane tells of it.
    pub(crate) const fn interface(&self, host: Host) -> &'static str {
        match self {
            Self::Lab(_) => host.name(),
            Self::Loopback => "*",
        }
    }

    /// Binds a UDP port of a host.
    pub(crate) fn bind(&self, host: Host, family: Family, port: u16) -> Result<Endpoint> {
        let address = self.address(host, family);
        Ok(match self {
            Self::Lab(lab) => Endpoint::bind(site(lab, host).namespace(), (address, port))?,
            // Whichever is free: they are shared with everything else that runs on this machine.
            Self::Loopback => Endpoint::bind_here(SocketAddr::new(address, 0))?,
        })
    }

    /// Does something where the appliance's interfaces are.
    pub(crate) fn inside<T: Send, E>(&self, action: impl FnOnce() -> Result<T, E> + Send) -> Result<T>
    where
        E: Send + Sync + std::error::Error + 'static,
    {
        Ok(match self {
            Self::Lab(lab) => lab.appliance.run(action)??,
            Self::Loopback => action()?,
        })
    }

    /// Opens the appliance's data plane. Nothing is pinned: it ends with its handle.
    pub(crate) fn open(&self, path: PathChoice) -> Result<Dataplane> {
        let mut addresses: Vec<_> = Host::ALL
            .into_iter()
            .flat_map(|host| self.families().into_iter().map(move |family| (host, family)))
            .map(|(host, family)| self.media_address(host, family))
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let port_first = self.media_port();
        let options = Options {
            node: Node { addresses, port_first, port_last: port_first + MEDIA_PORTS - 1 },
            interfaces: self.interfaces(),
            path,
            pins: None,
            groups: 64,
            mixer: MixerOptions::default(),
        };
        self.inside(|| Dataplane::open(&options))
    }

    /// What was built, in a line.
    pub(crate) fn description(&self) -> String {
        let hosts = Host::ALL.map(|host| format!("{} {}", host.name(), self.address(host, Family::V4))).join(", ");
        match self {
            Self::Lab(_) => format!("a namespace each for {hosts}, and for the appliance between them"),
            Self::Loopback => format!(
                "{hosts}, appliance {}: all on the loopback interface, because namespaces need root",
                loopback(Family::V4, 1)
            ),
        }
    }

    fn interfaces(&self) -> Vec<String> {
        match self {
            Self::Lab(lab) => Host::ALL.map(|host| site(lab, host).facing().device().to_owned()).to_vec(),
            Self::Loopback => Vec::new(),
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

/// An address of the loopback interface; of IPv6 it has only one.
const fn loopback(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::new(127, 77, 0, number)),
        Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}
