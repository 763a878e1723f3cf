//! Pieces of a body that know where they stand, and the edits that replace them.

use std::{ops::Range, str::FromStr};

/// A piece of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    /// Where in the body it begins.
    pub(super) start: usize,
    /// What it is.
    pub(super) bytes: &'a [u8],
}

/// What takes the place of a span of the body. An empty span inserts, an empty text removes.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    span: Range<usize>,
    text: Vec<u8>,
}

/// The body with its edits. They do not overlap; where two begin at one place, the first stands first.
pub(super) fn apply(body: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.span.start);
    let added: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Vec::with_capacity(body.len().saturating_add(added));
    let mut from = 0;
    for edit in &edits {
        out.extend_from_slice(body.get(from..edit.span.start).unwrap_or_default());
        out.extend_from_slice(&edit.text);
        from = from.max(edit.span.end);
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    out
}

impl Edit {
    /// Puts `text` in the place of `span`.
    pub(super) fn new(span: Range<usize>, text: impl Into<Vec<u8>>) -> Self {
        Self { span, text: text.into() }
    }

    /// Puts `text` before what stands at `place`.
    pub(super) fn insert(place: usize, text: impl Into<Vec<u8>>) -> Self {
        Self::new(place..place, text)
    }

    /// Takes `span` away.
    pub(super) fn remove(span: Range<usize>) -> Self {
        Self::new(span, Vec::new())
    }

    /// How many bytes come in the place of how many, when it lies within `span`.
    pub(super) fn growth_within(&self, span: &Range<usize>) -> Option<(usize, usize)> {
        let within = span.start <= self.span.start && self.span.end <= span.end;
        within.then(|| (self.text.len(), self.span.len()))
    }
}

impl<'a> Piece<'a> {
    /// A whole body.
    pub(super) const fn whole(bytes: &'a [u8]) -> Self {
        Self { start: 0, bytes }
    }

    /// Where it ends.
    pub(super) const fn end(self) -> usize {
        self.start + self.bytes.len()
    }

    /// Where it stands.
    pub(super) const fn span(self) -> Range<usize> {
        self.start..self.end()
    }

    /// Whether it is this text, in any case.
    pub(super) fn is(self, text: &str) -> bool {
        self.bytes.eq_ignore_ascii_case(text.as_bytes())
    }

    /// It, as text.
    pub(super) fn text(self) -> Option<&'a str> {
        str::from_utf8(self.bytes).ok()
    }

    /// It, as a number in digits alone.
    pub(super) fn number<T: FromStr>(self) -> Option<T> {
        let text = self.text().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        text.parse().ok()
    }

    /// From `start` to `end`, both places in the body, as far as that lies within it.
    pub(super) fn between(self, start: usize, end: usize) -> Self {
        let range = start.saturating_sub(self.start)..end.saturating_sub(self.start);
        Self { start: start.max(self.start), bytes: self.bytes.get(range).unwrap_or_default() }
    }

    /// What stands before and after the first `byte`.
    pub(super) fn split_once(self, byte: u8) -> Option<(Self, Self)> {
        let at = self.start + self.bytes.iter().position(|candidate| *candidate == byte)?;
        Some((self.between(self.start, at), self.between(at + 1, self.end())))
    }

    /// It, without white space at both ends.
    pub(super) fn trim(self) -> Self {
        let bytes = self.bytes.trim_ascii_start();
        Self { start: self.end() - bytes.len(), bytes: bytes.trim_ascii_end() }
    }

    /// What stands between spaces and tabs.
    pub(super) fn tokens(self) -> impl Iterator<Item = Self> {
        self.split(|byte| matches!(byte, b' ' | b'\t')).filter(|token| !token.bytes.is_empty())
    }

    /// What stands between bytes that separate.
    fn split(self, separates: impl Fn(&u8) -> bool) -> impl Iterator<Item = Self> {
        let mut start = self.start;
        self.bytes.split(separates).map(move |bytes| {
            let piece = Self { start, bytes };
            start = piece.end() + 1;
            piece
        })
    }

    /// Its lines, each with its end.
    pub(super) fn lines(self) -> impl Iterator<Item = Self> {
        let mut start = self.start;
        self.bytes.split_inclusive(|byte| *byte == b'\n').map(move |bytes| {
            let piece = Self { start, bytes };
            start = piece.end();
            piece
        })
    }

    /// A line without its end: LF or CRLF.
    pub(super) fn without_line_end(self) -> Self {
        let bytes = self.bytes.strip_suffix(b"\n").unwrap_or(self.bytes);
        Self { start: self.start, bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes) }
    }
}
