//! SIP in streams: connections that peers open, and those that we do.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    time::{sleep, timeout},
};
use tracing::{debug, warn};
use undertone_control_core::{
    element::Element,
    sip::{Flow, Transport, message::Framer, transaction::Sending},
    trunk::Trunks,
};

use super::{Sip, tls::Identity};
use crate::failure::Failure;

/// Connections at a time.
const CONNECTIONS_MAX: usize = 4096;
/// Messages that may wait for a peer to read them; one more, and the connection is closed.
const QUEUE: usize = 1024;
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a message may take to be complete, from its first byte.
const HALF_A_MESSAGE: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be accepted, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes read at once.
const READ: usize = 16 << 10;

/// The connections that there are.
pub(super) struct Streams {
    /// For TLS, where it is configured.
    identity: Option<Identity>,
    next: Cell<u64>,
    open: RefCell<HashMap<u64, Connection>>,
}

struct Connection {
    flow: Flow,
    queue: Sender<Bytes>,
}

/// A listener for connections.
pub(super) struct Listening {
    number: u8,
    transport: Transport,
    listener: TcpListener,
}

impl Streams {
    pub(super) fn new(identity: Option<Identity>) -> Self {
        Self { identity, next: Cell::default(), open: RefCell::default() }
    }
}

/// Opens the listeners for connections.
pub(super) fn open(trunks: &Trunks) -> Result<Vec<Listening>, Failure> {
    let mut listening = Vec::new();
    for (number, listener) in (0_u8..).zip(&trunks.listeners).filter(|(_, it)| it.transport.is_reliable()) {
        let open = || {
            let socket = if listener.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(listener.address)?;
            socket.listen(1024)
        };
        let opened = open().map_err(|error| super::taken(listener.address, &error))?;
        listening.push(Listening { number, transport: listener.transport, listener: opened });
    }
    Ok(listening)
}

/// Takes in the connections that peers open.
pub(super) async fn accept(sip: Sip, listening: Listening) {
    let Listening { number, transport, listener } = listening;
    loop {
        match listener.accept().await {
            Ok((_, remote)) if !sip.is_peer(remote.ip(), transport) => sip.drive(Element::count_stranger),
            Ok((stream, remote)) if sip.shared.streams.open.borrow().len() < CONNECTIONS_MAX => {
                let flow = Flow { listener: number, transport, remote, connection: 0 };
                take(&sip, flow, stream);
            }
            Ok((_, remote)) => warn!(%remote, "a SIP connection was closed: {CONNECTIONS_MAX} are open"),
            Err(error) => {
                warn!(%error, "cannot accept a SIP connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn take(sip: &Sip, flow: Flow, stream: TcpStream) {
    match &sip.shared.streams.identity {
        Some(identity) if flow.transport == Transport::Tls => {
            let identity = identity.clone();
            drop(begin(sip, flow, async move {
                stream.set_nodelay(true)?;
                identity.accept(stream).await.inspect_err(|error| warn_of(flow.remote, error))
            }));
        }
        _ => drop(begin(sip, flow, async move { stream.set_nodelay(true).map(|()| stream) })),
    }
}

/// Sends a message in a connection: its own, another to the same place, or a new one.
pub(super) fn send(sip: &Sip, sending: Sending) {
    let Sending { flow, bytes } = sending;
    let open = sip.shared.streams.open.borrow();
    let same = |it: &&Connection| (it.flow.remote, it.flow.transport) == (flow.remote, flow.transport);
    let queue = open.get(&flow.connection).or_else(|| open.values().find(same)).map(|it| it.queue.clone());
    drop(open);
    let queue = queue.unwrap_or_else(|| open_to(sip, flow));
    if queue.try_send(bytes).is_err() {
        debug!(remote = %flow.remote, "a SIP connection is full or gone");
    }
}

fn open_to(sip: &Sip, flow: Flow) -> Sender<Bytes> {
    let remote = flow.remote;
    match &sip.shared.streams.identity {
        Some(identity) if flow.transport == Transport::Tls => {
            let (identity, name) = (identity.clone(), sip.certificate_of(remote));
            begin(sip, flow, async move {
                let stream = connect(remote).await?;
                identity.connect(stream, remote, name).await.inspect_err(|error| warn_of(remote, error))
            })
        }
        _ => begin(sip, flow, connect(remote)),
    }
}

async fn connect(remote: SocketAddr) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT, TcpStream::connect(remote)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn warn_of(remote: SocketAddr, error: &io::Error) {
    warn!(%remote, %error, "no TLS with a peer");
}

/// Begins a connection, and serves it once it is there. What is sent meanwhile waits.
fn begin<S>(sip: &Sip, flow: Flow, stream: impl Future<Output = io::Result<S>> + 'static) -> Sender<Bytes>
where
    S: AsyncRead + AsyncWrite + 'static,
{
    let streams = &sip.shared.streams;
    let number = streams.next.get() + 1;
    streams.next.set(number);
    let flow = Flow { connection: number, ..flow };
    let (queue, waiting) = mpsc::channel(QUEUE);
    streams.open.borrow_mut().insert(number, Connection { flow, queue: queue.clone() });
    let sip = sip.clone();
    tokio::task::spawn_local(async move {
        let ended = async {
            let stream = stream.await?;
            serve(&sip, flow, stream, waiting).await
        };
        if let Err(error) = ended.await {
            debug!(remote = %flow.remote, %error, "a SIP connection ended");
        }
        sip.shared.streams.open.borrow_mut().remove(&number);
        sip.drive(|element| element.unreachable(super::now(), &flow));
    });
    queue
}

/// Reads and writes a connection until either ends.
async fn serve(
    sip: &Sip,
    flow: Flow,
    stream: impl AsyncRead + AsyncWrite,
    mut waiting: Receiver<Bytes>,
) -> io::Result<()> {
    let (mut read, mut write) = tokio::io::split(stream);
    let (pong, mut pongs) = mpsc::channel::<Bytes>(4);
    let reading = async {
        let (mut framer, mut buffer) = (Framer::default(), vec![0; READ]);
        loop {
            let length = match framer.pending() {
                0 => read.read(&mut buffer).await?,
                _ => timeout(HALF_A_MESSAGE, read.read(&mut buffer)).await??,
            };
            if length == 0 {
                return Ok(());
            }
            let messages = framer.push(buffer.get(..length).unwrap_or_default()).map_err(io::Error::other)?;
            for message in messages {
                sip.receive(flow, message);
            }
            for _ in 0..framer.take_pings() {
                // Who pings faster than it reads goes without.
                let _ = pong.try_send(Bytes::from_static(b"\r\n"));
            }
        }
    };
    let writing = async {
        loop {
            let bytes = tokio::select! {
                Some(bytes) = waiting.recv() => bytes,
                Some(bytes) = pongs.recv() => bytes,
                else => return Ok(()),
            };
            write.write_all(&bytes).await?;
            // TLS keeps what the socket has no room for.
            write.flush().await?;
        }
    };
    tokio::select! {
        ended = reading => ended,
        ended = writing => ended,
    }
}
