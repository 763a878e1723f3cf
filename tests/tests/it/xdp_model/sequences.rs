//! What happens to a few streams in a short time: packets, and control that changes its mind.

use std::collections::HashMap;

use proptest::prelude::*;
use undertone_abi::Rule;

use super::packets::{Packet, packets, rtcp, stream_packets};
use super::payload::{Payload, Rtp};
use super::scene::{At, ends, rules};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// RTP or RTCP of a stream.
    Media {
        /// Where it is sent to.
        at: At,
        /// Its first packet.
        packet: Box<Packet>,
        /// Sequence number of the first packet, counted from the last one that this source sent there.
        step: i16,
        /// How many packets, one after another.
        count: u8,
    },
    /// Any packet at all.
    Stray(Box<Packet>),
    /// The party may send from somewhere else now.
    NewSource(At),
    /// The port has another stream.
    NewStream(At),
    /// Another rule, for the same party.
    NewRule(At, Rule),
    /// The mixer comes or goes.
    Mixer(bool),
}

/// Things that happen one after another.
pub(super) fn sequences(length: usize) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(events(), 1..length)
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        24 => media(),
        3 => packets().prop_map(|packet| Event::Stray(Box::new(packet))),
        1 => ends().prop_map(Event::NewSource),
        1 => ends().prop_map(Event::NewStream),
        1 => (ends(), rules()).prop_map(|(at, rule)| Event::NewRule(at, rule)),
        1 => any::<bool>().prop_map(Event::Mixer),
    ]
}

fn media() -> impl Strategy<Value = Event> {
    let rtp = (1..3_u32, 0..3_u8).prop_map(|(ssrc, payload_type)| {
        let plain = Rtp::plain(0, ssrc);
        Payload::Rtp(Rtp { payload_type, media: 20, ..plain })
    });
    let payload = prop_oneof![9 => rtp, 1 => rtcp()];
    let count = prop_oneof![6 => Just(1), 1 => 2..35_u8];
    (stream_packets(payload), steps(), count).prop_map(|((at, packet), step, count)| Event::Media {
        at,
        packet: Box::new(packet),
        step,
        count,
    })
}

/// One further mostly, else a duplicate, a gap, a late packet or a jump.
fn steps() -> impl Strategy<Value = i16> {
    prop_oneof![12 => Just(1), 2 => Just(0), 3 => 2..6_i16, 3 => -5..0_i16, 1 => 6..80_i16, 2 => -140..-5_i16, 1 => 2990..3010_i16, 1 => any::<i16>()]
}

/// Sequence numbers that senders have come to.
#[derive(Debug, Default)]
pub(super) struct Senders(HashMap<(At, u32), u16>);

impl Senders {
    /// The packets of one event, numbered from where their sender is.
    pub(super) fn number(&mut self, at: At, packet: &Packet, step: i16, count: u8) -> Vec<Packet> {
        let Payload::Rtp(rtp) = packet.payload() else { return vec![packet.clone(); usize::from(count)] };
        let last = self.0.entry((at, rtp.ssrc)).or_insert(0xfff0);
        let first = last.wrapping_add_signed(step);
        let numbers = (0..count).map(|index| first.wrapping_add(index.into()));
        let numbered = numbers.map(|sequence| packet.with_payload(Payload::Rtp(Rtp { sequence, ..rtp.clone() })));
        let packets = numbered.collect();
        *last = first.wrapping_add(u16::from(count) - 1);
        packets
    }
}
