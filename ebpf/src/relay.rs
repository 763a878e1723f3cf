//! One packet's walk from the wire to its outcome.

use undertone_abi::{Admission, Config, CopyMark, Endpoint, Hop, Kind, Reason, Row, RowIndex, Rule, Side};
use undertone_wire::{Datagram, Media, Network, Rewrite};

use crate::{Outcome, clock, packet::Packet, tables};

/// Reads the packet, finds its row, and makes it the packet that leaves.
#[inline(always)]
pub(crate) fn walk(packet: &mut Packet<'_>) -> Outcome {
    // One path, compiled for each IP version: IPv4 does not carry the words of IPv6 along.
    match Network::find(packet) {
        Ok(Network::V4(ip)) => travel(packet, Datagram::parse_v4(packet, ip)),
        Ok(Network::V6(ip)) => travel(packet, Datagram::parse_v6(packet, ip)),
        Err(reason) => Outcome::Pass(reason),
    }
}

#[inline(always)]
fn travel(packet: &mut Packet<'_>, datagram: Result<Datagram, Reason>) -> Outcome {
    let datagram = match datagram {
        Ok(datagram) => datagram,
        Err(reason) => return Outcome::Pass(reason),
    };
    let Some(config) = tables::config() else { return Outcome::Pass(Reason::NotMedia) };
    let Some(address) = config.media_address(&datagram.destination.address) else {
        return Outcome::Pass(Reason::NotMedia);
    };
    if !config.is_media_port(datagram.destination.port) {
        return Outcome::Pass(Reason::OutsideRange);
    }
    // Before the row is touched: reading the clock waits for every load under way, and the row's lines come from memory.
    let now_ns = clock::now_ns(config);
    let index = RowIndex::new(address.local, datagram.destination.port);
    let Some(row) = tables::row(index) else { return Outcome::Drop(Reason::NoStream) };
    row.touch();
    let arrival = Arrival { config, index, row, datagram, side: address.side, now_ns };
    // Not a chain of closures: the compiler does not inline those, and a call takes stack that there is not.
    let outcome = match judge(packet, &arrival) {
        Ok(is_rtp) => depart(packet, &arrival, is_rtp),
        Err(reason) => Err(reason),
    };
    match outcome {
        Ok(outcome) => outcome,
        Err(reason @ (Reason::NotRtp | Reason::NotMedia)) => Outcome::Pass(reason),
        Err(reason) => Outcome::Drop(reason),
    }
}

/// A datagram to one of our media ports.
struct Arrival {
    config: &'static Config,
    index: RowIndex,
    row: &'static Row,
    datagram: Datagram,
    side: Side,
    /// When it came.
    now_ns: u64,
}

/// Decides whether the packet may come in, and counts it. Says whether it is RTP.
#[inline(always)]
fn judge(packet: &Packet<'_>, arrival: &Arrival) -> Result<bool, Reason> {
    let &Arrival { row, ref datagram, now_ns, .. } = arrival;
    let from_mixer = matches!(arrival.side, Side::Mixer);
    if from_mixer && packet.ingress_interface() != arrival.config.mixer_interface() {
        return Err(Reason::NotMedia);
    }
    let head = row.head();
    if matches!(head.kind, Kind::Free) {
        return Err(if from_mixer { Reason::MixerStray } else { Reason::NoStream });
    }
    let length = datagram.payload_length().ok_or(Reason::BadLength)?;
    let media = match Media::parse(packet, datagram.payload(), length, head.kind) {
        Ok(media) => media,
        Err(_) if from_mixer => return Err(Reason::MixerStray),
        Err(Reason::NotRtp) => return Err(Reason::NotRtp),
        Err(reason) => {
            row.count_invalid();
            return Err(reason);
        }
    };
    let is_rtp = matches!(media, Media::Rtp(_));
    if from_mixer {
        return Ok(is_rtp);
    }
    let signalled = || tables::rule(tables::rule(arrival.index)?.partner()).map(|partner| partner.to);
    match row.admit(head.policy, row.epoch(), datagram.source, signalled, now_ns) {
        Admission::Known => {}
        Admission::Moved => announce_move(arrival.index),
        Admission::Stranger => return Err(Reason::Stranger),
    }
    row.count(length as u32, now_ns);
    match media {
        Media::Rtp(rtp) => row.receive(&rtp, head.clock, now_ns),
        Media::Rtcp | Media::Other => row.count_outside(),
    }
    Ok(is_rtp)
}

/// A source was learned: packets of the other direction have to look where it is, and user space finds the way there.
#[inline(never)]
fn announce_move(index: RowIndex) {
    if let Some(partner) = tables::rule(index).and_then(|rule| tables::row(rule.partner())) {
        partner.follow();
    }
    tables::announce_move(index);
}

/// How the stream itself goes on. Its copies leave either way.
#[derive(Clone, Copy)]
enum Way {
    /// To its party.
    Forward(Reason, Hop),
    /// To the mixer, at this port.
    Mixer(Reason, u16),
    /// Not at all.
    Hold,
}

/// Sends a judged packet on its way.
#[inline(always)]
fn depart(packet: &mut Packet<'_>, arrival: &Arrival, is_rtp: bool) -> Result<Outcome, Reason> {
    let rule = arrival.row.rule().ok_or(Reason::RuleBusy)?;
    let config = arrival.config;
    let in_kernel = matches!(arrival.side, Side::Network) && config.copies_port() == 0;
    let group = if in_kernel { rule.group } else { 0 };
    let way = find_way(arrival, &rule)?;
    // Whatever way it takes: what comes from the mixer has been numbered already.
    let sequence_offset = if is_rtp && matches!(arrival.side, Side::Network) { rule.sequence_offset } else { 0 };
    let (hop, reason) = match way {
        Way::Forward(reason, hop) => (hop, reason),
        Way::Mixer(reason, _) => (tables::hop(config.mixer_hop()).ok_or(Reason::NoHop)?, reason),
        // Copies of a packet that does not leave are made of the packet as it came.
        Way::Hold if group != 0 => {
            let original = Original { device: 0, sequence_offset };
            return broadcast(packet, group, way, original, Reason::CopiedOnly);
        }
        Way::Hold => return Err(if rule.forward { Reason::NoHop } else { Reason::Held }),
    };
    let party = matches!(way, Way::Forward(..));
    Rewrite {
        from: source(arrival, &rule, way).ok_or(Reason::NoHop)?,
        to: destination(arrival, &rule, way),
        hop,
        dscp: if party { rule.dscp } else { None },
        ttl_step: 1,
        sequence_offset,
    }
    .apply(packet, &arrival.datagram)?;
    if group == 0 {
        packet.unmark();
        return Ok(Outcome::Send { device: hop.device, reason });
    }
    let reason = if matches!(reason, Reason::Forwarded) { Reason::Copied } else { reason };
    broadcast(packet, group, way, Original { device: hop.device as u16 + 1, sequence_offset: 0 }, reason)
}

/// How the stream itself goes on.
#[inline(always)]
fn find_way(arrival: &Arrival, rule: &Rule) -> Result<Way, Reason> {
    let config = arrival.config;
    if rule.group != 0
        && config.copies_port() != 0
        && matches!(arrival.side, Side::Network)
        && tables::mixer_is_alive(arrival.now_ns)
    {
        let reason = match (rule.forward, rule.divert) {
            (true, true) => Reason::Diverted,
            (true, false) => Reason::Copied,
            (false, _) => Reason::CopiedOnly,
        };
        return Ok(Way::Mixer(reason, config.copies_port()));
    }
    let reason = match (arrival.side, rule.forward, rule.divert) {
        (Side::Mixer, true, _) => Reason::Mixed,
        (Side::Mixer, false, _) => return Err(Reason::MixerStray),
        (Side::Network, false, _) => return Ok(Way::Hold),
        (Side::Network, true, false) => Reason::Forwarded,
        (Side::Network, true, true) if tables::mixer_is_alive(arrival.now_ns) => {
            return Ok(Way::Mixer(Reason::Diverted, config.divert_port(arrival.index, rule.partner())));
        }
        (Side::Network, true, true) => Reason::FailedToWire,
    };
    if let Some(hop) = tables::hop(rule.via.hop) {
        return Ok(Way::Forward(reason, hop));
    }
    // Nobody knows the way yet: user space has the kernel find it, and sends the packet meanwhile.
    if config.mixer_interface() != 0 {
        return Ok(Way::Mixer(Reason::Unresolved, config.unresolved_port()));
    }
    Ok(Way::Hold)
}

/// The source that the packet gets. To the mixer, that is the alias of the port it came to, which names its row.
#[inline(always)]
fn source(arrival: &Arrival, rule: &Rule, way: Way) -> Option<Endpoint> {
    Some(match way {
        Way::Mixer(..) => {
            let local = arrival.config.local(arrival.index.local())?;
            Endpoint { address: local.alias(), port: arrival.index.port() }
        }
        _ => Endpoint { address: arrival.config.local(rule.via.local)?.address(), port: rule.from_port },
    })
}

/// The destination that the packet gets. To a party, that is where it was learned to be, before what was signalled.
#[inline(always)]
fn destination(arrival: &Arrival, rule: &Rule, way: Way) -> Endpoint {
    if let Way::Mixer(_, port) = way {
        return Endpoint { address: arrival.config.mixer_address(), port };
    }
    if arrival.row.follows()
        && let Some(partner) = tables::row(rule.partner())
    {
        return partner.answer_to(rule.to);
    }
    rule.to
}

/// The stream itself, as its copies have to know it.
#[derive(Clone, Copy)]
struct Original {
    /// See [`CopyMark::original`].
    device: u16,
    /// See [`CopyMark::sequence_offset`].
    sequence_offset: u16,
}

/// Marks the packet for the egress program, and names the shape it leaves by.
#[inline(always)]
fn broadcast(
    packet: &mut Packet<'_>,
    group: u16,
    way: Way,
    original: Original,
    reason: Reason,
) -> Result<Outcome, Reason> {
    let shapes = tables::group(group as u32).ok_or(Reason::CopyStray)?.shapes();
    let shape = match way {
        Way::Forward(..) => shapes.forward,
        Way::Mixer(..) => shapes.divert,
        Way::Hold => shapes.hold,
    };
    let mark = CopyMark {
        magic: CopyMark::MAGIC,
        group: group as u32,
        serial: tables::next_serial(),
        original: original.device,
        sequence_offset: original.sequence_offset,
    };
    if !packet.mark(mark) {
        return Err(Reason::NoRoom);
    }
    Ok(Outcome::Broadcast { shape, reason })
}
