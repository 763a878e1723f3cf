//! `/api/v1/recordings`.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State as Asked},
    http::{HeaderMap, StatusCode},
};
use serde_json::{Value, json};

use super::{Appliance, api::State, body, problem::Problem, server::Client};
use crate::protocol::{RecordingSpec, RecordingView};

pub(super) async fn list(Asked(state): Asked<State>) -> Result<Json<Vec<RecordingView>>, Problem> {
    Ok(Json(state.desk.ask(Appliance::recordings).await??))
}

pub(super) async fn show(Asked(state): Asked<State>, Path(call): Path<String>) -> Result<Json<RecordingView>, Problem> {
    Ok(Json(state.desk.ask(move |appliance| appliance.recording(&call)).await??))
}

pub(super) async fn begin(
    Asked(state): Asked<State>,
    Extension(Client(from)): Extension<Client>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<RecordingView>), Problem> {
    let spec: RecordingSpec = body::read(&headers, body, r#"{"call":"100"}"#).await?;
    let begun = state.desk.ask(move |appliance| appliance.begin_recording(spec, from)).await??;
    tracing::info!("asked for over HTTP: the call {} is recorded", begun.call);
    Ok((StatusCode::CREATED, Json(begun)))
}

pub(super) async fn end(
    Asked(state): Asked<State>,
    Extension(Client(from)): Extension<Client>,
    Path(call): Path<String>,
) -> Result<Json<Value>, Problem> {
    let did = state.desk.ask(move |appliance| appliance.end_recording(&call, from)).await??;
    for did in &did {
        tracing::info!("asked for over HTTP: {did}");
    }
    Ok(Json(json!({ "did": did })))
}
