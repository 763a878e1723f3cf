//! One lane: a thread that mixes, and how it is told what to do.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::mpsc::UnboundedSender;
use undertone_core::mixer::Event as MixerEvent;

use super::{
    BUFFERS, Command, Pulse, SESSIONS_MAX, STREAMS_BUFFER, exits, open,
    shifts::Shifts,
    thread::{self, Thread, Wires},
};
use crate::{
    door::{
        self,
        ring::{Ring, RingSize},
    },
    mixer::MixerError,
    threads,
};

/// What a lane is started with.
pub(super) struct Parts {
    /// Where streams come that somebody speaks into.
    pub(super) divert: UdpSocket,
    /// The mixer's address.
    pub(super) address: Ipv4Addr,
    pub(super) heart: Heart,
    /// Where it tells what happens.
    pub(super) events: UnboundedSender<MixerEvent>,
    /// Where it tells how many packets it has slipped in.
    pub(super) shifts: Shifts,
    /// Sessions whose RTCP may have a socket of its own.
    pub(super) reports_max: u32,
}

/// A lane. Its thread ends when this is dropped.
pub(super) struct Lane {
    commands: mpsc::Sender<Command>,
    bell: Arc<EventFd>,
    taps_port: u16,
    /// Why the thread has ended.
    cause: Arc<OnceLock<String>>,
    thread: Option<JoinHandle<()>>,
}

impl Lane {
    pub(super) fn start(parts: Parts) -> Result<Self, MixerError> {
        let failed = |what| move |source: io::Error| MixerError::System { what, source };
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(io::Error::from)
            .map_err(failed("make an eventfd"))?;
        let Parts { divert, address, heart, events, shifts, reports_max } = parts;
        let taps = open(SocketAddr::from((address, 0)), STREAMS_BUFFER).map_err(failed("open a socket"))?;
        let taps_port = taps.local_addr().map_err(failed("read a socket's port"))?.port();
        let (commands, inbox) = mpsc::channel();
        let (started, outcome) = mpsc::sync_channel(1);
        let (bell, cause) = (Arc::new(bell), Arc::new(OnceLock::new()));
        let (its_bell, its_cause) = (Arc::clone(&bell), Arc::clone(&cause));
        // A ring belongs to the thread that makes it.
        let run = move || {
            let wires = Wires { bell: its_bell, commands: inbox, events, shifts };
            let thread =
                ring(reports_max).and_then(|ring| Thread::new(ring, reports_max, address, [divert, taps], wires));
            let mut thread = match thread {
                Ok(thread) => thread,
                Err(error) => return drop(started.send(Err(error))),
            };
            heart.beat(door::monotonic_ns());
            drop(started.send(Ok(())));
            if let Err(error) = thread.run(&heart) {
                let _ = its_cause.set(error.to_string());
            }
        };
        let thread = std::thread::Builder::new().name("mixer".into()).spawn(run).map_err(failed("start a thread"))?;
        let lane = Self { commands, bell, taps_port, cause, thread: Some(thread) };
        outcome.recv().map_err(io::Error::other).flatten().map_err(failed("start io_uring"))?;
        Ok(lane)
    }

    /// Where copies of its streams come to.
    pub(super) const fn taps_port(&self) -> u16 {
        self.taps_port
    }

    pub(super) fn tell(&self, command: Command) {
        // A thread that has ended is noticed by `ended`.
        let _ = self.commands.send(command);
        let _ = self.bell.write(1);
    }

    /// The name of the thread, if it has ended.
    pub(super) fn ended(&self) -> Option<String> {
        let name = threads::ended(&self.thread)?;
        Some(self.cause.get().map_or_else(|| name.clone(), |cause| format!("{name}: {cause}")))
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.tell(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

/// A lane's part in the one heartbeat that the data plane knows. The first lane tells it of whichever beat longest ago: where
/// one hangs, no stream is led anywhere.
pub(super) struct Heart {
    beats_ns: Arc<[AtomicU64]>,
    lane: usize,
    /// The first lane's.
    pulse: Option<Pulse>,
}

/// The beat of a lane that nothing comes to.
const AT_REST: u64 = u64::MAX;

impl Heart {
    /// One for each of so many lanes.
    pub(super) fn of_lanes(lanes: usize, pulse: Pulse) -> impl Iterator<Item = Self> {
        let beats_ns: Arc<[AtomicU64]> = (0..lanes).map(|_| AtomicU64::new(AT_REST)).collect();
        let mut pulse = Some(pulse);
        (0..lanes).map(move |lane| Self { beats_ns: Arc::clone(&beats_ns), lane, pulse: pulse.take() })
    }

    /// The lane is alive.
    pub(super) fn beat(&self, now_ns: u64) {
        self.set(now_ns);
        if let Some(pulse) = &self.pulse {
            let beats = self.beats_ns.iter().map(|beat| beat.load(Ordering::Relaxed));
            pulse(beats.min().unwrap_or(now_ns));
        }
    }

    /// Whether nobody waits for the lane's beat while it has nothing to do.
    pub(super) const fn may_rest(&self) -> bool {
        self.pulse.is_none()
    }

    /// The lane has nothing to do, and does not beat until it has.
    pub(super) fn rest(&self) {
        self.set(AT_REST);
    }

    fn set(&self, beat_ns: u64) {
        if let Some(beat) = self.beats_ns.get(self.lane) {
            beat.store(beat_ns, Ordering::Relaxed);
        }
    }
}

fn ring(reports_max: u32) -> io::Result<Ring> {
    let mut ring = Ring::new(RingSize {
        queue: 512,
        completions: 8192,
        buffers: BUFFERS,
        buffer_bytes: 2048,
        sockets: SESSIONS_MAX + reports_max + exits::EXITS_MAX + thread::SLOTS_FIXED,
    })?;
    ring.keep_payloads();
    Ok(ring)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn the_heart_beats_with_the_lane_that_hangs() {
        let told = Arc::new(AtomicU64::new(0));
        let heard = Arc::clone(&told);
        let hearts: Vec<_> =
            Heart::of_lanes(3, Box::new(move |beat_ns| heard.store(beat_ns, Ordering::Relaxed))).collect();
        let [first, second, third] = hearts.as_slice() else { panic!("three hearts") };
        assert_eq!([first, second, third].map(Heart::may_rest), [false, true, true]);
        first.beat(10);
        assert_eq!(told.load(Ordering::Relaxed), 10, "the others have nothing to do");
        second.beat(11);
        third.beat(12);
        first.beat(50);
        assert_eq!(told.load(Ordering::Relaxed), 11, "the second has something to do, and does nothing");
        second.rest();
        first.beat(60);
        assert_eq!(told.load(Ordering::Relaxed), 12);
    }
}
