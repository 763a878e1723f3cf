//! Paths, and what is answered at each.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, Query, State as Asked, rejection::QueryRejection},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    middleware,
    response::{IntoResponse as _, Response},
    routing::get,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use undertone_control_core::{audit::What, call::CallId};

use super::{
    Appliance,
    counts::Counts,
    desk::Desk,
    events::News,
    follow::{self, FOLLOWERS_MAX},
    guard, metrics, monitors,
    problem::Problem,
    recordings,
};
use crate::{
    protocol::{PeerView, UserView},
    storage::{AuditFilter, Filter, Reader, StorageError},
    when,
};

/// Records in an answer, unless fewer are asked for.
const RECORDS_DEFAULT: usize = 100;
/// Records in an answer at most.
const RECORDS_MAX: usize = 10_000;
/// Readers of the database at a time, so that enough of the machine is left for calls.
const READERS_MAX: usize = 2;

const PATHS: &str = "there are /healthz, /readyz, /metrics, and below /api/v1: /calls, /calls/ID, /peers, /users, \
    /monitors, /monitors/ID, /recordings, /recordings/CALL, /records, /records/ID, /audit, /audit/head, /events";

/// What handlers have.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) desk: Desk<dyn Appliance>,
    pub(super) news: News,
    pub(super) counts: Arc<Counts>,
    pub(super) followers: Arc<Semaphore>,
    readers: Arc<Semaphore>,
}

impl State {
    pub(super) fn new(desk: Desk<dyn Appliance>, news: News) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let (followers, readers) = (semaphore(FOLLOWERS_MAX), semaphore(READERS_MAX));
        Self { desk, news, counts: Arc::default(), followers, readers }
    }

    /// The right to read the database, as soon as somebody who has it is done.
    async fn reader(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.readers).acquire_owned().await.map_err(|_| Problem::no_answer())
    }
}

/// All paths.
pub(super) fn router(state: State, is_loopback: bool) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/calls", get(calls))
        .route("/api/v1/calls/{id}", get(call).delete(hang_up))
        .route("/api/v1/peers", get(peers))
        .route("/api/v1/users", get(users))
        .route("/api/v1/monitors", get(monitors::list).post(monitors::begin))
        .route("/api/v1/monitors/{id}", get(monitors::show).patch(monitors::change).delete(monitors::end))
        .route("/api/v1/recordings", get(recordings::list).post(recordings::begin))
        .route("/api/v1/recordings/{call}", get(recordings::show).delete(recordings::end))
        .route("/api/v1/records", get(records))
        .route("/api/v1/records/{id}", get(record))
        .route("/api/v1/audit", get(audit))
        .route("/api/v1/audit/head", get(audit_head))
        .route("/api/v1/events", get(follow::events))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(middleware::from_fn_with_state(is_loopback, guard::guard))
        .with_state(state)
}

/// Does what takes long where it keeps no call waiting.
pub(crate) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    spawn_blocking(work).await.map_err(|_| Problem::no_answer())
}

/// The event loop turns.
async fn healthz(Asked(state): Asked<State>) -> Result<Json<Value>, Problem> {
    state.desk.ask(|_| ()).await?;
    Ok(Json(json!({ "healthy": true })))
}

/// New calls are wanted.
async fn readyz(Asked(state): Asked<State>) -> Result<Response, Problem> {
    let reasons = state.desk.ask(Appliance::unready).await?;
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response())
}

async fn metrics(Asked(state): Asked<State>) -> Result<Response, Problem> {
    let measures = state.desk.ask(Appliance::measures).await?;
    let page = metrics::page(measures, state.counts.read()).map_err(|_| Problem::no_answer())?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response())
}

async fn calls(Asked(state): Asked<State>) -> Result<Response, Problem> {
    let calls = state.desk.ask(Appliance::calls).await??;
    written(move || Ok(calls)).await
}

async fn call(Asked(state): Asked<State>, Path(id): Path<String>) -> Result<Response, Problem> {
    let call = state.desk.ask(move |appliance| appliance.call(&id)).await??;
    Ok(Json(call).into_response())
}

async fn hang_up(Asked(state): Asked<State>, Path(id): Path<String>) -> Result<Json<Value>, Problem> {
    let did = state.desk.ask(move |appliance| appliance.hang_up(&id)).await??;
    for did in &did {
        tracing::info!("asked for over HTTP: {did}");
    }
    Ok(Json(json!({ "did": did })))
}

async fn peers(Asked(state): Asked<State>) -> Result<Json<Vec<PeerView>>, Problem> {
    Ok(Json(state.desk.ask(Appliance::peers).await??))
}

async fn users(Asked(state): Asked<State>) -> Result<Json<Vec<UserView>>, Problem> {
    Ok(Json(state.desk.ask(Appliance::users).await??))
}

/// Which records: as `undertone records` takes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    since: Option<String>,
    until: Option<String>,
    number: Option<String>,
    peer: Option<String>,
    limit: Option<usize>,
}

impl Wanted {
    fn filter(self) -> Result<Filter, Problem> {
        let limit = limit(self.limit, "records", "until", "`undertone records` exports all")?;
        let (since, until) = (time("since", self.since)?, time("until", self.until)?);
        Ok(Filter { since, until, number: self.number, peer: self.peer, limit: Some(limit) })
    }
}

/// The time of a parameter.
fn time(key: &str, text: Option<String>) -> Result<Option<Timestamp>, Problem> {
    let wrong = |way_out| Problem::new(StatusCode::BAD_REQUEST, format!("`{key}` is no time"), way_out);
    text.map(|text| when::time(&text)).transpose().map_err(wrong)
}

/// How many an answer has, of what; the parameter `next` asks for the rest, and `all` says where there is more.
fn limit(wanted: Option<usize>, of: &str, next: &str, all: &str) -> Result<usize, Problem> {
    let limit = wanted.unwrap_or(RECORDS_DEFAULT);
    if limit > RECORDS_MAX {
        let error = format!("an answer has at most {RECORDS_MAX} {of}");
        let way_out = format!("ask for less, and for the rest with `{next}`; {all}");
        return Err(Problem::new(StatusCode::BAD_REQUEST, error, way_out));
    }
    Ok(limit)
}

async fn records(
    Asked(state): Asked<State>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Problem> {
    let wrong = |rejection: QueryRejection| {
        let way_out = "the parameters are since, until, number, peer and limit, each at most once";
        Problem::new(StatusCode::BAD_REQUEST, rejection.body_text(), way_out)
    };
    let Query(wanted) = wanted.map_err(wrong)?;
    let filter = wanted.filter()?;
    let database = state.desk.ask(Appliance::database).await??;
    let permit = state.reader().await?;
    written(move || {
        // Held until the work is done, whether or not somebody still waits for it.
        let _permit = permit;
        Reader::open(&database)?.calls(filter).collect::<Result<Vec<_>, _>>().map_err(Problem::from)
    })
    .await
}

async fn record(Asked(state): Asked<State>, Path(id): Path<String>) -> Result<Response, Problem> {
    let none = format!("there is no record of a call {id}");
    let none = Problem::new(StatusCode::NOT_FOUND, none, "/api/v1/records lists those that there are");
    let Ok(id) = id.parse::<CallId>() else { return Err(none) };
    let database = state.desk.ask(Appliance::database).await??;
    let permit = state.reader().await?;
    written(move || {
        let _permit = permit;
        Reader::open(&database)?.call(id)?.ok_or(none)
    })
    .await
}

/// Which rows of the audit: as `undertone audit list` takes them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedAudit {
    since: Option<String>,
    until: Option<String>,
    who: Option<String>,
    user: Option<String>,
    extension: Option<String>,
    what: Option<String>,
    call: Option<String>,
    session: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
}

impl WantedAudit {
    fn filter(self) -> Result<AuditFilter, Problem> {
        Ok(AuditFilter {
            since: time("since", self.since)?,
            until: time("until", self.until)?,
            who: self.who,
            user: self.user,
            extension: self.extension,
            what: self.what.map(kind).transpose()?,
            call: self.call,
            session: self.session,
            before: self.before,
            limit: Some(limit(self.limit, "rows", "before", "`undertone audit export` exports all")?),
            oldest_first: false,
        })
    }
}

/// A kind of rows that there is.
fn kind(what: String) -> Result<String, Problem> {
    let kinds = What::ALL.map(What::key);
    let wrong = || {
        let error = format!("there are no rows of the kind {}", what.chars().take(40).collect::<String>());
        Problem::new(StatusCode::BAD_REQUEST, error, format!("the kinds are {}", kinds.join(", ")))
    };
    if kinds.contains(&what.as_str()) { Ok(what) } else { Err(wrong()) }
}

/// What a request says of it.
pub(crate) type AuditQuery = Result<Query<WantedAudit>, QueryRejection>;

async fn audit(Asked(state): Asked<State>, wanted: AuditQuery) -> Result<Response, Problem> {
    let database = state.desk.ask(Appliance::database).await??;
    let permit = state.reader().await?;
    audit_rows(database, wanted, permit).await
}

/// The rows that are wanted. `permit` is held until they are read, whether or not somebody still waits for them.
pub(crate) async fn audit_rows(
    database: PathBuf,
    wanted: AuditQuery,
    permit: OwnedSemaphorePermit,
) -> Result<Response, Problem> {
    let filter = audit_filter(wanted)?;
    written(move || {
        let _permit = permit;
        Reader::open(&database)?.audit(filter).collect::<Result<Vec<_>, _>>().map_err(Problem::from)
    })
    .await
}

/// Which rows a request wants.
pub(crate) fn audit_filter(wanted: AuditQuery) -> Result<AuditFilter, Problem> {
    let wrong = |rejection: QueryRejection| {
        let way_out = "the parameters are since, until, who, user, extension, what, call, session, before and limit, each at most once";
        Problem::new(StatusCode::BAD_REQUEST, rejection.body_text(), way_out)
    };
    let Query(wanted) = wanted.map_err(wrong)?;
    wanted.filter()
}

/// The end of the audit, to be kept elsewhere.
async fn audit_head(Asked(state): Asked<State>) -> Result<Response, Problem> {
    let database = state.desk.ask(Appliance::database).await??;
    let permit = state.reader().await?;
    written(move || {
        let _permit = permit;
        Ok(json!({ "head": Reader::open(&database)?.audit_head()? }))
    })
    .await
}

async fn unknown_path(uri: Uri) -> Problem {
    // What was asked for may be anything, and long.
    let path: String = uri.path().chars().take(80).collect();
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"), PATHS)
}

async fn unknown_method(method: Method, uri: Uri) -> Problem {
    let error = format!("{method} is not taken at {}", uri.path());
    let way_out = "use GET; a call is ended by DELETE of /api/v1/calls/ID. A monitor session begins by POST to /api/v1/monitors, \
                   and PATCH and DELETE of /api/v1/monitors/ID change its mode and end it; a recording by POST to \
                   /api/v1/recordings, and DELETE of /api/v1/recordings/CALL ends it";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error, way_out)
}

/// An answer that takes long to find, or to write down.
async fn written<T: Serialize>(
    find: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    let json = aside(|| serde_json::to_vec(&find()?).map_err(|_| Problem::no_answer())).await??;
    Ok(([(CONTENT_TYPE, "application/json")], json).into_response())
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.complaint(), error.way_out())
    }
}
