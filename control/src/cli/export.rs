//! What tables and exports of the database have in common.

use std::{
    borrow::Cow,
    io::{self, ErrorKind, Write},
};

use serde::Serialize;

use crate::{failure::Failure, storage::StorageError};

/// A text that cannot speak to a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '·' } else { letter }).collect()
}

/// A text, or what stands for none.
pub(super) fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}

/// Writes comma-separated values, as RFC 4180 says.
pub(super) fn csv<T, const N: usize>(
    headings: [&str; N],
    items: impl Iterator<Item = Result<T, StorageError>>,
    fields: impl Fn(&T) -> [Cow<'_, str>; N],
    out: impl Write,
) -> Result<(), Failure> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
    let mut write = |fields: &[Cow<'_, str>]| match writer.write_record(fields.iter().map(|field| field.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) => Err(io::Error::from(error)),
    };
    let mut outcome = write(&headings.map(Cow::from));
    for item in items {
        if outcome.is_err() {
            break;
        }
        outcome = write(&fields(&item?));
    }
    heard(outcome.and_then(|()| writer.flush()))
}

/// Writes an object a line.
pub(super) fn jsonl<T: Serialize>(
    items: impl Iterator<Item = Result<T, StorageError>>,
    out: impl Write,
) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(out);
    let mut outcome = Ok(());
    for item in items {
        if outcome.is_err() {
            break;
        }
        let item =
            serde_json::to_string(&item?).map_err(|error| Failure::new(format!("cannot write JSON: {error}")))?;
        outcome = writeln!(out, "{item}");
    }
    heard(outcome.and_then(|()| out.flush()))
}

/// A text that no spreadsheet runs. What begins like a formula gets an apostrophe in front, which spreadsheets do not
/// show; a number with a plus sign is no formula.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    let begins_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    match text.strip_prefix('+') {
        Some(rest) if is_number(rest) => text.into(),
        _ if begins_formula => format!("'{text}").into(),
        _ => text.into(),
    }
}

/// A reader that has had enough is no failure.
pub(super) fn heard(outcome: io::Result<()>) -> Result<(), Failure> {
    match outcome {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::new(format!("cannot write: {error}"))),
        _ => Ok(()),
    }
}
