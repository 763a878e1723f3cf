//! The sockets that SIP travels through.

use std::{
    cell::RefCell,
    io::{self, ErrorKind},
    net::{SocketAddr, UdpSocket as StdSocket},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::sync::mpsc::UnboundedSender;
use tokio_uring::net::UdpSocket;

use crate::calls::sip::{Datagram, Head, Names, request};

/// What the kernel keeps for us while we are busy.
const BUFFER_BYTES: usize = 4 << 20;
/// The longest datagram.
const DATAGRAM_BYTES_MAX: usize = 64 << 10;
/// How long a target has to say that nobody is there.
const KNOCK: Duration = Duration::from_millis(300);

/// Which of the two sides something is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The one that calls.
    Caller,
    /// The one that answers.
    Called,
}

/// A datagram that came.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) side: Side,
    pub(super) source: SocketAddr,
    pub(super) at: Instant,
    pub(super) bytes: Vec<u8>,
}

/// Binds the address of an option.
pub(super) fn bind(option: &str, address: SocketAddr) -> Result<StdSocket> {
    let socket = StdSocket::bind(address).map_err(|error| {
        let port = address.port();
        let way_out = match error.kind() {
            ErrorKind::AddrInUse => format!(
                "another program has port {port} there: end it (`ss -lunp 'sport = :{port}'` names it), or give another port"
            ),
            ErrorKind::AddrNotAvailable => {
                "no interface of this machine has that address: `ip address` lists those there are".to_owned()
            }
            ErrorKind::PermissionDenied => "ports below 1024 are for root: give another one".to_owned(),
            _ => "give another address".to_owned(),
        };
        anyhow::Error::new(error).context(format!("cannot use {option} {address}: {way_out}"))
    })?;
    // The larger the better; whatever there is will do.
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER_BYTES).is_err() {
        let _ = setsockopt(&socket, sockopt::RcvBuf, &BUFFER_BYTES);
    }
    Ok(socket)
}

/// Asks the target whether anybody is there. Silence is no answer: many say nothing to whom they do not know.
pub(super) fn knock(local: SocketAddr, target: SocketAddr) -> Result<()> {
    let socket = bind("--local", local)?;
    let mut names = Names::new();
    let (uri, branch, tag) = (format!("sip:{target}"), names.next(), names.next());
    let head = Head {
        method: "OPTIONS",
        uri: &uri,
        local,
        branch: &branch,
        routes: &[],
        from: &format!("<sip:undertone-bench@{local}>;tag={tag}"),
        to: &format!("<{uri}>"),
        call_id: &names.next(),
        cseq: 1,
    };
    let exchange = || -> io::Result<usize> {
        socket.connect(target)?;
        socket.set_read_timeout(Some(KNOCK))?;
        socket.send(&request(&head, None))?;
        socket.recv(&mut [0; 2048])
    };
    match exchange() {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            bail!("nobody listens at {target} (UDP): start the target, or correct --target")
        }
        Err(error) => Err(error).with_context(|| format!("{target} cannot be reached from {local}: check the routes")),
    }
}

/// A socket of one side.
pub(super) struct Port {
    side: Side,
    socket: Rc<UdpSocket>,
    /// What went wrong with sending, the first time.
    failed: Rc<RefCell<Option<String>>>,
}

impl Port {
    /// Takes over a socket, and passes on what arrives there.
    pub(super) fn new(side: Side, socket: StdSocket, inbox: UnboundedSender<Arrival>) -> Self {
        let socket = Rc::new(UdpSocket::from_std(socket));
        tokio_uring::spawn(listen(side, Rc::clone(&socket), inbox));
        Self { side, socket, failed: Rc::default() }
    }

    /// Which side it is for.
    pub(super) const fn side(&self) -> Side {
        self.side
    }

    /// Sends, in this order.
    pub(super) fn send(&self, datagrams: impl IntoIterator<Item = Datagram>) {
        for Datagram { to, bytes } in datagrams {
            let (socket, failed) = (Rc::clone(&self.socket), Rc::clone(&self.failed));
            tokio_uring::spawn(async move {
                if let (Err(error), _) = socket.send_to(bytes.to_vec(), to).await {
                    failed.borrow_mut().get_or_insert_with(|| format!("sending to {to} failed: {error}"));
                }
            });
        }
    }

    /// What went wrong with sending, the first time.
    pub(super) fn failure(&self) -> Option<String> {
        self.failed.borrow().clone()
    }
}

async fn listen(side: Side, socket: Rc<UdpSocket>, inbox: UnboundedSender<Arrival>) {
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let (result, back) = socket.recv_from(buffer).await;
        buffer = back;
        match result {
            Ok((length, source)) => {
                let bytes = buffer.get(..length).unwrap_or_default().to_vec();
                if inbox.send(Arrival { side, source, at: Instant::now(), bytes }).is_err() {
                    return;
                }
            }
            // Whatever it was concerns one datagram.
            Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
        }
    }
}
