//! Sound: what is sent, in real time, and what is counted of what arrives.

mod engine;
mod legs;
mod packet;
mod sound;
mod stream;
mod tally;

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use clap::ValueEnum;

pub(super) use self::{legs::Legs, sound::Sound, tally::Heard};

/// A codec of telephony (RFC 3551 §4.5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Codec {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl Codec {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The encoding name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// The static payload type.
    pub(super) const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }
}

/// One end of a stream each way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    /// Its number.
    pub(super) id: u64,
    /// Where it receives.
    pub(super) local: SocketAddr,
}

/// What signalling asks of the sound.
pub(super) trait Media {
    /// Makes a leg, which receives from now on.
    fn open(&mut self, ip: IpAddr) -> Result<Leg>;
    /// Lets it send.
    fn start(&mut self, leg: Leg, remote: SocketAddr, codec: Codec);
    /// Lets it send no more, and, a little later, receive no more.
    fn stop(&mut self, leg: Leg);
}

/// No sound: only ports that are named in descriptions.
#[derive(Debug, Default)]
pub(super) struct Silence {
    opened: u64,
}

impl Media for Silence {
    fn open(&mut self, ip: IpAddr) -> Result<Leg> {
        self.opened += 1;
        let port = 20_000 + 2 * (self.opened % 20_000) as u16;
        Ok(Leg { id: self.opened, local: SocketAddr::new(ip, port) })
    }

    fn start(&mut self, _: Leg, _: SocketAddr, _: Codec) {}

    fn stop(&mut self, _: Leg) {}
}
