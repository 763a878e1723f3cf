//! Telephones that send as telephones do.

use undertone_abi::{Address, Endpoint};
use undertone_core::mixer::{
    Format,
    codec::{Encoder, PAYLOAD_MAX},
};

use super::{Aside, EVENT, NOISE, OTHER};

pub(super) const MS: u64 = 1_000_000;

/// A telephone.
pub(super) struct Phone {
    pub(super) format: Format,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    next_ns: u64,
    payload: Vec<u8>,
    pub(super) is_silent: bool,
    /// Whether its clock stands still in silence.
    pub(super) stops: bool,
    /// What its next packet is instead of sound.
    pub(super) aside: Option<(Aside, [u8; 4])>,
}

impl Phone {
    pub(super) fn new(now_ns: u64, format: Format, ssrc: u32) -> Self {
        Self {
            format,
            ssrc,
            sequence: 65_500,
            timestamp: ssrc.wrapping_mul(0x2345_6789),
            next_ns: now_ns + u64::from(ssrc) % 7 * MS,
            payload: sound(format),
            is_silent: false,
            stops: false,
            aside: None,
        }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint { address: Address::v4(0x0a00_0000 | self.ssrc), port: 4_000 }
    }

    /// It speaks another codec from now on.
    pub(super) fn set_format(&mut self, format: Format) {
        self.payload = sound(format);
        self.format = format;
    }

    /// Its packets carry this.
    pub(super) fn garble(&mut self, payload: Vec<u8>) {
        self.payload = payload;
    }

    /// The packet that is due, if one is.
    pub(super) fn say(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        if now_ns < self.next_ns {
            return None;
        }
        self.next_ns = now_ns + u64::from(self.format.packet_ms) * MS;
        let timestamp = self.timestamp;
        if !self.is_silent || !self.stops {
            let ticks = self.format.codec.clock().hz() / 1000 * u32::from(self.format.packet_ms);
            self.timestamp = timestamp.wrapping_add(ticks);
        }
        let aside = self.aside.take().map(|(aside, payload)| match aside {
            Aside::Event => (EVENT, payload.to_vec()),
            Aside::Noise => (NOISE, payload[..1].to_vec()),
            Aside::OtherCodec => (OTHER, payload.repeat(5)),
        });
        let sound = || (!self.is_silent).then(|| (self.format.payload_type, self.payload.clone()));
        let (payload_type, payload) = aside.or_else(sound)?;
        let mut packet = vec![0x80, payload_type];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        Some(packet)
    }
}

/// A packet of a buzz.
fn sound(format: Format) -> Vec<u8> {
    let samples = format.codec.rate().samples(format.packet_ms.into());
    let pcm: Vec<i16> = (0..samples).map(|at| (at % 80 * 50) as i16).collect();
    let mut payload = vec![0; PAYLOAD_MAX];
    let mut encoder = Encoder::new(format.codec, format.packet_ms).expect("a format that there is");
    let length = encoder.encode(&pcm, &mut payload).expect("a packet");
    payload.truncate(length);
    payload
}
