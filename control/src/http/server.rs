//! Connections.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

use super::counts::Counts;
use crate::failure::Failure;

/// Connections at a time, those of followers left aside. One more is told so and closed.
const CONNECTIONS_MAX: usize = 128;
/// Connections that the kernel keeps until we come round to them.
const BACKLOG: u32 = 128;
/// How long a request's head may take to come, and a connection be silent between two requests.
const HEAD: Duration = Duration::from_secs(10);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a connection may last. A client that wants more opens another.
const LIFETIME: Duration = Duration::from_mins(5);
/// How long the answer may then take that is being given.
const PARTING: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be accepted, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is said to a connection that there is no room for.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n\r\n\
    {\"error\":\"too many connections are open\",\"try\":\"close some of them\"}";

/// Opens the listener.
pub(super) fn open(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = if listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

/// Why an address cannot be listened at.
pub(super) fn taken(listen: SocketAddr, key: &str, error: &io::Error) -> Failure {
    let way_out = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program has the port: `ss -lntp` says which; or set `{key}` to another")
        }
        io::ErrorKind::AddrNotAvailable => format!("no interface has the address: put it on one, or correct `{key}`"),
        io::ErrorKind::PermissionDenied => format!("run as root, or set `{key}` to a port above 1023"),
        _ => format!("correct `{key}`"),
    };
    Failure::new(format!("cannot listen for HTTP at {listen}: {error}")).with_way_out(way_out)
}

/// Takes connections in, and serves them; by TLS where there is something to show.
pub(crate) async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, router: Router, counts: Arc<Counts>) {
    let mut connections = JoinSet::new();
    loop {
        counts.connections.store(connections.len(), Relaxed);
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, remote)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn_local(welcome(stream, remote, tls.clone(), router.clone()));
                }
                Ok((stream, _)) => {
                    counts.refused.fetch_add(1, Relaxed);
                    // Who does not read at once is not told.
                    let _ = stream.try_write(FULL);
                }
                Err(error) => {
                    warn!(%error, "cannot accept an HTTP connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);

async fn welcome(stream: TcpStream, remote: SocketAddr, tls: Option<TlsAcceptor>, router: Router) {
    // What is written is a whole message.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else { return serve(stream, remote, router).await };
    match timeout(HEAD, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, remote, router).await,
        Ok(Err(error)) => debug!(%remote, %error, "no TLS with a client"),
        Err(_) => debug!(%remote, "a client has not finished its handshake in time"),
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, remote: SocketAddr, router: Router) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    let router = router.layer(Extension(Client(remote.ip().to_canonical())));
    let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection.with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = sleep(LIFETIME) => {
            connection.as_mut().graceful_shutdown();
            timeout(PARTING, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%remote, %error, "an HTTP connection broke");
    }
}
