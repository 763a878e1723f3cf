//! The thread that hears. It looks a thousand times a second: when packets came, the kernel says.

use std::{
    io::IoSliceMut,
    net::UdpSocket,
    os::fd::AsRawFd as _,
    sync::{Arc, atomic::Ordering},
    thread,
    time::Duration,
};

use nix::{
    cmsg_space,
    sys::{
        socket::{ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg},
        time::TimeSpec,
    },
};

use super::{
    Shared, Side, lock,
    packet::{self, Arrived},
    tally::{Heard, Party},
};

/// Packets that are taken at once.
const BATCH: usize = 64;
/// Bytes of a packet that are looked at.
const BYTES: usize = 256;
const NAP: Duration = Duration::from_millis(1);
/// Nanoseconds of a timestamp's tick, at 8 kHz.
const TICK_NS: i64 = 125_000;
/// An octet of silence.
const SILENCE: [u8; 2] = [0xff, 0x7f];

/// What hears.
pub(super) struct Hearer {
    sockets: Vec<Option<UdpSocket>>,
    shared: Arc<Shared>,
    headers: MultiHeaders<SockaddrIn>,
    buffers: Box<[[u8; BYTES]; BATCH]>,
    /// What supervisors hear, by the port of the appliance.
    ears: Vec<Option<Ear>>,
}

/// A supervisor's stream.
#[derive(Clone, Copy, Debug)]
struct Ear {
    sequence: u16,
    /// When its timestamp 0 would have come at the earliest, as far as is known.
    origin_ns: i64,
    /// The beginning of the window that it is of.
    window: u64,
}

impl Hearer {
    pub(super) fn new(sockets: Vec<Option<UdpSocket>>, shared: Arc<Shared>) -> Self {
        Self {
            sockets,
            shared,
            headers: MultiHeaders::preallocate(BATCH, Some(cmsg_space!(TimeSpec))),
            buffers: Box::new([[0; BYTES]; BATCH]),
            ears: vec![None; 1 << 16],
        }
    }

    pub(super) fn run(mut self) {
        while !self.shared.stops.load(Ordering::Relaxed) {
            for side in Side::ALL {
                while self.take(side) == BATCH {}
            }
            thread::sleep(NAP);
        }
    }

    /// Takes what has come to a side: how many packets.
    fn take(&mut self, side: Side) -> usize {
        let Some(Some(socket)) = self.sockets.get(side as usize) else { return 0 };
        let mut slices: Vec<_> = self.buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let Ok(messages) = recvmmsg(socket.as_raw_fd(), &mut self.headers, slices.iter_mut(), flags, None) else {
            return 0;
        };
        let mut tally = lock(&self.shared.heard);
        let mut count = 0;
        for message in messages {
            count += 1;
            let came_ns = message.cmsgs().ok().and_then(|mut all| all.find_map(time_ns));
            let (Some(came_ns), Some(from), Some(bytes)) = (came_ns, message.address, message.iovs().next()) else {
                continue;
            };
            let Some(arrived) = Arrived::read(bytes) else { continue };
            match side {
                Side::Supervisor => {
                    if let Some(ear) = self.ears.get_mut(usize::from(from.port())) {
                        hear_mix(ear, came_ns, &arrived, &self.shared, &mut tally);
                    }
                }
                Side::Caller => {
                    hear(Side::Agent, came_ns, from.port(), &arrived, &self.shared, tally.party_mut(Side::Caller));
                }
                Side::Agent => {
                    hear(Side::Caller, came_ns, from.port(), &arrived, &self.shared, tally.party_mut(Side::Agent));
                }
            }
        }
        count
    }
}

/// A party hears what `other` has sent.
fn hear(other: Side, came_ns: u64, from: u16, arrived: &Arrived<'_>, shared: &Shared, party: &mut Party) {
    let Some(sent_ns) = arrived.sent_ns else {
        party.invented += u64::from(shared.is_counted(came_ns));
        return;
    };
    let is_mixed = arrived.sound != packet::sound(other);
    if is_mixed && shared.awaited.load(Ordering::SeqCst) == u32::from(from) {
        // Only the first counts.
        let _ = shared.mixed_ns.compare_exchange(0, came_ns, Ordering::SeqCst, Ordering::SeqCst);
    }
    if shared.is_counted(sent_ns) {
        party.packets += 1;
        party.mixed += u64::from(is_mixed);
        party.took.note(came_ns.saturating_sub(sent_ns));
    }
}

/// A supervisor hears.
fn hear_mix(ear: &mut Option<Ear>, came_ns: u64, arrived: &Arrived<'_>, shared: &Shared, tally: &mut Heard) {
    if !shared.is_counted(came_ns) {
        return;
    }
    let tally = &mut tally.supervisor;
    let window = shared.window[0].load(Ordering::Relaxed);
    let origin_ns = came_ns as i64 - i64::from(arrived.timestamp) * TICK_NS;
    tally.packets += 1;
    tally.sounding += u64::from(arrived.sound.iter().any(|octet| !SILENCE.contains(octet)));
    let Some(before) = ear.filter(|ear| ear.window == window) else {
        *ear = Some(Ear { sequence: arrived.sequence, origin_ns, window });
        return;
    };
    // The timestamp that begins anew makes one stream's times worthless for a window, which happens once in six days.
    let origin_ns = before.origin_ns.min(origin_ns);
    tally.late.note((came_ns as i64 - i64::from(arrived.timestamp) * TICK_NS - origin_ns).max(0) as u64);
    let step = arrived.sequence.wrapping_sub(before.sequence) as i16;
    tally.lost += i64::from(step - 1).max(0) as u64;
    *ear = Some(Ear { sequence: arrived.sequence, origin_ns, window });
}

/// When the kernel took a packet in.
#[expect(clippy::needless_pass_by_value, reason = "what `find_map` hands over")]
fn time_ns(message: ControlMessageOwned) -> Option<u64> {
    match message {
        ControlMessageOwned::ScmTimestampns(time) => Some(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64),
        _ => None,
    }
}
