//! `/api/v1/monitors`.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State as Asked},
    http::{HeaderMap, StatusCode},
};
use serde::Deserialize;
use serde_json::{Value, json};
use undertone_core::mixer::Mode;

use super::{Appliance, api::State, body, problem::Problem, server::Client};
use crate::protocol::{MonitorSpec, MonitorView, named};

/// What a session is to be like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(with = "named")]
    pub(crate) mode: Mode,
}

pub(super) async fn list(Asked(state): Asked<State>) -> Result<Json<Vec<MonitorView>>, Problem> {
    Ok(Json(state.desk.ask(Appliance::monitors).await??))
}

pub(super) async fn show(Asked(state): Asked<State>, Path(id): Path<String>) -> Result<Json<MonitorView>, Problem> {
    Ok(Json(state.desk.ask(move |appliance| appliance.monitor(&id)).await??))
}

pub(super) async fn begin(
    Asked(state): Asked<State>,
    Extension(Client(from)): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<MonitorView>), Problem> {
    let spec: MonitorSpec = body::read(&headers, body, r#"{"extension":"100","as":"200","mode":"listen"}"#).await?;
    let begun = state.desk.ask(move |appliance| appliance.begin_monitor(spec, from)).await??;
    Ok((StatusCode::CREATED, Json(begun)))
}

pub(super) async fn change(
    Asked(state): Asked<State>,
    Extension(Client(from)): Extension<Client>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<MonitorView>, Problem> {
    let Change { mode } = body::read(&headers, body, r#"{"mode":"barge"}"#).await?;
    Ok(Json(state.desk.ask(move |appliance| appliance.switch_monitor(&id, mode, from)).await??))
}

pub(super) async fn end(
    Asked(state): Asked<State>,
    Extension(Client(from)): Extension<Client>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let did = state.desk.ask(move |appliance| appliance.end_monitor(&id, from)).await??;
    for did in &did {
        tracing::info!("asked for over HTTP: {did}");
    }
    Ok(Json(json!({ "did": did })))
}
