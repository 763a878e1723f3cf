//! What stands in the body of a request: a JSON object, and a short one.

use std::time::Duration;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::problem::Problem;

/// Bytes of a body.
const BYTES_MAX: usize = 4 << 10;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// Reads a body. `form` shows what one looks like.
///
/// It has to say that it is JSON: a web page of others cannot make a browser say so without asking first.
pub(crate) async fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Body, form: &str) -> Result<T, Problem> {
    let way_out = format!("send a JSON object like {form}, with Content-Type: application/json");
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body does not say that it is JSON", way_out));
    }
    let bytes = timeout(PATIENCE, to_bytes(body, BYTES_MAX)).await.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "the body has not come in time", "send it with the head")
    })?;
    let bytes = bytes.map_err(|_| {
        let error = format!("the body is broken off, or has more than {BYTES_MAX} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error, way_out.as_str())
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("this is not what is wanted: {error}"), way_out))
}
