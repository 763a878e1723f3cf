//! Whether a packet may come in.

use undertone_abi::{Admission, Kind, Reason, Row, RowIndex, Side};
use undertone_wire::Media;

use super::{Arrival, Tables, payload::Payload};
use crate::Memory;

/// A packet that may go on.
#[derive(Clone, Copy)]
pub(super) struct Judged<'a> {
    pub(super) row: &'a Row,
    pub(super) is_rtp: bool,
}

impl<'a, M: Memory> Tables<'a, M> {
    /// Decides whether the packet may come in, and counts it.
    pub(super) fn judge(&self, arrival: &Arrival, payload: &mut [u8]) -> Result<Judged<'a>, Reason> {
        let from_mixer = arrival.side == Side::Mixer;
        // The alias is a loopback address: only this host can send to it, but any process here.
        if from_mixer && arrival.source.address != self.memory.config().mixer_address() {
            return Err(Reason::MixerStray);
        }
        let absent = if from_mixer { Reason::MixerStray } else { Reason::NoStream };
        let row = self.memory.row(arrival.index).ok_or(absent)?;
        let head = row.head();
        if head.kind == Kind::Free {
            return Err(absent);
        }
        let length = payload.len();
        let media = match Media::parse(&Payload(payload), 0, length, head.kind) {
            Ok(media) => media,
            Err(_) if from_mixer => return Err(Reason::MixerStray),
            Err(Reason::NotRtp) => return Err(Reason::NotRtp),
            Err(reason) => {
                row.count_invalid();
                return Err(reason);
            }
        };
        let judged = Judged { row, is_rtp: matches!(media, Media::Rtp(_)) };
        if from_mixer {
            return Ok(judged);
        }
        let signalled = || self.partner(arrival.index)?.rule().map(|partner| partner.to);
        match row.admit(head.policy, row.epoch(), arrival.source, signalled, arrival.now_ns) {
            Admission::Known => {}
            // Packets of the other direction have to look where the source is.
            Admission::Moved => {
                if let Some(partner) = self.partner(arrival.index) {
                    partner.follow();
                }
            }
            Admission::Stranger => return Err(Reason::Stranger),
        }
        row.count(length as u32, arrival.now_ns);
        match media {
            Media::Rtp(rtp) => row.receive(&rtp, head.clock, arrival.now_ns),
            Media::Rtcp | Media::Other => row.count_outside(),
        }
        Ok(judged)
    }

    fn partner(&self, index: RowIndex) -> Option<&'a Row> {
        self.memory.row(self.memory.row(index)?.rule()?.partner())
    }
}
