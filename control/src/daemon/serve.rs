//! The event loop: signals, connections, the service manager's watchdog.

use std::{io, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    signal::unix::{Signal, SignalKind, signal},
    task::{JoinSet, LocalSet, spawn_local},
    time::{sleep, timeout},
};
use tracing::{debug, info, warn};
use undertone_control_core::{audit::By, permission::Via};

use super::{
    Daemon,
    capture::Capture,
    door::Door,
    http, portal,
    service::{self, Watchdog},
};
use crate::{
    failure::Failure,
    protocol::{Answer, Code, REQUEST_BYTES_MAX, Refusal, Request, decode_request, encode_answer},
};

/// Connections at a time. One more is told so and closed.
const CONNECTIONS_MAX: usize = 64;
/// How long a connection may be silent, and how long it may take to read an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long to wait after a connection could not be accepted, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Listens and serves until SIGTERM or SIGINT.
pub(super) fn serve(daemon: &Rc<Daemon>, door: &Door) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot start the event loop: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    LocalSet::new().block_on(&runtime, async {
        let signals = Signals::new().map_err(failed)?;
        let mut calls = JoinSet::new();
        daemon.start_names(&mut calls).await;
        daemon.start_sip(&mut calls)?;
        daemon.start_audit().await;
        http::start(daemon, &mut calls)?;
        portal::start(daemon, &mut calls)?;
        let listener = door.listen()?;
        // A task is looked at when it has something to do; what is waited for here, whenever any has.
        let turning = spawn_local(turn(Rc::clone(daemon), listener, signals));
        turning.await.map_err(|error| failed(error.into()))
    })
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// In order of priority: the end, what the operator wants, what the service manager wants, who wants to talk.
async fn turn(daemon: Rc<Daemon>, listener: UnixListener, mut signals: Signals) {
    let mut watchdog = Watchdog::new();
    let mut connections = JoinSet::new();
    service::ready();
    info!("ready");
    let signal = loop {
        tokio::select! {
            biased;
            _ = signals.terminate.recv() => break "SIGTERM",
            _ = signals.interrupt.recv() => break "SIGINT",
            _ = signals.hang_up.recv() => {
                // What came of it is in the log.
                let _ = reload(&daemon, By::node());
            }
            () = watchdog.turn(|| daemon.is_whole()) => {}
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn_local(converse(Rc::clone(&daemon), stream));
                }
                Ok((stream, _)) => refuse(&stream),
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    };
    info!(signal, "stopping");
    service::stopping();
    // Captures end with their connections, and take their copies with them.
    connections.shutdown().await;
}

fn reload(daemon: &Daemon, by: By) -> Result<Vec<String>, Refusal> {
    service::reloading();
    let outcome = daemon.reload(by);
    service::ready();
    outcome
}

fn refuse(stream: &UnixStream) {
    let error = format!("{CONNECTIONS_MAX} connections are open, and there is room for no more");
    let answer = Answer::Error(Refusal::new(Code::Busy, error).with_way_out("close some and try again"));
    // Who does not read at once is not told.
    let _ = stream.try_write(encode_answer(&answer).as_bytes());
}

/// Answers requests until the client has no more, or asks for a capture, which takes the connection.
async fn converse(daemon: Rc<Daemon>, stream: UnixStream) {
    let by = operator(&stream);
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let request = match timeout(PATIENCE, next_request(&mut read)).await {
            Ok(Ok(Some(request))) => request,
            Ok(Ok(None)) => return,
            Ok(Err(Unreadable::Refused(refusal))) => {
                let _ = send(&mut write, &Answer::Error(refusal)).await;
                return;
            }
            Ok(Err(Unreadable::Io(error))) => return debug!(%error, "a connection broke"),
            Err(_) => return debug!("a silent connection was closed"),
        };
        let answer = match request {
            Ok(Request::Capture { port, both }) => match Capture::open(&daemon, port, both) {
                Ok(capture) => return capture.run(read, write).await,
                Err(refusal) => Answer::Error(refusal),
            },
            Ok(Request::Reload) => match reload(&daemon, by.clone()) {
                Ok(did) => Answer::Done { did },
                Err(refusal) => Answer::Error(refusal),
            },
            Ok(request) => daemon.answer(&request, &by),
            Err(refusal) => Answer::Error(refusal),
        };
        if send(&mut write, &answer).await.is_err() {
            return;
        }
    }
}

/// Who is at the other end of the control socket, as the kernel knows them.
fn operator(stream: &UnixStream) -> By {
    let address = stream.peer_cred().map(|them| format!("uid {}", them.uid())).unwrap_or_default();
    By { via: Via::Cli, address, ..By::node() }
}

/// Why a connection cannot go on.
enum Unreadable {
    Refused(Refusal),
    Io(io::Error),
}

/// The next line as a request, or as a refusal of one; `None` at the end.
async fn next_request(read: &mut BufReader<OwnedReadHalf>) -> Result<Option<Result<Request, Refusal>>, Unreadable> {
    let mut line = Vec::new();
    read.take(REQUEST_BYTES_MAX as u64).read_until(b'\n', &mut line).await.map_err(Unreadable::Io)?;
    match line.last() {
        None => Ok(None),
        Some(last) if *last == b'\n' || line.len() < REQUEST_BYTES_MAX => Ok(Some(decode_request(&line))),
        Some(_) => {
            let refusal = Refusal::new(Code::BadRequest, format!("a request is longer than {REQUEST_BYTES_MAX} bytes"));
            Err(Unreadable::Refused(refusal.with_way_out("ask for less at once")))
        }
    }
}

/// Sends an answer to a client that reads.
pub(super) async fn send(write: &mut OwnedWriteHalf, answer: &Answer) -> io::Result<()> {
    write_patiently(write, encode_answer(answer).as_bytes()).await
}

/// Writes to a client that reads; one that does not is given up.
pub(super) async fn write_patiently(write: &mut OwnedWriteHalf, bytes: &[u8]) -> io::Result<()> {
    timeout(PATIENCE, write.write_all(bytes)).await?
}
