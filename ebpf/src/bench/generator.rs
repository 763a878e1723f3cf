//! Rewriting one frame, over and over, into the next packet of the next stream.
//!
//! Live frames are recycled: everything that the program under test changes is written each time, and nothing else.
//! What a packet costs here is part of every row of the benchmark alike, so it is kept small.

use aya_ebpf::Global;
use undertone_wire::Frame;

use crate::{
    packet::Packet,
    tables,
    traffic::{MEDIA_V4, MEDIA_V6, NUMBER_V4, NUMBER_V6, PAYLOAD, SOURCE_PORT, SOURCE_V4, SOURCE_V6, destination},
};

/// How many streams take turns, as a power of two.
#[unsafe(no_mangle)]
static STREAMS_LOG2: Global<u32> = Global::new(0);

/// Not 0: the streams of each turn come in another order.
#[unsafe(no_mangle)]
static SHUFFLED: Global<u32> = Global::new(0);

/// The relay's end of the link that the frames arrive on, and the sender's.
const RELAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xd0];
const SENDER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xe0];
/// The tag of frames that have one: priority 5, VLAN 100.
const TAG: [u8; 4] = [0x81, 0x00, 0xa0, 100];
/// What stands in the UDP checksum. The relay updates it and never checks it.
const CHECKSUM: [u8; 2] = [0x12, 0x34];
const TTL: u8 = 64;
/// RTP ticks from one packet of a stream to the next: 20 ms at 8,000 Hz.
const TICKS: u32 = 160;
/// What the SSRCs of all streams have in common.
const SSRC: u32 = 0x5553_0000;

const ETHERNET: usize = 14;
const UDP: usize = 8;
const RTP: usize = 12;
const PROTOCOL_UDP: u8 = 17;

/// One stream's next packet.
struct Turn {
    stream: u32,
    /// How many packets of the stream came before, modulo 2³².
    number: u32,
}

impl Turn {
    #[inline(always)]
    fn next() -> Option<Self> {
        let packet = tables::next_packet()?;
        let bits = STREAMS_LOG2.load();
        let number = (packet >> bits) as u32;
        let stream = packet as u32 & mask(bits);
        let stream = if SHUFFLED.load() == 0 { stream } else { shuffle(stream, number, bits) };
        Some(Self { stream, number })
    }

    #[inline(always)]
    fn rtp(&self) -> [[u8; 4]; 3] {
        let [s0, s1] = (self.number as u16).to_be_bytes();
        [[0x80, 0, s0, s1], self.number.wrapping_mul(TICKS).to_be_bytes(), (SSRC ^ self.stream).to_be_bytes()]
    }
}

/// The stream of a frame that [`write_v4`] made.
#[inline(always)]
pub(crate) fn read_stream(packet: &Packet<'_>) -> Option<u32> {
    packet.read::<4>(ETHERNET + 20 + UDP + 8).map(|ssrc| u32::from_be_bytes(*ssrc) ^ SSRC)
}

#[inline(always)]
fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}

/// A permutation of the numbers of `bits` bits, another for each `key`: each step can be undone.
#[inline(always)]
fn shuffle(number: u32, key: u32, bits: u32) -> u32 {
    let mask = mask(bits);
    let mut mixed = (number ^ key.wrapping_mul(0x9e37_79b9)) & mask;
    mixed = mixed.wrapping_mul(0x85eb_ca6b) & mask;
    mixed ^= mixed >> (bits / 2);
    mixed = mixed.wrapping_mul(0xc2b2_ae35) & mask;
    mixed ^ mixed >> (bits / 2)
}

/// Makes the frame the next packet over IPv4. `None` when it is too short.
#[inline(always)]
pub(crate) fn write_v4(packet: &mut Packet<'_>) -> Option<()> {
    const LENGTH: usize = ETHERNET + 20 + UDP + RTP;
    let turn = Turn::next()?;
    let frame = packet.write::<LENGTH>(0)?;
    write_macs(frame);
    [frame[12], frame[13]] = [0x08, 0x00];
    write_ipv4(frame, ETHERNET, &turn);
    Some(())
}

/// As [`write_v4`], with a VLAN tag.
#[inline(always)]
pub(crate) fn write_vlan(packet: &mut Packet<'_>) -> Option<()> {
    const LENGTH: usize = ETHERNET + 4 + 20 + UDP + RTP;
    let turn = Turn::next()?;
    let frame = packet.write::<LENGTH>(0)?;
    write_macs(frame);
    [frame[12], frame[13], frame[14], frame[15]] = TAG;
    [frame[16], frame[17]] = [0x08, 0x00];
    write_ipv4(frame, ETHERNET + 4, &turn);
    Some(())
}

/// Makes the frame the next packet over IPv6. `None` when it is too short.
#[inline(always)]
pub(crate) fn write_v6(packet: &mut Packet<'_>) -> Option<()> {
    const IP: usize = ETHERNET;
    const LENGTH: usize = IP + 40 + UDP + RTP;
    let turn = Turn::next()?;
    let (number, port) = destination(turn.stream);
    let frame = packet.write::<LENGTH>(0)?;
    write_macs(frame);
    [frame[12], frame[13]] = [0x86, 0xdd];
    let length = ((UDP + RTP + PAYLOAD) as u16).to_be_bytes();
    copy(frame, IP, &[0x60, 0, 0, 0, length[0], length[1], PROTOCOL_UDP, TTL]);
    let mut media = MEDIA_V6;
    media[NUMBER_V6] = number;
    copy(frame, IP + 8, &SOURCE_V6);
    copy(frame, IP + 24, &media);
    write_udp(frame, IP + 40, port, &turn);
    Some(())
}

#[inline(always)]
fn write_macs<const N: usize>(frame: &mut [u8; N]) {
    copy(frame, 0, &RELAY_MAC);
    copy(frame, 6, &SENDER_MAC);
}

#[inline(always)]
fn write_ipv4<const N: usize>(frame: &mut [u8; N], ip: usize, turn: &Turn) {
    let (number, port) = destination(turn.stream);
    let mut media = MEDIA_V4;
    media[NUMBER_V4] = number;
    let length = ((20 + UDP + RTP + PAYLOAD) as u16).to_be_bytes();
    copy(frame, ip, &[0x45, 0, length[0], length[1], 0, 0, 0x40, 0, TTL, PROTOCOL_UDP, 0, 0]);
    copy(frame, ip + 12, &SOURCE_V4);
    copy(frame, ip + 16, &media);
    write_udp(frame, ip + 20, port, turn);
}

#[inline(always)]
fn write_udp<const N: usize>(frame: &mut [u8; N], udp: usize, port: u16, turn: &Turn) {
    let length = ((UDP + RTP + PAYLOAD) as u16).to_be_bytes();
    copy(frame, udp, &SOURCE_PORT.to_be_bytes());
    copy(frame, udp + 2, &port.to_be_bytes());
    copy(frame, udp + 4, &length);
    copy(frame, udp + 6, &CHECKSUM);
    for (index, word) in turn.rtp().iter().enumerate() {
        copy(frame, udp + UDP + 4 * index, word);
    }
}

/// Writes `bytes` at `offset`, which is a constant once all is inlined.
#[inline(always)]
fn copy<const N: usize, const M: usize>(frame: &mut [u8; N], offset: usize, bytes: &[u8; M]) {
    for (index, byte) in bytes.iter().enumerate() {
        if let Some(place) = frame.get_mut(offset + index) {
            *place = *byte;
        }
    }
}
