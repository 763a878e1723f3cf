//! Where an exchange stands: loopback addresses of its own, or a lab.

use std::{
    fs::{self, Permissions},
    net::{IpAddr, Ipv4Addr, UdpSocket},
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};

use undertone_dataplane::Dataplane;
use undertone_tests::{
    Error, Result,
    lab::{Bpffs, Family, Lab, Namespace, Site},
};

/// The third number of the mixer's address where nothing is configured.
const MIXER_USUAL: u8 = 64;
/// Addresses of an exchange.
const HOSTS: u8 = 5;

/// A host around the appliance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Carrier,
    Pbx,
    /// Stands in for the PBX.
    Spare,
    /// Nobody's peer.
    Stranger,
}

/// The network of a test.
pub(super) enum Ground {
    /// Addresses of the loopback interface that no other test on this machine has.
    Loopback(Slot),
    /// A namespace for each host, and XDP between them.
    Lab(Box<Bench>),
}

/// A lab, and where its daemon pins.
pub(super) struct Bench {
    pins: PathBuf,
    _bpffs: Bpffs,
    lab: Lab,
}

/// Hosts of one exchange: 127.66.N.x.
pub(super) struct Slot {
    number: u8,
    _claim: UdpSocket,
}

impl Who {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Carrier => "carrier",
            Self::Pbx => "pbx",
            Self::Spare => "spare",
            Self::Stranger => "stranger",
        }
    }
}

impl Ground {
    pub(super) fn loopback() -> Result<Self> {
        let claim = |number: u8| {
            let claim = UdpSocket::bind((Ipv4Addr::new(127, 66, 0, 1), 20_000 + u16::from(number))).ok()?;
            // A telephone of an exchange that is over may not have ended yet.
            let is_free = |host: u8| UdpSocket::bind((Ipv4Addr::new(127, 66, number, host), 5060)).is_ok();
            (1..=HOSTS).all(is_free).then_some(Slot { number, _claim: claim })
        };
        let slot = (1..=u8::MAX).filter(|number| *number != MIXER_USUAL).find_map(claim);
        slot.map(Self::Loopback).ok_or_else(|| Error::Other("255 exchanges are running at once".into()))
    }

    pub(super) fn lab() -> Result<Self> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        Ok(Self::Lab(Box::new(Bench { pins, _bpffs: bpffs, lab })))
    }

    /// The appliance's address that faces a host.
    pub(super) fn ours(&self, who: Who, family: Family) -> IpAddr {
        match self {
            Self::Loopback(slot) => slot.address(1, family),
            Self::Lab(bench) => bench.site(who).facing_address(family),
        }
    }

    /// A host's own address.
    pub(super) fn theirs(&self, who: Who, family: Family) -> IpAddr {
        match self {
            Self::Loopback(slot) => slot.address(2 + who as u8, family),
            Self::Lab(bench) => bench.site(who).address(family),
        }
    }

    /// The address of one more host, by a number from 32 on. Only the loopback interface has as many.
    pub(super) fn host(&self, number: u8) -> IpAddr {
        let Self::Loopback(slot) = self else { panic!("a lab has no more hosts") };
        slot.address(number, Family::V4)
    }

    /// A program on a host.
    pub(super) fn command(&self, who: Who, program: impl AsRef<Path>) -> Command {
        match self {
            Self::Loopback(_) => Command::new(program.as_ref()),
            Self::Lab(bench) => bench.site(who).namespace().command(program.as_ref()),
        }
    }

    /// The namespace of the appliance, if it has one.
    pub(super) fn appliance(&self) -> Option<Namespace> {
        match self {
            Self::Loopback(_) => None,
            Self::Lab(bench) => Some(bench.lab.appliance.clone()),
        }
    }

    /// The namespace of a host, if it has one.
    pub(super) fn namespace(&self, who: Who) -> Option<&Namespace> {
        match self {
            Self::Loopback(_) => None,
            Self::Lab(bench) => Some(bench.site(who).namespace()),
        }
    }

    /// Makes the folder of pins, another user's: as a service manager does that starts the daemon as one.
    pub(super) fn give_pins_to(&self, user: u32) -> Result<()> {
        let Self::Lab(bench) = self else { return Ok(()) };
        let outer = bench.lab.directory();
        let done = fs::create_dir(&bench.pins)
            .and_then(|()| chown(&bench.pins, Some(user), Some(user)))
            .and_then(|()| fs::set_permissions(outer, Permissions::from_mode(0o711)))
            .and_then(|()| fs::set_permissions(outer.join("bpf"), Permissions::from_mode(0o711)));
        done.map_err(|error| Error::Other(format!("{}: {error}", bench.pins.display())))
    }

    /// The first of the daemon's media ports. Without privilege, all daemons of a host have the same addresses for what their
    /// mixers are sent, where ports have to tell them apart.
    pub(super) const fn media_port_first(&self) -> u16 {
        match self {
            Self::Loopback(slot) => 20_400 + slot.number as u16 % 29 * 400,
            Self::Lab(_) => 20_000,
        }
    }

    /// Lines of `[media]` about how packets are forwarded.
    pub(super) fn media(&self) -> String {
        match self {
            // Daemons of one host may not share the mixer's network.
            Self::Loopback(slot) => {
                format!("path = \"io-uring\"\nmixer = {{ address = \"169.254.{}.1\" }}\n", slot.number)
            }
            Self::Lab(bench) => format!(
                "path = \"native\"\ninterfaces = [\"caller\", \"agent\", \"monitor\"]\ngroups = 64\npins = \"{}\"\n",
                bench.pins.display()
            ),
        }
    }
}

impl Bench {
    const fn site(&self, who: Who) -> &Site {
        match who {
            Who::Carrier => &self.lab.caller,
            Who::Pbx => &self.lab.agent,
            Who::Spare | Who::Stranger => &self.lab.monitor,
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if let Err(error) = Dataplane::unload(&self.pins) {
            eprintln!("cannot clean up {}: {error}", self.pins.display());
        }
    }
}

impl Slot {
    fn address(&self, host: u8, family: Family) -> IpAddr {
        assert!(family == Family::V4, "the loopback interface has one IPv6 address only");
        Ipv4Addr::new(127, 66, self.number, host).into()
    }
}
