//! Where the demo takes place: namespaces around an appliance, or addresses of the loopback interface.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

use anyhow::{Context as _, Result, bail};
use undertone_core::mixer::Person;
use undertone_tests::{
    Error,
    lab::{Family, Lab, Namespace, Site, require_privilege},
};

use super::{
    arguments::Path,
    script::{PEOPLE, name},
};

/// A host for each person's telephone, and an appliance between them.
pub(crate) enum Network {
    /// Each in a network namespace of its own.
    Lab(Box<Lab>),
    /// Addresses 127.77.N.x that no other demo on this machine has.
    Loopback { number: u8, _claim: UdpSocket },
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

    /// Addresses of the loopback interface.
    pub(crate) fn loopback() -> Result<Self> {
        let claim = |number: u8| {
            let claim = UdpSocket::bind((Ipv4Addr::new(127, 77, 0, 1), 20_000 + u16::from(number))).ok()?;
            Some(Self::Loopback { number, _claim: claim })
        };
        (1..=u8::MAX).find_map(claim).context("255 demos are running at once")
    }

    /// The IP version that a person's telephone speaks. The carrier has the newer one, so that the call crosses from one
    /// to the other; the loopback interface has one IPv6 address only, and every telephone wants its own.
    pub(crate) const fn family(&self, person: Person) -> Family {
        match (self, person) {
            (Self::Lab(_), Person::Caller) => Family::V6,
            _ => Family::V4,
        }
    }

    /// The address of a person's telephone.
    pub(crate) fn address(&self, person: Person) -> IpAddr {
        match self {
            Self::Lab(lab) => site(lab, person).address(self.family(person)),
            Self::Loopback { number, .. } => Ipv4Addr::new(127, 77, *number, number_of(person)).into(),
        }
    }

    /// The appliance's address that faces a person.
    pub(crate) fn facing(&self, person: Person) -> IpAddr {
        match self {
            Self::Lab(lab) => site(lab, person).facing_address(self.family(person)),
            Self::Loopback { number, .. } => Ipv4Addr::new(127, 77, *number, 1).into(),
        }
    }

    /// The appliance's interface at which a person's packets arrive, as `undertone status` names it.
    pub(crate) fn interface(&self, person: Person) -> &str {
        match self {
            Self::Lab(lab) => site(lab, person).facing().device(),
            Self::Loopback { .. } => "*",
        }
    }

    /// The appliance's interfaces.
    pub(crate) fn interfaces(&self) -> Vec<&str> {
        match self {
            Self::Lab(_) => PEOPLE.map(|person| self.interface(person)).to_vec(),
            Self::Loopback { .. } => Vec::new(),
        }
    }

    /// The namespace of a person's telephone, if it has one.
    pub(crate) fn namespace(&self, person: Person) -> Option<&Namespace> {
        match self {
            Self::Lab(lab) => Some(site(lab, person).namespace()),
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
        let hosts = PEOPLE.map(|person| format!("{} {}", name(person), self.address(person))).join(", ");
        match self {
            Self::Lab(_) => format!("a namespace each for {hosts}, and for the appliance between them"),
            Self::Loopback { .. } => format!(
                "{hosts}, appliance {}: all on the loopback interface, because namespaces need root",
                self.facing(Person::Agent)
            ),
        }
    }
}

/// A telephone's place on the loopback interface; the appliance has the first.
const fn number_of(person: Person) -> u8 {
    match person {
        Person::Caller => 2,
        Person::Agent => 3,
        Person::Supervisor => 4,
    }
}

/// A person's site. The supervisor has the lab's third.
const fn site(lab: &Lab, person: Person) -> &Site {
    match person {
        Person::Caller => &lab.caller,
        Person::Agent => &lab.agent,
        Person::Supervisor => &lab.monitor,
    }
}
