//! What a request is answered that cannot be served: a JSON object `{error, try}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::protocol::{Code, Refusal};

/// Why a request is not served, and the way out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(super) status: StatusCode,
    error: String,
    way_out: String,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { status, error: error.into(), way_out: way_out.into() }
    }

    /// The daemon's thread has not answered in time.
    pub(crate) fn no_answer() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the daemon does not answer",
            "try again; when this lasts, its log says why",
        )
    }

    /// So many are asking for the same that there is no room for one more.
    pub(crate) fn busy(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error, "try again in a moment")
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            Code::BadRequest | Code::OtherVersion => StatusCode::BAD_REQUEST,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Refused | Code::Configuration => StatusCode::CONFLICT,
            Code::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Code::TooMany => StatusCode::TOO_MANY_REQUESTS,
        };
        Self::new(status, refusal.error, refusal.way_out.unwrap_or_default())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.error, "try": self.way_out }))).into_response()
    }
}
