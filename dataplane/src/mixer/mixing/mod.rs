//! The mixer on the network: lanes, each a thread with one `io_uring` for everything that its supervisors hear and say.
//!
//! A call has the lane that [its ports](undertone_abi::lane_of) say, and whoever monitors it is moved there. Copies of
//! streams come to one socket of the lane, streams that somebody speaks into come to another and go back from it, and every
//! session has a socket of its own, outside the media ports. What is decided is [`undertone_core::mixer`]'s. Commands are
//! taken in their order; what happens comes back as [`MixerEvent`]s.

mod exits;
mod lane;
mod shifts;
mod thread;

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    sync::mpsc,
    thread::JoinHandle,
};

use parking_lot::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use undertone_abi::{Dscp, RowIndex, lane_of};
use undertone_core::mixer::{CallKey, Clip, Mode, Moved, SessionKey, SessionSpec, Signal, StreamSpec, Totals};
pub use undertone_core::mixer::{Event as MixerEvent, SessionReport};

use self::{
    lane::{Heart, Lane, Parts},
    shifts::Shifts,
};
use crate::{mixer::MixerError, sockets::bind, threads};

/// Sessions at a time. One more is refused.
pub const SESSIONS_MAX: u32 = 16_384;
/// Bytes that a socket may hold until the thread comes round to it: of a session, and of all streams of a lane.
const SESSION_BUFFER: usize = 64 << 10;
const STREAMS_BUFFER: usize = 4 << 20;
/// Datagrams that can have come to a lane and not been looked at.
const BUFFERS: u16 = 2048;
/// Files that the process may need beside.
const FILES_BESIDE: u64 = 1024;

/// Says that the mixer is alive, at this time.
pub(crate) type Pulse = Box<dyn Fn(u64) + Send>;

/// Has as much added to the numbers of a stream. It may have to wait for a lock.
pub(crate) type Shift = Box<dyn FnMut(RowIndex, u16) + Send>;

/// What a lane is told.
enum Command {
    Call(CallKey, [StreamSpec; 2]),
    /// Says which of its streams were led, where anybody asks.
    EndCall(CallKey, Option<mpsc::SyncSender<[bool; 2]>>),
    /// Of the streams of a call that came from another lane, these were led.
    Settle(CallKey, [bool; 2]),
    Open(SessionKey, SessionSockets, SessionSpec),
    Change(SessionKey, SessionSpec),
    Close(SessionKey),
    /// A session goes to another lane.
    Leave(SessionKey, mpsc::SyncSender<Option<Moving>>),
    Arrive(SessionKey, Moving),
    Attach(SessionKey, CallKey, Mode),
    Detach(SessionKey),
    Consent(CallKey, [bool; 2]),
    Ducking(u8),
    Play(SessionKey, Signal),
    Say(SessionKey, Clip),
    Report(SessionKey, mpsc::SyncSender<Option<SessionReport>>),
    Reports(mpsc::SyncSender<Reports>),
    Stop,
}

/// The sockets of a session: for RTP, and for RTCP where that has a port of its own.
struct SessionSockets {
    rtp: UdpSocket,
    rtcp: Option<UdpSocket>,
}

/// A session between two lanes.
struct Moving {
    session: Moved,
    sockets: SessionSockets,
}

/// What is known of all sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// Each that there is.
    pub sessions: Vec<(SessionKey, SessionReport)>,
    /// What was counted of all that there ever were.
    pub totals: Totals,
}

/// A handle on the mixer's threads. They end when this is dropped.
pub struct Mixing {
    lanes: Vec<Lane>,
    events: Mutex<Option<UnboundedReceiver<MixerEvent>>>,
    places: Mutex<Places>,
    /// Does what lanes must not wait for.
    shifts: Option<JoinHandle<()>>,
}

/// Which lane has what.
#[derive(Debug, Default)]
struct Places {
    calls: HashMap<CallKey, CallPlace>,
    sessions: HashMap<SessionKey, SessionPlace>,
}

#[derive(Clone, Copy, Debug)]
struct CallPlace {
    lane: usize,
    /// Who hears the consent tone.
    consent: [bool; 2],
}

#[derive(Clone, Copy, Debug)]
struct SessionPlace {
    lane: usize,
    /// What it is at, and in which mode.
    at: Option<(CallKey, Mode)>,
}

impl Mixing {
    /// Starts a lane for each of these sockets, where streams come that somebody speaks into. What lanes must not wait for,
    /// `shift`, is done on another thread.
    pub(crate) fn start(
        divert: Vec<UdpSocket>,
        address: Ipv4Addr,
        pulse: Pulse,
        shift: Shift,
    ) -> Result<Self, MixerError> {
        let files = bind::raise_file_limit(2 * u64::from(SESSIONS_MAX) + FILES_BESIDE);
        let reports_max = reports_max(files);
        let (happened, events) = unbounded_channel();
        let (shifts, thread) =
            Shifts::start(shift).map_err(|source| MixerError::System { what: "start a thread", source })?;
        let hearts = Heart::of_lanes(divert.len(), pulse);
        let lanes = divert.into_iter().zip(hearts).map(|(divert, heart)| {
            let (events, shifts) = (happened.clone(), shifts.clone());
            Lane::start(Parts { divert, address, heart, events, shifts, reports_max })
        });
        let lanes = lanes.collect::<Result<_, _>>()?;
        Ok(Self { lanes, events: Mutex::new(Some(events)), places: Mutex::default(), shifts: Some(thread) })
    }

    /// The events, for whoever comes first.
    pub fn take_events(&self) -> Option<UnboundedReceiver<MixerEvent>> {
        self.events.lock().take()
    }

    /// The port for copies of the stream that comes to `row`: [`MonitorPort::Mixer`](undertone_core::MonitorPort::Mixer).
    pub(crate) fn taps_port(&self, row: RowIndex, partner: RowIndex) -> u16 {
        self.lanes.get(self.lane_of(row, partner)).map_or(0, Lane::taps_port)
    }

    /// The rest is told the mixer in this order: a call, a session, both together.
    pub fn set_call(&self, key: CallKey, streams: [StreamSpec; 2]) {
        let [agent, caller] = &streams;
        let lane = self.lane_of(agent.row, caller.row);
        let mut places = self.places.lock();
        let call = places.calls.entry(key).or_insert(CallPlace { lane, consent: [false; 2] });
        let (before, consent) = (call.lane, call.consent);
        call.lane = lane;
        if before == lane {
            return self.tell(lane, Command::Call(key, streams));
        }
        let was_led = self.ask(before, |reply| Command::EndCall(key, Some(reply)));
        self.tell(lane, Command::Call(key, streams));
        self.tell(lane, Command::Consent(key, consent));
        for (session, place) in &mut places.sessions {
            if let Some((_, mode)) = place.at.filter(|(call, _)| *call == key) {
                self.go(*session, place, lane);
                self.tell(lane, Command::Attach(*session, key, mode));
            }
        }
        self.tell(lane, Command::Settle(key, was_led.unwrap_or_default()));
    }

    /// Follows a call no longer.
    pub fn end_call(&self, key: CallKey) {
        let mut places = self.places.lock();
        let Some(call) = places.calls.remove(&key) else { return };
        for session in places.sessions.values_mut() {
            session.at = session.at.filter(|(call, _)| *call != key);
        }
        self.tell(call.lane, Command::EndCall(key, None));
    }

    /// Opens a session's port, and begins to send to the supervisor's phone. `local` is outside the media ports. RTCP has the
    /// next port, unless it comes with RTP at the beginning.
    pub fn open(&self, key: SessionKey, local: SocketAddr, dscp: Option<Dscp>, spec: SessionSpec) -> io::Result<()> {
        let open = |local: SocketAddr| {
            let socket = open(local, SESSION_BUFFER)?;
            if let Some(dscp) = dscp {
                bind::set_dscp(&socket, local.is_ipv6(), dscp)?;
            }
            Ok::<_, io::Error>(socket)
        };
        let beside = SocketAddr::new(local.ip(), local.port().saturating_add(1));
        let rtcp = spec.rtcp.map(|_| open(beside)).transpose()?;
        let sockets = SessionSockets { rtp: open(local)?, rtcp };
        // Which call it will be at is not known yet.
        let place = SessionPlace { lane: 0, at: None };
        self.places.lock().sessions.insert(key, place);
        self.tell(place.lane, Command::Open(key, sockets, spec));
        Ok(())
    }

    /// A supervisor's phone sends, or wants to hear, something else.
    pub fn change(&self, key: SessionKey, spec: SessionSpec) {
        self.tell_of(key, Command::Change(key, spec));
    }

    /// Ends a session, and closes its port.
    pub fn close(&self, key: SessionKey) {
        if let Some(place) = self.places.lock().sessions.remove(&key) {
            self.tell(place.lane, Command::Close(key));
        }
    }

    /// Puts a session to a call in a mode, or into another mode. Where the call has another lane, this waits for the session's
    /// to let it go, a fraction of a millisecond.
    pub fn attach(&self, key: SessionKey, call: CallKey, mode: Mode) {
        let mut places = self.places.lock();
        let Some(lane) = places.calls.get(&call).map(|call| call.lane) else { return };
        let Some(place) = places.sessions.get_mut(&key) else { return };
        self.go(key, place, lane);
        place.at = Some((call, mode));
        self.tell(lane, Command::Attach(key, call, mode));
    }

    /// Takes a session away from its call.
    pub fn detach(&self, key: SessionKey) {
        if let Some(place) = self.places.lock().sessions.get_mut(&key) {
            place.at = None;
            self.tell(place.lane, Command::Detach(key));
        }
    }

    /// Has the consent tone be heard by the agent and by the caller, or no longer. The stream that comes from the other one
    /// has to be led by the mixer until [`MixerEvent::Drained`] says that it need not.
    pub fn set_consent(&self, key: CallKey, is_heard: [bool; 2]) {
        if let Some(call) = self.places.lock().calls.get_mut(&key) {
            call.consent = is_heard;
            self.tell(call.lane, Command::Consent(key, is_heard));
        }
    }

    /// Makes parties softer by so many decibels while somebody else is heard in their streams; 0, as at first, leaves them
    /// as they are.
    pub fn set_ducking(&self, decibels: u8) {
        for lane in &self.lanes {
            lane.tell(Command::Ducking(decibels));
        }
    }

    /// Plays something to a supervisor alone.
    pub fn play(&self, key: SessionKey, signal: Signal) {
        self.tell_of(key, Command::Play(key, signal));
    }

    /// Plays a recording to a supervisor alone.
    pub fn say(&self, key: SessionKey, clip: Clip) {
        self.tell_of(key, Command::Say(key, clip));
    }

    /// What is known of a session. Waits for the mixer's turn, a fraction of a millisecond.
    pub fn report(&self, key: SessionKey) -> Option<SessionReport> {
        let lane = self.places.lock().sessions.get(&key)?.lane;
        self.ask(lane, |reply| Command::Report(key, reply))?
    }

    /// What is known of all sessions. Waits for the lanes' turns, too; nothing of one that has ended.
    pub fn reports(&self) -> Reports {
        // A session on its way would be in none.
        let _places = self.places.lock();
        let lanes = (0..self.lanes.len()).filter_map(|lane| self.ask(lane, Command::Reports));
        lanes.fold(Reports::default(), |mut all, lane| {
            all.sessions.extend(lane.sessions);
            all.totals = all.totals + lane.totals;
            all
        })
    }

    /// The name of a thread that has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        self.lanes.iter().find_map(Lane::ended).or_else(|| threads::ended(&self.shifts))
    }

    /// The lane of a call whose streams come to these.
    fn lane_of(&self, row: RowIndex, partner: RowIndex) -> usize {
        lane_of(row, partner, self.lanes.len() as u32) as usize
    }

    /// Has a session be at this lane.
    fn go(&self, key: SessionKey, place: &mut SessionPlace, lane: usize) {
        if place.lane != lane {
            let moving = self.ask(place.lane, |reply| Command::Leave(key, reply)).flatten();
            if let Some(moving) = moving {
                self.tell(lane, Command::Arrive(key, moving));
            }
            place.lane = lane;
        }
    }

    fn tell(&self, lane: usize, command: Command) {
        if let Some(lane) = self.lanes.get(lane) {
            lane.tell(command);
        }
    }

    /// Tells the lane that a session is at.
    fn tell_of(&self, key: SessionKey, command: Command) {
        if let Some(place) = self.places.lock().sessions.get(&key) {
            self.tell(place.lane, command);
        }
    }

    /// Tells a lane something that is answered. `None` where the lane has ended.
    fn ask<T>(&self, lane: usize, command: impl FnOnce(mpsc::SyncSender<T>) -> Command) -> Option<T> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.tell(lane, command(reply));
        answer.recv().ok()
    }
}

impl Drop for Mixing {
    fn drop(&mut self) {
        self.lanes.clear();
        if let Some(thread) = self.shifts.take() {
            // It has no more to wait for.
            let _ = thread.join();
        }
    }
}

/// A bound socket.
fn open(local: SocketAddr, receive_buffer: usize) -> io::Result<UdpSocket> {
    bind::open_silent(local, receive_buffer)
}

/// For how many sessions RTCP may have a socket of its own, where so many files may be open: the ring's table counts as files.
/// That of the others leaves with their RTP, and what is sent to it is not heard.
fn reports_max(files: u64) -> u32 {
    let left = files.saturating_sub(u64::from(SESSIONS_MAX) + FILES_BESIDE);
    left.min(SESSIONS_MAX.into()) as u32
}
