//! The WebSocket of events.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::{
    extract::{
        State,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
};
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
};

use super::{
    Appliance, api,
    counts::Counts,
    events::{Item, What, text},
    problem::Problem,
    socket::{self, Lost},
};
use crate::protocol::Refusal;

/// Followers at a time.
pub(super) const FOLLOWERS_MAX: usize = 32;
/// How often a follower is asked whether it is there. Once without an answer, and it is let go.
const PING: Duration = Duration::from_secs(30);

/// `GET /api/v1/events`.
pub(super) async fn events(State(state): State<api::State>, upgrade: socket::Wanted) -> Result<Response, Problem> {
    let upgrade = socket::wanted(upgrade)?;
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
    let lost = match socket::tell(&mut socket, snapshot).await {
        Ok(()) => pass_on(&mut socket, &mut news).await,
        Err(lost) => lost,
    };
    // What waits for it is no longer kept.
    drop(news);
    counts.followers.fetch_sub(1, Relaxed);
    if lost == Lost::Slow {
        counts.slow.fetch_add(1, Relaxed);
        socket::part(&mut socket, "you do not keep up with events: connect again, and read faster").await;
    }
}

/// Passes events on until the follower has to be let go.
async fn pass_on(socket: &mut WebSocket, news: &mut Receiver<Utf8Bytes>) -> Lost {
    let mut pings = socket::every(PING).await;
    let mut is_there = true;
    loop {
        let sent = tokio::select! {
            heard = socket.recv() => match heard {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Lost::Gone,
                Some(Ok(_)) => {
                    is_there = true;
                    continue;
                }
            },
            told = news.recv() => match told {
                Ok(text) => socket::tell(socket, text).await,
                Err(RecvError::Lagged(_)) => return Lost::Slow,
                Err(RecvError::Closed) => return Lost::Gone,
            },
            _ = pings.tick() => {
                if !std::mem::take(&mut is_there) {
                    return Lost::Gone;
                }
                socket::ping(socket).await
            }
        };
        if let Err(lost) = sent {
            return lost;
        }
    }
}
