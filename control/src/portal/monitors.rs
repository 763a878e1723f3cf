//! `/api/v1/monitors`: sessions of the user's own, by a telephone of their own.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State as Asked},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use undertone_core::mixer::Mode;

use super::{Own, Wish, api::State, rows::MonitorView, viewer::SignedIn};
use crate::{
    http::{Change, Problem, read_body},
    protocol::named,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    extension: String,
    #[serde(with = "named", default = "listen")]
    mode: Mode,
    #[serde(default)]
    phone: Option<String>,
}

const fn listen() -> Mode {
    Mode::Listen
}

pub(super) async fn begin(
    Asked(state): Asked<State>,
    Extension(who): Extension<SignedIn>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let form = r#"{"extension":"100","mode":"listen","phone":"200"}"#;
    let Spec { extension, mode, phone } = read_body(&headers, body, form).await?;
    let wish = Wish { extension, mode, phone };
    let own = state.desk.ask(move |office| office.begin_monitor(&who, wish)).await??;
    Ok((StatusCode::CREATED, shown(&own)).into_response())
}

pub(super) async fn switch(
    Asked(state): Asked<State>,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Change { mode } = read_body(&headers, body, r#"{"mode":"barge"}"#).await?;
    let own = state.desk.ask(move |office| office.switch_monitor(&who, &id, mode)).await??;
    Ok(shown(&own))
}

pub(super) async fn end(
    Asked(state): Asked<State>,
    Extension(who): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    state.desk.ask(move |office| office.end_monitor(&who, &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(own: &Own) -> Response {
    Json(MonitorView::own(&own.row, &own.name)).into_response()
}
