//! Telling the copies of one packet apart, and making each what its group wants.

use undertone_abi::{Endpoint, Reason};
use undertone_wire::{Datagram, Rewrite};

use crate::{packet::Packet, tables};

/// Rewrites a frame that leaves as the copy it is. `Ok(None)` for a frame that is no copy.
#[inline(always)]
pub(crate) fn turn_into_copy(packet: &mut Packet<'_>) -> Result<Option<Reason>, Reason> {
    let Some(mark) = packet.read_mark() else { return Ok(None) };
    let group = tables::group(mark.group).ok_or(Reason::CopyStray)?;
    let interface = packet.egress_interface();
    // Without a copy through this device, the frame is the stream itself.
    let Some(first) = group.first_on(interface) else { return Ok(None) };
    let slot = group.device(first);
    let turn = tables::turn(slot).ok_or(Reason::CopyStray)?.take(mark.serial);
    // The stream itself stands ahead of the copies in its shape.
    let copy = if mark.original == slot as u16 + 1 {
        match turn.checked_sub(1) {
            Some(copy) => copy,
            None => return Ok(None),
        }
    } else {
        turn
    };
    let index = first + (copy & 7);
    if copy > 7 || group.interface(index) != interface {
        return Err(Reason::CopyStray);
    }
    let copy = group.copy(index).ok_or(Reason::CopyStray)?;
    let hop = tables::hop(copy.via.hop).ok_or(Reason::CopyNoHop)?;
    let config = tables::config().ok_or(Reason::CopyStray)?;
    let local = config.local(copy.via.local).ok_or(Reason::CopyStray)?;
    // A copy to the mixer comes from the alias of our address, which the mixer's link knows.
    let address = if copy.via.hop == config.mixer_hop() { local.alias() } else { local.address() };
    let from = Endpoint { address, port: copy.from_port };
    let datagram = Datagram::parse(packet).map_err(|_| Reason::CopyStray)?;
    let sequence_offset = mark.sequence_offset;
    Rewrite { from, to: copy.to, hop, dscp: None, ttl_step: 0, sequence_offset }.apply(packet, &datagram).map_err(
        |reason| match reason {
            Reason::TooBig | Reason::TtlExpired => Reason::CopyTooBig,
            reason => reason,
        },
    )?;
    packet.unmark();
    Ok(Some(Reason::CopySent))
}
