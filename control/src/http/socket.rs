//! Web sockets whose other end only listens (RFC 6455).

use std::time::Duration;

use axum::{
    extract::ws::{
        CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection,
    },
    http::StatusCode,
};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::problem::Problem;

/// Bytes of a message from there: it has nothing to say.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// How long a message may take to be on its way.
const SEND: Duration = Duration::from_secs(5);

/// What a request says of wanting one.
pub(crate) type Wanted = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// Why nothing more is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The other end has left, or there is no way to it.
    Gone,
    /// It takes too long for what it is sent.
    Slow,
}

/// The WebSocket that a request wants.
pub(crate) fn wanted(wanted: Wanted) -> Result<WebSocketUpgrade, Problem> {
    let upgrade = wanted.map_err(|rejection| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, rejection.body_text(), "connect with a WebSocket client")
    })?;
    Ok(upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX))
}

/// Sends a text.
pub(crate) async fn tell(socket: &mut WebSocket, text: Utf8Bytes) -> Result<(), Lost> {
    send(socket, Message::Text(text)).await
}

/// Asks the other end whether it is there.
pub(crate) async fn ping(socket: &mut WebSocket) -> Result<(), Lost> {
    send(socket, Message::Ping(Vec::new().into())).await
}

/// Says why it is over, and waits a moment until that is read.
pub(crate) async fn part(socket: &mut WebSocket, reason: &'static str) {
    let close = Message::Close(Some(CloseFrame { code: close_code::POLICY, reason: reason.into() }));
    // Who does not read will not read this either.
    if send(socket, close).await.is_ok() {
        let _ = timeout(SEND, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }
}

/// When to ask whether the other end is there: every so often, and not at once.
pub(crate) async fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once.
    ticks.tick().await;
    ticks
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Lost> {
    match timeout(SEND, socket.send(message)).await {
        Ok(sent) => sent.map_err(|_| Lost::Gone),
        Err(_) => Err(Lost::Slow),
    }
}
