//! Where a packet that may come in goes.

use undertone_abi::{CopyRule, Endpoint, Reason, Row, RowIndex, Rule, Side, limits::HEARTBEAT_STALE_MS};
use undertone_wire::Frame as _;

use super::{Arrival, Departure, Departures, Sockets, Tables, judge::Judged, payload::Payload};
use crate::Memory;

/// How the stream itself goes on. Its copies leave either way.
enum Way<Id> {
    /// To its party, from this socket.
    Forward(Reason, Id, Endpoint),
    /// To the mixer, from the port's alias.
    Mixer(Id),
    /// Not at all.
    Hold,
}

impl<M: Memory> Tables<'_, M> {
    /// Sends a judged packet on its way.
    pub(super) fn depart<S: Sockets>(
        &self,
        arrival: &Arrival,
        judged: Judged<'_>,
        payload: &mut [u8],
        sockets: &mut S,
        departures: &mut Departures<S::Id>,
    ) -> Result<Reason, Reason> {
        let rule = judged.row.rule().ok_or(Reason::RuleBusy)?;
        let group = if arrival.side == Side::Mixer { 0 } else { rule.group };
        let way = self.find_way(arrival, judged.row, &rule, sockets)?;
        if matches!(way, Way::Hold) && group == 0 {
            return Err(if rule.forward { Reason::NoHop } else { Reason::Held });
        }
        // Whatever way it takes: what comes from the mixer has been numbered already.
        if judged.is_rtp && rule.sequence_offset != 0 && arrival.side == Side::Network {
            shift_sequence(payload, rule.sequence_offset)?;
        }
        let reason = match way {
            Way::Forward(reason, socket, to) => {
                let reason = if group != 0 && reason == Reason::Forwarded { Reason::Copied } else { reason };
                departures.push(Departure { socket, to, dscp: rule.dscp.or(arrival.dscp), reason });
                reason
            }
            Way::Mixer(socket) => {
                let config = self.memory.config();
                let to = Endpoint {
                    address: config.mixer_address(),
                    port: config.divert_port(arrival.index, rule.partner()),
                };
                departures.push(Departure { socket, to, dscp: arrival.dscp, reason: Reason::Diverted });
                Reason::Diverted
            }
            Way::Hold => Reason::CopiedOnly,
        };
        if group != 0 {
            self.copy(arrival.index, group, sockets, departures);
        }
        Ok(reason)
    }

    /// How the stream itself goes on. A partner without an open socket, or a party that was not signalled yet, is like
    /// a next hop that is not known.
    fn find_way<S: Sockets>(
        &self,
        arrival: &Arrival,
        row: &Row,
        rule: &Rule,
        sockets: &mut S,
    ) -> Result<Way<S::Id>, Reason> {
        let reason = match (arrival.side, rule.forward, rule.divert) {
            (Side::Mixer, true, _) => Reason::Mixed,
            (Side::Mixer, false, _) => return Err(Reason::MixerStray),
            (Side::Network, false, _) => return Ok(Way::Hold),
            (Side::Network, true, false) => Reason::Forwarded,
            (Side::Network, true, true) if self.mixer_is_alive(arrival.now_ns) => match sockets.alias(arrival.index) {
                Some(alias) => return Ok(Way::Mixer(alias)),
                None => Reason::FailedToWire,
            },
            (Side::Network, true, true) => Reason::FailedToWire,
        };
        let to = self.destination(row, rule);
        Ok(match sockets.port(rule.partner()) {
            // To a socket, nobody's address is this host's own.
            Some(socket) if !to.address.is_unspecified() => Way::Forward(reason, socket, to),
            _ => Way::Hold,
        })
    }

    /// Where the party is: where it was learned to be, before what was signalled.
    fn destination(&self, row: &Row, rule: &Rule) -> Endpoint {
        if row.follows()
            && let Some(partner) = self.memory.row(rule.partner())
        {
            return partner.answer_to(rule.to);
        }
        rule.to
    }

    /// Whether the mixer's thread has beaten lately.
    fn mixer_is_alive(&self, now_ns: u64) -> bool {
        // A beat may be newer than the packet.
        (now_ns.wrapping_sub(self.heartbeat.load()) as i64) < (HEARTBEAT_STALE_MS * 1_000_000) as i64
    }

    /// Adds the copies of the packet that came to `index`.
    fn copy<S: Sockets>(&self, index: RowIndex, group: u16, sockets: &mut S, departures: &mut Departures<S::Id>) {
        let Some(group) = self.memory.group(group) else { return };
        for copy in (0..group.count() as usize).map_while(|copy| group.copy(copy)) {
            match self.copy_socket(index, &copy, sockets) {
                Some(socket) => {
                    departures.push(Departure { socket, to: copy.to, dscp: None, reason: Reason::CopySent });
                }
                None => departures.copies_stuck += 1,
            }
        }
    }

    /// The socket that a copy leaves through: the one bound to the address and port that the copy is to come from,
    /// else the stream's own, else any on that address. To the mixer, the alias of the port.
    fn copy_socket<S: Sockets>(&self, index: RowIndex, copy: &CopyRule, sockets: &mut S) -> Option<S::Id> {
        let config = self.memory.config();
        let named = RowIndex::new(copy.via.local, copy.from_port);
        if copy.to.address == config.mixer_address() {
            return sockets.alias(named);
        }
        let is_v4 = copy.to.address.is_v4();
        let fits = |row: &RowIndex| config.local(row.local()).is_some_and(|local| local.address().is_v4() == is_v4);
        if let Some(port) = [named, index].iter().filter(|row| fits(row)).find_map(|row| sockets.port(*row)) {
            return Some(port);
        }
        if fits(&named) { sockets.spare(named.local()) } else { None }
    }
}

/// Adds `offset` to the sequence number of an RTP packet, RFC 3550, section 5.1.
fn shift_sequence(payload: &mut [u8], offset: u16) -> Result<(), Reason> {
    let mut payload = Payload(payload);
    let sequence = payload.write::<2>(2).ok_or(Reason::BadRtp)?;
    *sequence = u16::from_be_bytes(*sequence).wrapping_add(offset).to_be_bytes();
    Ok(())
}
