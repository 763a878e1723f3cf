//! `/api/v1/audit`, and the same as a file.

use std::{io, sync::Arc};

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State as Asked,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use tokio::{
    sync::mpsc::{self, Sender},
    task::spawn_blocking,
};

use super::{api::State, viewer::SignedIn};
use crate::{
    cli::audit_csv,
    http::{AuditQuery, Problem, audit_filter, audit_rows},
    storage::{AuditFilter, Reader},
};

/// Bytes that are written at once, and how many of such wait for who reads them.
const PART: usize = 64 << 10;
const PARTS: usize = 4;

/// The rows that are wanted, the newest first.
pub(super) async fn rows(
    Asked(state): Asked<State>,
    Extension(who): Extension<SignedIn>,
    query: AuditQuery,
) -> Result<Response, Problem> {
    let database = state.desk.ask(move |office| office.audit(&who)).await??;
    let permit = Arc::clone(&state.readers).acquire_owned().await.map_err(|_| Problem::no_answer())?;
    audit_rows(database, query, permit).await
}

/// All of the rows that are wanted, as a file of comma-separated values, the oldest first.
pub(super) async fn file(
    Asked(state): Asked<State>,
    Extension(who): Extension<SignedIn>,
    query: AuditQuery,
) -> Result<Response, Problem> {
    let database = state.desk.ask(move |office| office.audit(&who)).await??;
    let filter = AuditFilter { limit: None, oldest_first: true, ..audit_filter(query)? };
    let permit = Arc::clone(&state.readers).acquire_owned().await.map_err(|_| Problem::no_answer())?;
    let (parts, written) = mpsc::channel(PARTS);
    spawn_blocking(move || {
        let _permit = permit;
        let out = io::BufWriter::with_capacity(PART, Parts(parts.clone()));
        let outcome =
            Reader::open(&database).map_err(Into::into).and_then(|reader| audit_csv(reader.audit(filter), out));
        if let Err(failure) = outcome {
            // The file is broken off, which a browser tells.
            let _ = parts.blocking_send(Err(io::Error::other(failure.sentences())));
        }
    });
    let body = stream::unfold(written, async |mut written| written.recv().await.map(|part| (part, written)));
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8"),
        (CONTENT_DISPOSITION, "attachment; filename=\"undertone-audit.csv\""),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What is written is sent, as soon as there is room.
struct Parts(Sender<io::Result<Bytes>>);

impl io::Write for Parts {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        // Who asked has left.
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
