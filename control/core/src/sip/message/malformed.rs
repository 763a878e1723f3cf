//! Messages that cannot be read, and the answer to them.

use sipx_sip::error::ParseError;

/// A message that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// What is wrong, as a reason phrase.
    pub cause: &'static str,
    /// The status line and headers of the answer; `None` for what must not be answered, responses and ACK, and for what
    /// says too little of where the answer goes.
    pub answer: Option<Vec<u8>>,
}

/// Headers that an answer repeats, in the long form and the compact one (RFC 3261 §8.2.6.2).
const REPEATED: [(&str, &str); 5] = [("via", "v"), ("from", "f"), ("to", "t"), ("call-id", "i"), ("cseq", "")];

impl Malformed {
    pub(super) fn new(message: &[u8], cause: &'static str) -> Self {
        Self { cause, answer: answer(message, cause) }
    }
}

/// What is wrong with what the parser refuses, as a reason phrase.
pub(super) const fn cause(error: &ParseError) -> &'static str {
    match error {
        ParseError::StartLine(_) => "Bad Request Line",
        ParseError::HeaderSyntax { .. } => "Bad Header",
        ParseError::Framing(_) => "Bad Content-Length",
        ParseError::Limit { .. } => "Message Too Large",
        _ => "Incomplete Message",
    }
}

/// A 400 to what is nearly a request, from its lines alone.
fn answer(message: &[u8], cause: &str) -> Option<Vec<u8>> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(message.len());
    let mut lines = message.get(..end)?.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let start = lines.next()?;
    let is_response = start.get(..4).is_none_or(|word| word.eq_ignore_ascii_case(b"SIP/"));
    if is_response || start.starts_with(b"ACK ") {
        return None;
    }
    let mut out = format!("SIP/2.0 400 {cause}\r\n").into_bytes();
    let (mut repeats, mut seen) = (false, [false; REPEATED.len()]);
    for line in lines {
        if !matches!(line.first(), Some(b' ' | b'\t')) {
            let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
            let is = |text: &str| !text.is_empty() && name.eq_ignore_ascii_case(text.as_bytes());
            let found = REPEATED.iter().position(|(long, compact)| is(long) || is(compact));
            let first = found.and_then(|index| Some((index, seen.get_mut(index)?)));
            // Every Via is repeated, and the first of the others.
            repeats = first.is_some_and(|(index, seen)| !std::mem::replace(seen, true) || index == 0);
        }
        if repeats && !line.iter().any(|byte| matches!(byte, b'\r' | b'\0')) {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    seen.iter().all(|seen| *seen).then_some(out)
}
