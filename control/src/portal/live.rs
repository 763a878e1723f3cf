//! `GET /api/v1/live`: the WebSocket by which a page shows what is.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension,
    extract::{
        State as Asked,
        ws::{Message, Utf8Bytes, WebSocket},
    },
    response::Response,
};
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
};
use undertone_control_core::{
    call::CallId,
    directory::UserIndex,
    permission::LocalTime,
    portal::{Sight, SignInId},
};

use super::{
    Office,
    api::State,
    board::{Batch, Sheet, unix_ms},
    rows::{AgentView, CallView, MonitorView, Viewer},
    viewer::SignedIn,
};
use crate::{
    http::{
        Problem,
        socket::{self, Lost},
    },
    when,
};

/// Pages at a time.
pub(super) const PAGES_MAX: usize = 512;
/// How often a page is asked whether it is there, and looked after whether its user may still see it. Once without an answer, and
/// it is let go.
const LOOK: Duration = Duration::from_secs(15);

/// A message to a page.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Told<'r> {
    Snapshot { now_ms: u64, calls: Vec<CallView<'r>>, agents: Vec<AgentView<'r>>, monitors: Vec<MonitorView<'r>> },
    Change(Change<'r>),
    End { why: &'static str },
}

#[derive(Debug, Default, Serialize)]
struct Change<'r> {
    now_ms: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls: Vec<CallView<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    calls_over: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    agents: Vec<AgentView<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    monitors: Vec<MonitorView<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    monitors_over: Vec<String>,
}

/// Why a page is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It has left, or there is no way to it.
    Gone,
    /// Its user may not see it any more; the word says why.
    Told(&'static str),
}

/// A page that does not read begins anew by itself.
impl From<Lost> for End {
    fn from(_: Lost) -> Self {
        Self::Gone
    }
}

/// What a page shows.
struct Page {
    user: String,
    sheet: Sheet,
    /// The calls and sessions that it shows.
    calls: HashSet<CallId>,
    /// Which rules hold at this time of day.
    hours: Vec<bool>,
}

pub(super) async fn live(
    Asked(state): Asked<State>,
    Extension(signed_in): Extension<SignedIn>,
    upgrade: socket::Wanted,
) -> Result<Response, Problem> {
    let upgrade = socket::wanted(upgrade)?;
    let permit = Arc::clone(&state.pages).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::busy(format!("{PAGES_MAX} pages are open already")))?;
    let (sheet, batches) = state.desk.ask(<dyn Office>::look).await?;
    Ok(upgrade.on_upgrade(move |socket| show(socket, state, signed_in, sheet, batches, permit)))
}

async fn show(
    mut socket: WebSocket,
    state: State,
    signed_in: SignedIn,
    sheet: Sheet,
    batches: Receiver<Arc<Batch>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut page = Page { user: signed_in.user, sheet, calls: HashSet::new(), hours: Vec::new() };
    if let Err(End::Told(why)) = page.run(&mut socket, &state, &signed_in.id, batches).await
        && socket::tell(&mut socket, json(&Told::End { why })).await.is_ok()
    {
        socket::part(&mut socket, why).await;
    }
}

impl Page {
    async fn run(
        &mut self,
        socket: &mut WebSocket,
        state: &State,
        id: &SignInId,
        mut batches: Receiver<Arc<Batch>>,
    ) -> Result<(), End> {
        self.begin(socket).await?;
        let mut looks = socket::every(LOOK).await;
        let mut is_there = true;
        loop {
            tokio::select! {
                heard = socket.recv() => match heard {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(End::Gone),
                    Some(Ok(_)) => is_there = true,
                },
                batch = batches.recv() => match batch {
                    Ok(batch) => self.take(socket, id, &batch).await?,
                    // It did not keep up: all of it again.
                    Err(RecvError::Lagged(_)) => {
                        (self.sheet, batches) = state.desk.ask(<dyn Office>::look).await.map_err(|_| End::Gone)?;
                        self.begin(socket).await?;
                    }
                    Err(RecvError::Closed) => return Err(End::Gone),
                },
                _ = looks.tick() => {
                    if !std::mem::take(&mut is_there) {
                        return Err(End::Gone);
                    }
                    self.look(socket, state, id).await?;
                }
            }
        }
    }

    /// Looks whether the user may still see the page and what rules hold by now, and says that all is well.
    async fn look(&mut self, socket: &mut WebSocket, state: &State, id: &SignInId) -> Result<(), End> {
        let looked_for = id.clone();
        let is_in = state.desk.ask(move |office| office.is_signed_in(&looked_for)).await;
        if is_in.is_ok_and(|is_in| !is_in) {
            return Err(End::Told("expired"));
        }
        if self.hours != hours(&self.sheet) {
            self.begin(socket).await?;
        }
        // A page does not see pings.
        socket::tell(socket, json(&Told::Change(Change { now_ms: unix_ms(), ..Change::default() }))).await?;
        Ok(socket::ping(socket).await?)
    }

    /// Tells all that there is.
    async fn begin(&mut self, socket: &mut WebSocket) -> Result<(), End> {
        self.hours = hours(&self.sheet);
        let text = self.snapshot().ok_or(End::Told("rights-changed"))?;
        Ok(socket::tell(socket, text).await?)
    }

    async fn take(&mut self, socket: &mut WebSocket, id: &SignInId, batch: &Batch) -> Result<(), End> {
        if let Some((_, why)) = batch.signed_out.iter().find(|(out, _)| out == id) {
            return Err(End::Told(why));
        }
        let users = self.sheet.apply(batch);
        if batch.rights.is_some() {
            return Err(End::Told("rights-changed"));
        }
        match self.change(batch, &users) {
            Some(text) => Ok(socket::tell(socket, text).await?),
            None => Ok(()),
        }
    }

    /// `None` when there is no such user any more.
    fn snapshot(&mut self) -> Option<Utf8Bytes> {
        let Self { user, sheet, calls: told, .. } = self;
        let viewer = viewer(user, sheet)?;
        let calls: Vec<_> = sheet.calls.values().filter(|row| viewer.sees_call(row)).collect();
        *told = calls.iter().map(|row| row.id).collect();
        let monitors = sheet.monitors.values().filter(|row| viewer.sees_monitor(row));
        Some(json(&Told::Snapshot {
            now_ms: sheet.now_ms,
            calls: calls.into_iter().map(|row| viewer.call(row)).collect(),
            agents: viewer.agents().filter_map(|user| agent(&viewer, sheet, user)).collect(),
            monitors: monitors.map(|row| viewer.monitor(row)).collect(),
        }))
    }

    /// `None` when nothing of it is to be seen.
    fn change(&mut self, batch: &Batch, users: &BTreeSet<String>) -> Option<Utf8Bytes> {
        let Self { user, sheet, calls: told, .. } = self;
        let viewer = viewer(user, sheet)?;
        let mut change = Change { now_ms: batch.now_ms, ..Change::default() };
        for row in &batch.calls {
            if viewer.sees_call(row) {
                told.insert(row.id);
                change.calls.push(viewer.call(row));
            } else if told.remove(&row.id) {
                // A party is somebody else by now.
                change.calls_over.push(row.id.to_string());
            }
        }
        let over = batch.calls_over.iter().filter(|id| told.remove(id));
        change.calls_over.extend(over.map(ToString::to_string));
        let places = users.iter().filter_map(|user| sheet.rights.directory.index_of(user));
        let seen = places.filter(|user| viewer.sight.pages().agents && viewer.sight.sees(*user));
        change.agents = seen.filter_map(|user| agent(&viewer, sheet, user)).collect();
        let monitors = batch.monitors.iter().filter(|row| viewer.sees_monitor(row));
        change.monitors = monitors.map(|row| viewer.monitor(row)).collect();
        // Names of sessions say nothing, so that it does no harm to tell of one that was not shown.
        change.monitors_over = batch.monitors_over.iter().map(ToString::to_string).collect();
        let Change { now_ms: _, calls, calls_over, agents, monitors, monitors_over } = &change;
        let is_empty = calls.is_empty()
            && calls_over.is_empty()
            && agents.is_empty()
            && monitors.is_empty()
            && monitors_over.is_empty();
        (!is_empty).then(|| json(&Told::Change(change)))
    }
}

fn viewer<'r>(user: &str, sheet: &'r Sheet) -> Option<Viewer<'r>> {
    let sight = Sight::of(user, &sheet.rights.directory)?;
    Some(Viewer { sight, rights: &sheet.rights, time: wall() })
}

fn agent<'r>(viewer: &Viewer<'r>, sheet: &'r Sheet, user: UserIndex) -> Option<AgentView<'r>> {
    let name = &sheet.rights.directory.user(user)?.name;
    let monitors = sheet.monitors.values().map(|row| &**row).filter(|row| row.user == *name);
    viewer.agent(user, sheet.calls_of(name), monitors)
}

/// Which of the rules hold now.
fn hours(sheet: &Sheet) -> Vec<bool> {
    let now = wall();
    sheet.rights.monitoring.rules.iter().map(|rule| rule.hours.has(now)).collect()
}

/// What the node's clock on the wall shows.
fn wall() -> LocalTime {
    when::on_the_wall(Timestamp::now(), &TimeZone::system())
}

fn json(told: &Told<'_>) -> Utf8Bytes {
    // The types above have no maps with keys that are not texts, so that this cannot fail.
    serde_json::to_string(told).unwrap_or_default().into()
}
