//! SDP as a relay needs it: read where it stands, and edited in place.
//!
//! [`Bodies`] finds the SDP of a message body, alone or in a multipart one. [`Sdp::parse`] reads it into
//! [`MediaLine`]s. [`policy`] says which of the destinations in it media may be sent to, and [`Sdp::rewrite`] puts our
//! own in their place. Whatever a peer wrote and is not ours to change leaves as it came, byte for byte.

mod codec;
mod edit;
mod error;
mod lines;
mod media;
mod multipart;
pub mod policy;
mod rewrite;
#[cfg(test)]
mod tests;

use self::lines::{Attribute, Connection, Line};
pub use self::{
    codec::{Codec, Format},
    error::SdpError,
    media::{Direction, MediaKind, MediaLine, Transport},
    multipart::Bodies,
    rewrite::{Anchor, Options, Treatment},
};

/// Bytes of a body that is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Lines of a description that is read.
pub const LINES_MAX: usize = 1000;
/// Media lines of a description that is read.
pub const MEDIA_LINES_MAX: usize = 16;
/// Formats of a media line that is read: RTP has this many payload types.
pub const FORMATS_MAX: usize = 128;
/// Parts of a multipart body that is read, at each level.
pub const PARTS_MAX: usize = 16;

/// A session description (RFC 8866), as it stands in a message.
///
/// What is read is what a relay acts on. Everything else may be anything: unknown letters, any order, either line
/// end, no `v=`, text that is not UTF-8.
#[derive(Clone, Debug)]
pub struct Sdp<'a> {
    body: &'a [u8],
    lines: Vec<Line<'a>>,
    session: Session<'a>,
    media: Vec<MediaLine<'a>>,
}

/// What stands above the first media line.
#[derive(Clone, Debug, Default)]
struct Session<'a> {
    /// How many lines it has.
    lines: usize,
    connection: Option<Connection<'a>>,
    direction: Direction,
}

impl<'a> Sdp<'a> {
    /// Reads a description. No bytes make it panic; what they cost is bounded by the limits of this module.
    pub fn parse(body: &'a [u8]) -> Result<Self, SdpError> {
        let lines = lines::read(body)?;
        let first = lines.iter().position(Line::is_media).unwrap_or(lines.len());
        let (above, below) = lines.split_at_checked(first).unwrap_or_default();
        let session = Session::read(above)?;
        let mut media = Vec::new();
        let mut start = first;
        for section in below.chunk_by(|_, next| !next.is_media()) {
            if media.len() == MEDIA_LINES_MAX {
                return Err(SdpError::TooLarge);
            }
            media.push(MediaLine::read(section, start, &session)?);
            start += section.len();
        }
        media::mark_alternatives(above, &mut media);
        Ok(Self { body, lines, session, media })
    }

    /// The media lines, in their order. Those of an answer belong to those of its offer by index (RFC 3264 §6).
    pub fn media(&self) -> &[MediaLine<'a>] {
        &self.media
    }

    /// What stands in the `m=` of one of its media lines.
    pub fn head(&self, line: &MediaLine<'a>) -> &'a [u8] {
        self.lines_of(line).first().map_or(&[], |head| head.value.bytes)
    }

    /// The values of the attributes of this name that one of its media lines has, in their order.
    pub fn values<'s>(&'s self, line: &MediaLine<'a>, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        let attributes = self.lines_of(line).iter().filter_map(Line::attribute);
        attributes.filter(move |attribute| attribute.is(name)).map(|attribute| attribute.value.trim().bytes)
    }

    /// What stands in the first `t=`.
    pub fn time(&self) -> Option<&'a [u8]> {
        self.lines.iter().find(|line| line.letter == Some(b't')).map(|line| line.value.bytes)
    }

    fn lines_of(&self, line: &MediaLine<'a>) -> &[Line<'a>] {
        self.lines.get(line.lines.clone()).unwrap_or_default()
    }
}

impl<'a> Session<'a> {
    fn read(lines: &[Line<'a>]) -> Result<Self, SdpError> {
        let mut directions = lines.iter().filter_map(Line::attribute).filter_map(Attribute::direction);
        Ok(Self {
            lines: lines.len(),
            connection: lines::connection(lines)?,
            direction: directions.next_back().unwrap_or_default(),
        })
    }
}
