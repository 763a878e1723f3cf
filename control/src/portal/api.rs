//! Paths, and what is answered at each.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json, Router,
    body::Body,
    extract::State as Asked,
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{RETRY_AFTER, SET_COOKIE},
    },
    middleware,
    response::{IntoResponse as _, Response},
    routing::{any, get, patch, post},
};
use serde::Deserialize;
use tokio::{sync::Semaphore, time::timeout};
use undertone_control_core::portal::Locked;

use super::{
    Account, Office, audit,
    guard::guard,
    live::{self, PAGES_MAX},
    monitors, page, password,
    viewer::{self, SignedIn, require},
};
use crate::{
    http::{self, Client, Counts, Desk, Problem},
    sip::random,
};

/// Passwords that are looked at at a time. Each takes memory and a processor for a while; more wait.
const PASSWORDS_AT_A_TIME: usize = 1;
/// How long one may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Readers of the database at a time.
const READERS_MAX: usize = 2;

/// What handlers have.
#[derive(Clone)]
pub(super) struct State {
    pub(super) desk: Desk<dyn Office>,
    pub(super) counts: Arc<Counts>,
    pub(super) pages: Arc<Semaphore>,
    passwords: Arc<Semaphore>,
    pub(super) readers: Arc<Semaphore>,
}

impl State {
    pub(super) fn new(desk: Desk<dyn Office>) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        Self {
            desk,
            counts: Arc::default(),
            pages: semaphore(PAGES_MAX),
            passwords: semaphore(PASSWORDS_AT_A_TIME),
            readers: semaphore(READERS_MAX),
        }
    }
}

/// All paths. What is below `/api` and not for everybody takes a cookie.
pub(super) fn router(state: State) -> Router {
    let of_users = Router::new()
        .route("/api/v1/session", get(account).delete(sign_out))
        .route("/api/v1/session/use", post(in_use))
        .route("/api/v1/live", get(live::live))
        .route("/api/v1/monitors", post(monitors::begin))
        .route("/api/v1/monitors/{id}", patch(monitors::switch).delete(monitors::end))
        .route("/api/v1/audit", get(audit::rows))
        .route("/api/v1/audit.csv", get(audit::file))
        .route_layer(middleware::from_fn_with_state(state.clone(), require));
    Router::new()
        .route("/api/v1/session", post(sign_in))
        .merge(of_users)
        .route("/api/{*rest}", any(unknown_path))
        .fallback(page::page)
        .layer(middleware::from_fn(guard))
        .with_state(state)
}

/// Who wants to sign in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    user: String,
    password: String,
}

async fn sign_in(
    Asked(state): Asked<State>,
    Extension(Client(from)): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Credentials { user, password } = http::read_body(&headers, body, r#"{"user":"sue","password":"…"}"#).await?;
    if password.chars().count() > password::LENGTH_MAX {
        return Err(refused());
    }
    // Only so many are ever looked at, whoever sends them.
    let turn = timeout(PATIENCE, Arc::clone(&state.passwords).acquire_owned()).await;
    let Ok(Ok(turn)) = turn else { return Err(Problem::busy("too many people sign in at once")) };
    let asked = user.clone();
    let expected = match state.desk.ask(move |office| office.expect(&asked, from)).await? {
        Ok(expected) => expected,
        Err(locked) => return Ok(locked_out(locked)),
    };
    // Who is no user waits as long as who is one.
    let (expected, is_right) = http::aside(move || {
        let _turn = turn;
        let is_right = password::is_right(&password, expected.as_ref());
        (expected, is_right)
    })
    .await?;
    let account = match expected {
        Some(hash) if is_right => {
            let token = token().ok_or_else(Problem::no_answer)?;
            let given = token.clone();
            let account = state.desk.ask(move |office| office.sign_in(&user, &hash, from, &given)).await?;
            account.map(|account| (account, token))
        }
        _ => {
            state.desk.ask(move |office| office.turn_away(&user, from)).await?;
            None
        }
    };
    let (account, token) = account.ok_or_else(refused)?;
    let cookie =
        HeaderValue::from_str(&viewer::cookie(&token, account.lifetime_s)).map_err(|_| Problem::no_answer())?;
    Ok(([(SET_COOKIE, cookie)], Json(account)).into_response())
}

/// 32 random bytes, in hexadecimal digits.
fn token() -> Option<String> {
    let random = random::<32>().ok()?;
    Some(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is said to all who do not know a name and its password: neither which of them is wrong, nor whether there is such a user.
fn refused() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "the name or the password is wrong", "look at both and try again")
}

fn locked_out(Locked { for_s }: Locked) -> Response {
    let problem =
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many attempts have failed", format!("try again in {for_s} s"));
    ([(RETRY_AFTER, for_s.to_string())], problem).into_response()
}

async fn account(Extension(account): Extension<Account>) -> Json<Account> {
    Json(account)
}

/// Somebody is at the page, who has not asked for anything else for a while.
async fn in_use() -> StatusCode {
    StatusCode::NO_CONTENT
}

async fn sign_out(Asked(state): Asked<State>, Extension(who): Extension<SignedIn>) -> Result<Response, Problem> {
    state.desk.ask(move |office| office.sign_out(&who)).await?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, viewer::no_cookie())]).into_response())
}

async fn unknown_path(uri: Uri) -> Problem {
    // What was asked for may be anything, and long.
    let path: String = uri.path().chars().take(80).collect();
    let way_out =
        "there are, below /api/v1: /session, /session/use, /live, /monitors, /monitors/ID, /audit, /audit.csv";
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"), way_out)
}
