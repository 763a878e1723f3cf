//! The WebSocket of events.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{
    extract::{
        State,
        ws::{
            CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code,
            rejection::WebSocketUpgradeRejection,
        },
    },
    http::StatusCode,
    response::Response,
};
use tokio::{
    sync::{
        OwnedSemaphorePermit,
        broadcast::{Receiver, error::RecvError},
    },
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    Appliance, api,
    counts::Counts,
    events::{Item, What, text},
    problem::Problem,
};
use crate::protocol::Refusal;

/// Followers at a time.
pub(super) const FOLLOWERS_MAX: usize = 32;
/// Bytes of a message of theirs: they have nothing to say.
const MESSAGE_BYTES_MAX: usize = 4 << 10;
/// How long a message may take to be on its way.
const SEND: Duration = Duration::from_secs(5);
/// How often a follower is asked whether it is there. Once without an answer, and it is let go.
const PING: Duration = Duration::from_secs(30);

/// Why a follower is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It has left, or there is no way to it.
    Gone,
    /// It has missed events, or takes too long for one.
    Slow,
}

/// `GET /api/v1/events`.
pub(super) async fn events(
    State(state): State<api::State>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        Problem::new(StatusCode::UPGRADE_REQUIRED, rejection.body_text(), "connect with a WebSocket client")
    })?;
    let permit = Arc::clone(&state.followers).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::busy(format!("{FOLLOWERS_MAX} clients follow events already")))?;
    // Nothing happens between the look at the calls and the first event: both are taken in one go.
    let news = state.news.clone();
    let begin = move |appliance: &(dyn Appliance + 'static)| -> Result<_, Refusal> {
        // A node that cannot monitor has no sessions.
        let (monitors, recordings) = (appliance.monitors(), appliance.recordings());
        let (monitors, recordings) = (monitors.unwrap_or_default(), recordings.unwrap_or_default());
        Ok((
            news.follow(),
            What::Snapshot { calls: appliance.calls()?, peers: appliance.peers()?, monitors, recordings },
        ))
    };
    let (news, snapshot) = state.desk.ask(begin).await??;
    let snapshot = api::aside(move || text(&Item::now(snapshot))).await?;
    let upgrade = upgrade.max_message_size(MESSAGE_BYTES_MAX).max_frame_size(MESSAGE_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |socket| follow(socket, snapshot, news, state.counts, permit)))
}

async fn follow(
    mut socket: WebSocket,
    snapshot: Utf8Bytes,
    mut news: Receiver<Utf8Bytes>,
    counts: Arc<Counts>,
    _permit: OwnedSemaphorePermit,
) {
    counts.followers.fetch_add(1, Relaxed);
    let end = match send(&mut socket, Message::Text(snapshot)).await {
        Ok(()) => pass_on(&mut socket, &mut news).await,
        Err(end) => end,
    };
    // What waits for it is no longer kept.
    drop(news);
    counts.followers.fetch_sub(1, Relaxed);
    if end == End::Slow {
        counts.slow.fetch_add(1, Relaxed);
        let reason = "you do not keep up with events: connect again, and read faster".into();
        let close = Message::Close(Some(CloseFrame { code: close_code::POLICY, reason }));
        // Who does not read will not read this either.
        if send(&mut socket, close).await.is_ok() {
            let _ = timeout(SEND, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
        }
    }
}

/// Passes events on until the follower has to be let go.
async fn pass_on(socket: &mut WebSocket, news: &mut Receiver<Utf8Bytes>) -> End {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first comes at once.
    pings.tick().await;
    let mut is_there = true;
    loop {
        let sent = tokio::select! {
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return End::Gone,
                Some(Ok(_)) => {
                    is_there = true;
                    continue;
                }
            },
            told = news.recv() => match told {
                Ok(text) => send(socket, Message::Text(text)).await,
                Err(RecvError::Lagged(_)) => return End::Slow,
                Err(RecvError::Closed) => return End::Gone,
            },
            _ = pings.tick() => {
                if !std::mem::take(&mut is_there) {
                    return End::Gone;
                }
                send(socket, Message::Ping(Vec::new().into())).await
            }
        };
        if let Err(end) = sent {
            return end;
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(SEND, socket.send(message)).await {
        Ok(sent) => sent.map_err(|_| End::Gone),
        Err(_) => Err(End::Slow),
    }
}
