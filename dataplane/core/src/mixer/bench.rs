//! Memory that every packet uses again.

use super::{codec::SAMPLES_MAX, line::Scratch};

/// Bytes of a packet of ours at most: a header, and 60 ms of linear samples at 16 kHz, or 20 ms at 48 kHz.
pub(super) const PACKET_MAX: usize = 2048;

/// A mixer's workbench.
#[derive(Debug)]
pub(super) struct Bench {
    /// What lines decode to.
    pub(super) scratch: Scratch,
    /// What a party says.
    pub(super) base: [i16; SAMPLES_MAX],
    /// One voice.
    pub(super) voice: [i16; SAMPLES_MAX],
    /// The sum of several.
    pub(super) sum: Box<[i32]>,
    /// What is sent.
    pub(super) packet: [u8; PACKET_MAX],
}

impl Bench {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            scratch: [0; SAMPLES_MAX],
            base: [0; SAMPLES_MAX],
            voice: [0; SAMPLES_MAX],
            sum: vec![0; SAMPLES_MAX].into(),
            packet: [0; PACKET_MAX],
        })
    }
}
