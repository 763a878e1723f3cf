//! Our own recorder: a thread that takes copies in and writes files.
//!
//! It has one socket for all, on the mixer's address: a copy comes from an alias of its media address and from its own port, by
//! which it is known. Files are written through `io_uring`, so that a disk that is slow keeps no packet waiting; what it does not
//! take for long is given up, file by file. The calls themselves never come by here.

mod tape;

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc as std_mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::{MissedTickBehavior, interval},
};
use tracing::{error, warn};
use undertone_control_core::{
    call::CallId,
    recording::{FileReport, Track, Writing},
};
use undertone_core::mixer::Party;
use undertone_dataplane::{Dataplane, monotonic_ns};

use self::tape::Tape;
pub(super) use self::tape::give_name;
use crate::receiver::Receiver;

/// How often what has come is written.
const BEAT: Duration = Duration::from_millis(500);
/// Packets that are taken in before something else has its turn.
const PACKETS_PER_TURN: usize = 256;

/// The thread. Dropping it has it write what there is, and leaves files to be gone on with.
pub(super) struct Recorder {
    orders: Option<UnboundedSender<Order>>,
    port: u16,
    missed: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

/// What has become of files.
pub(super) type Reports = UnboundedReceiver<(CallId, FileReport)>;

/// What the thread is told.
enum Order {
    Open(CallId, Writing),
    Follow(CallId, [Track; 2]),
    Close(CallId),
}

impl Recorder {
    /// Starts it. What becomes of files is told.
    pub(super) fn start(dataplane: &Dataplane) -> io::Result<(Self, Reports)> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (reports, reported) = mpsc::unbounded_channel();
        let (started, starting) = std_mpsc::sync_channel(1);
        let dataplane = dataplane.clone();
        let missed = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&missed);
        let run = move || {
            let runtime = match tokio_uring::Runtime::new(&tokio_uring::builder()) {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(error))),
            };
            runtime.block_on(async {
                match Receiver::bind(dataplane.mixer_address()) {
                    Ok(receiver) => {
                        let _ = started.send(Ok(receiver.port()));
                        Thread::new(dataplane, reports, counted).run(receiver, ordered).await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            });
        };
        let thread = thread::Builder::new().name("undertone-record".into()).spawn(run)?;
        let port = starting.recv().map_err(|_| io::Error::other("the thread has ended"))??;
        Ok((Self { orders: Some(orders), port, missed, thread: Some(thread) }, reported))
    }

    /// The port of the mixer's that copies are to be sent to.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Packets that there was no time for, ever.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Begins to write a file, or goes on with one.
    pub(super) fn open(&self, id: CallId, writing: Writing) {
        self.order(Order::Open(id, writing));
    }

    /// Says what the streams of a file are from now on.
    pub(super) fn follow(&self, id: CallId, tracks: [Track; 2]) {
        self.order(Order::Follow(id, tracks));
    }

    /// Finishes a file.
    pub(super) fn close(&self, id: CallId) {
        self.order(Order::Close(id));
    }

    fn order(&self, order: Order) {
        let is_taken = self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok());
        if !is_taken {
            error!("the recorder has ended: nothing is written any more");
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// What the thread has.
struct Thread {
    dataplane: Dataplane,
    reports: UnboundedSender<(CallId, FileReport)>,
    tapes: HashMap<CallId, Tape>,
    /// Whose stream it is that comes to a media port.
    streams: HashMap<SocketAddr, (CallId, Party)>,
    /// What the socket says of packets that it had no room for; those that were told; and all.
    missing: u32,
    told: u64,
    missed: Arc<AtomicU64>,
}

impl Thread {
    fn new(dataplane: Dataplane, reports: UnboundedSender<(CallId, FileReport)>, missed: Arc<AtomicU64>) -> Self {
        Self { dataplane, reports, tapes: HashMap::new(), streams: HashMap::new(), missing: 0, told: 0, missed }
    }

    async fn run(mut self, mut receiver: Receiver, mut orders: UnboundedReceiver<Order>) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(order) => self.obey(order, &mut receiver),
                    None => break,
                },
                _ = beat.tick() => {
                    // What has come before is in its place before anything after it is written.
                    self.receive_all(&mut receiver);
                    self.write().await;
                    self.tell_missed();
                }
                // An error is one of an earlier packet of ours, of which there are none.
                _ = receiver.readable() => {
                    self.receive(&mut receiver);
                }
            }
        }
        self.receive_all(&mut receiver);
        for tape in self.tapes.into_values() {
            tape.leave().await;
        }
    }

    fn obey(&mut self, order: Order, receiver: &mut Receiver) {
        match order {
            Order::Open(id, writing) => match Tape::open(writing) {
                Ok(tape) => drop(self.tapes.insert(id, tape)),
                Err((path, error)) => {
                    warn!(call = %id, file = %path.display(), %error, "a call is not recorded");
                    self.report(id, FileReport::Failed(tape::fault(&error)));
                }
            },
            Order::Follow(id, tracks) => self.follow(id, &tracks),
            Order::Close(id) => {
                // The last words are still on their way here.
                self.receive_all(receiver);
                self.forget_streams(id);
                match self.tapes.remove(&id) {
                    Some(tape) => tape.finish(id, self.reports.clone()),
                    // It has failed, and that was told.
                    None => self.report(id, FileReport::Finished),
                }
            }
        }
    }

    fn follow(&mut self, id: CallId, tracks: &[Track; 2]) {
        let Some(tape) = self.tapes.get_mut(&id) else { return };
        self.streams.retain(|_, (call, _)| *call != id);
        for (track, party) in tracks.iter().zip([Party::Caller, Party::Agent]) {
            tape.set_codecs(party, &track.codecs);
            self.streams.insert(track.at, (id, party));
        }
    }

    fn forget_streams(&mut self, id: CallId) {
        self.streams.retain(|_, (call, _)| *call != id);
    }

    /// Takes in what has come, if it is not too much. False when nothing is left.
    fn receive(&mut self, receiver: &mut Receiver) -> bool {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ns = monotonic_ns();
        for _ in 0..PACKETS_PER_TURN {
            let Some(copy) = receiver.next() else { return false };
            let missed = copy.missed.wrapping_sub(std::mem::replace(&mut self.missing, copy.missed));
            self.missed.fetch_add(missed.into(), Ordering::Relaxed);
            let ip = self.dataplane.media_address_of_alias(*copy.from.ip());
            let stream = ip.and_then(|ip| self.streams.get(&SocketAddr::new(ip, copy.from.port())));
            let Some((tape, party)) = stream.and_then(|(id, party)| Some((self.tapes.get_mut(id)?, *party))) else {
                continue;
            };
            let age = since_1970.saturating_sub(copy.at);
            tape.receive(party, now_ns.saturating_sub(age.as_nanos() as u64), copy.payload);
        }
        true
    }

    fn receive_all(&mut self, receiver: &mut Receiver) {
        while self.receive(receiver) {}
    }

    /// Writes what is old enough.
    async fn write(&mut self) {
        let now_ns = monotonic_ns();
        let mut failed = Vec::new();
        for (id, tape) in &mut self.tapes {
            if let Err(fault) = tape.write(now_ns).await {
                failed.push((*id, fault));
            }
        }
        for (id, fault) in failed {
            warn!(call = %id, reason = fault.key(), "the recording of a call ends; the call goes on");
            self.forget_streams(id);
            if let Some(tape) = self.tapes.remove(&id) {
                tape.give_up(id, fault, self.reports.clone());
            }
        }
    }

    fn tell_missed(&mut self) {
        let missed = self.missed.load(Ordering::Relaxed);
        if missed != self.told {
            let packets = missed - self.told;
            warn!(packets, "recordings lack packets that there was no time for; the calls do not");
            self.told = missed;
        }
    }

    fn report(&self, id: CallId, report: FileReport) {
        // Who listens may have gone.
        let _ = self.reports.send((id, report));
    }
}
