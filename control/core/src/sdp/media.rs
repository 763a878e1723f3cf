//! A media line, with the lines that belong to it.

use std::{net::SocketAddr, ops::Range};

use super::{
    Codec, FORMATS_MAX, Format, SdpError, Session,
    edit::Piece,
    lines::{self, Attribute, Line, Rtcp},
};

/// An `m=` line and what stands below it.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is something that stands there or does not")]
pub struct MediaLine<'a> {
    /// What it is about.
    pub kind: MediaKind,
    /// How it is carried.
    pub transport: Transport,
    /// The port, 0 for a line that is rejected.
    pub port: u16,
    /// How many ports, or pairs of them, from `port` on.
    pub port_count: u16,
    /// Where the party wants media sent: `port` at its own `c=` or the session's. `None` when the port is 0 or the
    /// `c=` has no IP address. An unspecified address (0.0.0.0, ::) asks for none to be sent.
    pub destination: Option<SocketAddr>,
    /// Where the party wants RTCP sent unless it is muxed: by `a=rtcp`, else at the next port.
    pub rtcp: Option<SocketAddr>,
    /// Whether the party offers or accepts RTCP on the port of RTP (RFC 5761).
    pub rtcp_mux: bool,
    /// Whether the line lives on the port of another one (RFC 9143 §6); its own port is then 0.
    pub bundle_only: bool,
    /// Its direction, by its own attribute or the session's.
    pub direction: Direction,
    /// Its formats, the most wanted first.
    pub formats: Vec<Format<'a>>,
    /// The packet time that the party asks for.
    pub ptime_ms: Option<u16>,
    /// Its `a=mid`.
    pub mid: Option<&'a [u8]>,
    pub(super) alternative: bool,
    pub(super) has_connection: bool,
    /// Which lines of the description it has, from `m=` on.
    pub(super) lines: Range<usize>,
    /// The port with its count, as it stands there.
    pub(super) port_text: Piece<'a>,
}

/// What a media line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// `audio`.
    Audio,
    /// `video`.
    Video,
    /// `image`: fax.
    Image,
    /// `text`: conversation as it is typed (RFC 4103).
    Text,
    /// `application`: data channels, floor control.
    Application,
    /// `message`: sessions of messages (RFC 4975).
    Message,
    /// Anything else.
    Other,
}

/// How a medium is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `RTP/AVP`.
    RtpAvp,
    /// `RTP/AVPF`, with early feedback.
    RtpAvpf,
    /// `RTP/SAVP`: SRTP with keys from SDES or MIKEY.
    RtpSavp,
    /// `RTP/SAVPF`.
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP`: SRTP with keys from DTLS.
    DtlsSavp,
    /// `UDP/TLS/RTP/SAVPF`.
    DtlsSavpf,
    /// `udptl`: T.38 fax.
    Udptl,
    /// Anything else on UDP.
    Udp,
    /// Anything on TCP.
    Tcp,
    /// Unknown.
    Other,
}

/// Which ways media goes, as the party that sends the description sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// It sends and receives.
    #[default]
    SendRecv,
    /// It sends only: it holds the other party.
    SendOnly,
    /// It receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// Marks the media lines that are second choices of an ANAT group (RFC 4091) in the session's lines.
pub(super) fn mark_alternatives(session: &[Line<'_>], media: &mut [MediaLine<'_>]) {
    let groups = session.iter().filter_map(Line::attribute).filter(|attribute| attribute.is("group"));
    for group in groups.filter(|group| is_group(*group, "ANAT")) {
        let mut first = None;
        for mid in group.value.tokens().skip(1) {
            let member = media.iter().position(|line| line.mid == Some(mid.bytes) && line.port != 0);
            if let Some(member) = member
                && *first.get_or_insert(member) != member
                && let Some(line) = media.get_mut(member)
            {
                line.alternative = true;
            }
        }
    }
}

/// Whether a `group` attribute has this meaning (RFC 5888).
pub(super) fn is_group(group: Attribute<'_>, semantics: &str) -> bool {
    group.value.tokens().next().is_some_and(|first| first.is(semantics))
}

impl<'a> MediaLine<'a> {
    /// Reads the lines of a medium, `m=` first. `start` is its index among all lines.
    pub(super) fn read(lines: &[Line<'a>], start: usize, session: &Session<'a>) -> Result<Self, SdpError> {
        let head = lines.first().ok_or(SdpError::MediaLine)?;
        let mut line = Self::read_head(head.value)?;
        line.lines = start..start + lines.len();
        line.direction = session.direction;
        let own = lines::connection(lines)?;
        line.has_connection = own.is_some();
        let connection = own.as_ref().or(session.connection.as_ref());
        if line.port != 0 {
            let address = connection.ok_or(SdpError::NoConnection)?.address;
            line.destination = address.map(|address| SocketAddr::new(address, line.port));
        }
        line.read_attributes(lines)?;
        Ok(line)
    }

    /// Reads `audio 49170/2 RTP/AVP 0 8`.
    fn read_head(value: Piece<'a>) -> Result<Self, SdpError> {
        let mut tokens = value.tokens();
        let [Some(kind), Some(port_text), Some(transport)] = [tokens.next(), tokens.next(), tokens.next()] else {
            return Err(SdpError::MediaLine);
        };
        let (port, count) = port_text.split_once(b'/').map_or((port_text, None), |(port, count)| (port, Some(count)));
        let port = port.number().ok_or(SdpError::MediaLine)?;
        let port_count = count.map_or(Some(1), Piece::number).filter(|count| *count > 0);
        let transport_end = transport.end();
        let transport = Transport::read(transport);
        let formats = formats(tokens, transport_end, transport.is_rtp())?;
        if formats.is_empty() && port != 0 {
            return Err(SdpError::MediaLine);
        }
        Ok(Self {
            kind: MediaKind::read(kind),
            transport,
            port,
            port_count: port_count.ok_or(SdpError::MediaLine)?,
            destination: None,
            rtcp: None,
            rtcp_mux: false,
            bundle_only: false,
            direction: Direction::default(),
            formats,
            ptime_ms: None,
            mid: None,
            alternative: false,
            has_connection: false,
            lines: 0..0,
            port_text,
        })
    }

    fn read_attributes(&mut self, lines: &[Line<'a>]) -> Result<(), SdpError> {
        let mut mapped = 0_u128;
        let mut rtcp: Option<Rtcp<'a>> = None;
        for attribute in lines.iter().filter_map(Line::attribute) {
            if let Some(direction) = attribute.direction() {
                self.direction = direction;
            } else if attribute.is("rtpmap") {
                self.map(attribute.value, &mut mapped);
            } else if attribute.is("rtcp") {
                rtcp.get_or_insert(Rtcp::read(attribute.value)?);
            } else if attribute.is("rtcp-mux") {
                self.rtcp_mux = true;
            } else if attribute.is("bundle-only") {
                self.bundle_only = true;
            } else if attribute.is("ptime") {
                self.ptime_ms = attribute.value.trim().number().filter(|ptime| *ptime > 0);
            } else if attribute.is("mid") {
                self.mid = Some(attribute.value.trim().bytes);
            }
        }
        self.rtcp = self.rtcp_destination(rtcp);
        Ok(())
    }

    /// Takes in an `a=rtpmap`. The first for a payload type counts.
    fn map(&mut self, value: Piece<'a>, mapped: &mut u128) {
        let mut tokens = value.tokens();
        let payload_type = tokens.next().and_then(Piece::number).filter(|number: &u8| *number < 128);
        let Some(payload_type) = payload_type else { return };
        let bit = 1_u128 << payload_type;
        if *mapped & bit != 0 {
            return;
        }
        *mapped |= bit;
        let codec = tokens.next().and_then(Codec::read);
        for format in self.formats.iter_mut().filter(|format| format.payload_type == Some(payload_type)) {
            format.codec = codec;
        }
    }

    fn rtcp_destination(&self, rtcp: Option<Rtcp<'a>>) -> Option<SocketAddr> {
        let destination = self.destination.filter(|_| self.transport.is_rtp())?;
        let Some(rtcp) = rtcp else {
            return Some(SocketAddr::new(destination.ip(), destination.port().checked_add(1)?));
        };
        let address = rtcp.connection.map_or(Some(destination.ip()), |connection| connection.address)?;
        Some(SocketAddr::new(address, rtcp.number))
    }

    /// Whether the line is rejected (RFC 3264 §6), and not merely carried by another one.
    pub const fn is_rejected(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    /// Whether it is another way to reach what an earlier line offers already (RFC 4091). Not to be anchored:
    /// [`rewrite`](super::Sdp::rewrite) refuses it when it removes alternatives.
    pub const fn is_alternative(&self) -> bool {
        self.alternative
    }

    /// Whether the party asks by a null address that nothing be sent, as RFC 2543 had it and some still do.
    pub fn is_held_by_address(&self) -> bool {
        self.destination.is_some_and(|destination| destination.ip().is_unspecified())
    }

    /// Whether the party wants media sent to it: it is not on hold, and holds nobody.
    pub fn receives(&self) -> bool {
        self.port != 0 && self.direction.receives() && !self.is_held_by_address()
    }

    /// The payload type of DTMF (RFC 4733): on the clock of the first codec where there is such a one, else the first.
    pub fn telephone_event(&self) -> Option<u8> {
        let clock = self.formats.iter().find(|format| !format.is_companion()).and_then(|format| format.codec);
        let fits = |format: &&Format<'_>| {
            format.codec.map(|codec| codec.clock_rate_hz) == clock.map(|codec| codec.clock_rate_hz)
        };
        let mut events = self.formats.iter().filter(|format| format.is("telephone-event"));
        let first = events.clone().next();
        events.find(fits).or(first)?.payload_type
    }

    /// Whether a codec of the line is left when only those of these names pass: DTMF alone is no call. The list is
    /// about audio over RTP; other lines pass it whole.
    pub fn has_any_of(&self, codecs: &[&str]) -> bool {
        let is_left = |format: &Format<'_>| !format.is_companion() && codecs.iter().any(|name| format.is(name));
        !self.is_filtered() || self.formats.iter().any(is_left)
    }

    /// Whether lists of codecs are about it.
    pub(super) fn is_filtered(&self) -> bool {
        self.kind == MediaKind::Audio && self.transport.is_rtp()
    }
}

fn formats<'a>(
    tokens: impl Iterator<Item = Piece<'a>>,
    mut from: usize,
    is_rtp: bool,
) -> Result<Vec<Format<'a>>, SdpError> {
    let mut formats = Vec::new();
    for token in tokens {
        if formats.len() == FORMATS_MAX {
            return Err(SdpError::TooLarge);
        }
        formats.push(if is_rtp { Format::rtp(token, from) } else { Format::other(token, from) });
        from = token.end();
    }
    Ok(formats)
}

impl MediaKind {
    /// Those that have a name of their own (RFC 8866 §5.14).
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("audio", Self::Audio),
        ("video", Self::Video),
        ("image", Self::Image),
        ("text", Self::Text),
        ("application", Self::Application),
        ("message", Self::Message),
    ];

    fn read(text: Piece<'_>) -> Self {
        Self::NAMES.iter().find(|(name, _)| text.is(name)).map_or(Self::Other, |(_, kind)| *kind)
    }
}

impl Transport {
    const NAMES: [(&str, Self); 10] = [
        ("RTP/AVP", Self::RtpAvp),
        ("RTP/AVPF", Self::RtpAvpf),
        ("RTP/SAVP", Self::RtpSavp),
        ("RTP/SAVPF", Self::RtpSavpf),
        ("UDP/TLS/RTP/SAVP", Self::DtlsSavp),
        ("UDP/TLS/RTP/SAVPF", Self::DtlsSavpf),
        ("udptl", Self::Udptl),
        ("UDP", Self::Udp),
        ("DTLS/SCTP", Self::Udp),
        ("TCP", Self::Tcp),
    ];

    fn read(text: Piece<'_>) -> Self {
        let first = text.split_once(b'/').map_or(text, |(first, _)| first);
        match Self::NAMES.iter().find(|(name, _)| text.is(name)) {
            Some((_, transport)) => *transport,
            None if first.is("UDP") => Self::Udp,
            None if first.is("TCP") => Self::Tcp,
            None => Self::Other,
        }
    }

    /// Whether it is RTP over UDP, encrypted or not.
    pub const fn is_rtp(self) -> bool {
        matches!(self, Self::RtpAvp | Self::RtpAvpf) || self.is_encrypted_rtp()
    }

    /// Whether it is RTP that only the parties can read.
    pub const fn is_encrypted_rtp(self) -> bool {
        matches!(self, Self::RtpSavp | Self::RtpSavpf | Self::DtlsSavp | Self::DtlsSavpf)
    }

    /// Whether it runs on UDP: what a media port can carry.
    pub const fn is_udp(self) -> bool {
        !matches!(self, Self::Tcp | Self::Other)
    }
}

impl Direction {
    /// Every direction.
    pub const ALL: [Self; 4] = [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive];

    /// Its attribute.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// Whether the party that says so sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// Whether the party that says so receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }
}
