//! The SDP in a message body: the body itself, or parts of a multipart one (RFC 2046 §5.1, RFC 5621).

use super::{
    BODY_BYTES_MAX, PARTS_MAX, SdpError,
    edit::{self, Edit, Piece},
};

/// How deep multipart bodies may stand in each other.
const DEPTH_MAX: usize = 2;
/// RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;

/// A message body and the SDP in it.
///
/// Several parts with SDP are alternatives of one description as a rule (`multipart/alternative`): all of them are
/// then anchored at the same ports.
#[derive(Clone, Debug)]
pub struct Bodies<'a> {
    body: &'a [u8],
    sdp: Vec<Piece<'a>>,
    lengths: Vec<Length<'a>>,
}

/// A Content-Length within the body.
#[derive(Clone, Copy, Debug)]
struct Length<'a> {
    digits: Piece<'a>,
    content: Piece<'a>,
}

impl<'a> Bodies<'a> {
    /// Finds the SDP in `body` by the value of the message's Content-Type. A body of another type has none.
    /// Whether the message has a Content-Encoding is for the caller to see.
    pub fn find(content_type: &[u8], body: &'a [u8]) -> Result<Self, SdpError> {
        if body.len() > BODY_BYTES_MAX && !matches!(MediaType::read(content_type), MediaType::Other) {
            return Err(SdpError::TooLarge);
        }
        let mut bodies = Self { body, sdp: Vec::new(), lengths: Vec::new() };
        bodies.read(content_type, Piece::whole(body), DEPTH_MAX)?;
        Ok(bodies)
    }

    /// The SDP parts, in their order.
    pub fn sdp(&self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        self.sdp.iter().map(|part| part.bytes)
    }

    /// The body with its SDP parts replaced, in their order; those beyond `replacements` stay. A Content-Length
    /// within the body follows; the message's own is for the caller to set.
    pub fn splice(&self, replacements: &[impl AsRef<[u8]>]) -> Vec<u8> {
        let replaced = self.sdp.iter().zip(replacements);
        let mut edits: Vec<Edit> = replaced.map(|(part, new)| Edit::new(part.span(), new.as_ref())).collect();
        // An inner length stands before the outer one that it may change.
        for length in &self.lengths {
            let within = edits.iter().filter_map(|edit| edit.growth_within(&length.content.span()));
            let (added, taken) = within.fold((0, 0), |(added, taken), (new, old)| (added + new, taken + old));
            let bytes = (length.content.bytes.len() + added).saturating_sub(taken);
            edits.push(Edit::new(length.digits.span(), bytes.to_string()));
        }
        edit::apply(self.body, edits)
    }

    fn read(&mut self, content_type: &[u8], content: Piece<'a>, depth: usize) -> Result<(), SdpError> {
        match MediaType::read(content_type) {
            MediaType::Sdp => self.sdp.push(content),
            MediaType::Signed => return Err(SdpError::Encoded),
            MediaType::Multipart { boundary } => {
                let depth = depth.checked_sub(1).ok_or(SdpError::Multipart)?;
                let boundary = boundary.ok_or(SdpError::Multipart)?;
                for part in parts(content, &boundary)? {
                    self.read_part(part, depth)?;
                }
            }
            MediaType::Other => {}
        }
        Ok(())
    }

    fn read_part(&mut self, part: Piece<'a>, depth: usize) -> Result<(), SdpError> {
        let head = Head::read(part);
        let content_type = head.only("Content-Type", "c")?.map_or(&b"text/plain"[..], |value| value.bytes);
        if matches!(MediaType::read(content_type), MediaType::Other) {
            return Ok(());
        }
        if head.is_encoded()? {
            return Err(SdpError::Encoded);
        }
        self.read(content_type, head.content, depth)?;
        if let Some(digits) = head.only("Content-Length", "l")? {
            digits.number::<usize>().ok_or(SdpError::Multipart)?;
            self.lengths.push(Length { digits, content: head.content });
        }
        Ok(())
    }
}

/// What a Content-Type says, as far as it matters here.
enum MediaType {
    Sdp,
    Multipart { boundary: Option<Vec<u8>> },
    Signed,
    Other,
}

impl MediaType {
    fn read(value: &[u8]) -> Self {
        let value = Piece::whole(value);
        let nothing = value.between(value.end(), value.end());
        let (name, parameters) = value.split_once(b';').unwrap_or((value, nothing));
        let name = name.trim();
        let is_multipart = || name.split_once(b'/').is_some_and(|(kind, _)| kind.trim().is("multipart"));
        match name {
            _ if name.is("application/sdp") => Self::Sdp,
            _ if name.is("multipart/signed") || name.is("multipart/encrypted") => Self::Signed,
            _ if is_multipart() => Self::Multipart { boundary: boundary(parameters.bytes) },
            _ => Self::Other,
        }
    }
}

/// The boundary among the parameters of a Content-Type.
fn boundary(mut parameters: &[u8]) -> Option<Vec<u8>> {
    loop {
        let equals = parameters.iter().position(|byte| *byte == b'=')?;
        let (before, after) = (parameters.get(..equals)?, parameters.get(equals + 1..)?.trim_ascii_start());
        let name = before.rsplit(|byte| *byte == b';').next()?.trim_ascii();
        let (value, rest) = match after.strip_prefix(b"\"") {
            Some(quoted) => unquote(quoted)?,
            None => token(after),
        };
        if name.eq_ignore_ascii_case(b"boundary") {
            return Some(value).filter(|value| (1..=BOUNDARY_BYTES_MAX).contains(&value.len()));
        }
        parameters = rest;
    }
}

/// A quoted string after its opening quote, and what follows it.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' if !is_escaped => return Some((value, text.get(at + 1..)?)),
            b'\\' if !is_escaped => is_escaped = true,
            _ => {
                value.push(*byte);
                is_escaped = false;
            }
        }
    }
    None
}

fn token(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = text.iter().position(|byte| *byte == b';' || byte.is_ascii_whitespace()).unwrap_or(text.len());
    let (value, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
    (value.to_vec(), rest)
}

/// What stands between the delimiters of a multipart body. The line end before a delimiter belongs to it.
fn parts<'a>(content: Piece<'a>, boundary: &[u8]) -> Result<Vec<Piece<'a>>, SdpError> {
    let mut parts = Vec::new();
    let mut part_start = None;
    let mut text_end = content.start;
    for line in content.lines() {
        let delimiter = Delimiter::read(line.bytes, boundary);
        if let (Some(_), Some(start)) = (&delimiter, part_start) {
            if parts.len() == PARTS_MAX {
                return Err(SdpError::TooLarge);
            }
            parts.push(content.between(start, text_end));
        }
        match delimiter {
            Some(Delimiter::Closing) if part_start.is_some() => return Ok(parts),
            Some(Delimiter::Closing) => return Err(SdpError::Multipart),
            Some(Delimiter::Opening) => part_start = Some(line.end()),
            None => {}
        }
        text_end = line.without_line_end().end();
    }
    Err(SdpError::Multipart)
}

enum Delimiter {
    Opening,
    Closing,
}

impl Delimiter {
    fn read(line: &[u8], boundary: &[u8]) -> Option<Self> {
        match line.trim_ascii_end().strip_prefix(b"--")?.strip_prefix(boundary)? {
            b"" => Some(Self::Opening),
            b"--" => Some(Self::Closing),
            _ => None,
        }
    }
}

/// The header fields of a part, and what follows them.
struct Head<'a> {
    fields: Vec<(Piece<'a>, Piece<'a>)>,
    content: Piece<'a>,
}

impl<'a> Head<'a> {
    fn read(part: Piece<'a>) -> Self {
        let mut fields: Vec<(Piece<'a>, Piece<'a>)> = Vec::new();
        let mut content = part.between(part.end(), part.end());
        for line in part.lines() {
            let text = line.without_line_end();
            if text.bytes.is_empty() {
                content = part.between(line.end(), part.end());
                break;
            }
            let is_folded = text.bytes.starts_with(b" ") || text.bytes.starts_with(b"\t");
            match fields.last_mut() {
                Some((_, value)) if is_folded => *value = part.between(value.start, text.end()),
                _ => fields.extend(text.split_once(b':')),
            }
        }
        let trimmed = fields.into_iter().map(|(name, value)| (name.trim(), value.trim()));
        Self { fields: trimmed.collect(), content }
    }

    /// The field of this name, or of its compact form. Two of them are one too many.
    fn only(&self, name: &str, compact: &str) -> Result<Option<Piece<'a>>, SdpError> {
        let mut found = self.fields.iter().filter(|(field, _)| field.is(name) || field.is(compact));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(SdpError::Multipart),
            (first, None) => Ok(first.map(|(_, value)| *value)),
        }
    }

    /// Whether the content is not there as it is.
    fn is_encoded(&self) -> Result<bool, SdpError> {
        let transfer = self.only("Content-Transfer-Encoding", "Content-Transfer-Encoding")?;
        let is_plain = |value: Piece<'_>| ["7bit", "8bit", "binary"].iter().any(|plain| value.is(plain));
        let content = self.only("Content-Encoding", "e")?;
        Ok(transfer.is_some_and(|value| !is_plain(value)) || content.is_some_and(|value| !value.is("identity")))
    }
}
