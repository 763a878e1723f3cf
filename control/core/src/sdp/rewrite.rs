//! Our own addresses and ports in the place of a party's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Format, MediaLine, Sdp,
    edit::{self, Edit},
    lines::{Attribute, Connection, Line, Rtcp},
    media::is_group,
};

/// Where we receive what a party is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// A media address.
    pub address: IpAddr,
    /// The port of RTP, or of whatever the line carries.
    pub port: u16,
    /// The port of RTCP; `None` when it is that of RTP, or there is no RTCP.
    pub rtcp: Option<u16>,
}

/// What becomes of a media line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Treatment {
    /// It stays as it is.
    #[default]
    Keep,
    /// Its addresses and ports become ours. A line of port 0 stays as it is.
    Anchor(Anchor),
    /// Its port becomes 0. Only in an offer: the sender of an answer would not learn that its line is dead.
    Refuse,
}

/// What else is changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'o> {
    /// Whether to remove what leads media around us; wanted wherever a line is anchored. At both levels:
    ///
    /// - ICE (RFC 8839): `candidate`, `remote-candidates`, `end-of-candidates` and all `ice-` attributes. Together,
    ///   because candidates that are missing under an `ice-ufrag` are an ICE mismatch;
    /// - other addresses: `altc` (RFC 6947), `ccap` (RFC 7006), `alt`, and `source-filter` (RFC 4570), which names a
    ///   source that is no longer the source;
    /// - `group:ANAT` (RFC 4091), with its second choices refused, because two lines would both be live without it;
    /// - `group:BUNDLE` (RFC 9143), so that each line keeps a port and a row of its own; `mid` stays, being harmless
    ///   and perhaps in use by another group. `bundle-only` goes with it, and leaves a line that is rejected, as an
    ///   answerer that knows no BUNDLE would reject it.
    ///
    /// The other attributes of capability negotiation (RFC 5939) name no address and stay.
    pub remove_alternatives: bool,
    /// The encoding names that may be offered in audio over RTP; `None` for any. Formats of other codecs go, with
    /// their `rtpmap`, `fmtp` and `rtcp-fb`. DTMF and comfort noise stay. A line that nothing else is left of is
    /// refused instead, and keeps its formats, because the grammar wants one. Only in an offer.
    pub codecs: Option<&'o [&'o str]>,
}

impl Sdp<'_> {
    /// The description with its media lines treated, in their order; those beyond `treatments` are kept.
    ///
    /// An anchored line has our address in every `c=` it has, or in one that it gets where the session's does not
    /// fit; our port in `m=`, alone where there were several; and ours in `a=rtcp`. A null address stays null, in
    /// the family of ours. An `o=` of the other IP version names our address too, because some refuse what they could not
    /// reach, and stays the session's name for being the same each time (RFC 8866 §5.2). The session's `c=` becomes ours with the first line that is anchored, and lines that are
    /// kept get the old one for themselves.
    pub fn rewrite(&self, treatments: &[Treatment], options: &Options<'_>) -> Vec<u8> {
        let treatment = |(index, line)| effective(line, treatments.get(index).copied().unwrap_or_default(), options);
        let plan: Vec<Treatment> = self.media.iter().enumerate().map(treatment).collect();
        let session = self.session_address(&plan);
        let mut edits = Vec::new();
        self.edit_session([session, first_anchor(&plan)], options, &mut edits);
        for (line, treatment) in self.media.iter().zip(&plan) {
            let lines = self.lines.get(line.lines.clone()).unwrap_or_default();
            let mut section = Section { sdp: self, line, lines, session, edits: &mut edits };
            match treatment {
                Treatment::Keep => section.keep(),
                Treatment::Anchor(anchor) => section.anchor(anchor),
                Treatment::Refuse => section.edits.push(Edit::new(line.port_text.span(), "0")),
            }
            if *treatment != Treatment::Refuse && line.port != 0 {
                section.filter(options);
            }
            section.remove_alternatives(options);
        }
        edit::apply(self.body, edits)
    }

    /// What the session's `c=` becomes; `None` when it stays or there is none.
    fn session_address(&self, plan: &[Treatment]) -> Option<IpAddr> {
        let connection = self.session.connection.as_ref()?;
        let anchored = self.media.iter().zip(plan).filter_map(|(line, treatment)| match treatment {
            Treatment::Anchor(anchor) => Some((line, anchor)),
            _ => None,
        });
        let mut heirs = anchored.clone().filter(|(line, _)| !line.has_connection);
        let (_, anchor) = heirs.next().or_else(|| anchored.clone().next())?;
        Some(shown(anchor.address, connection.is_hold()))
    }

    /// Edits the lines above all media: `c=` becomes the first address, `o=` the second where it has to.
    fn edit_session(&self, [address, ours]: [Option<IpAddr>; 2], options: &Options<'_>, edits: &mut Vec<Edit>) {
        let lines = self.lines.get(..self.session.lines).unwrap_or_default();
        if let Some(address) = address {
            edits.extend(lines.iter().filter_map(|line| connection_edit(line, address)));
        }
        if let Some(ours) = ours {
            edits.extend(lines.iter().filter_map(|line| origin_edit(line, ours)));
        }
        edits.extend(lines.iter().filter_map(|line| removal(line, options)));
    }

    /// How the description ends its lines.
    fn line_end(&self) -> &[u8] {
        self.lines.first().and_then(Line::line_end).unwrap_or(b"\r\n")
    }
}

/// The first address of ours.
fn first_anchor(plan: &[Treatment]) -> Option<IpAddr> {
    plan.iter().find_map(|treatment| match treatment {
        Treatment::Anchor(anchor) => Some(anchor.address),
        _ => None,
    })
}

/// What becomes of a line after all.
fn effective(line: &MediaLine<'_>, wanted: Treatment, options: &Options<'_>) -> Treatment {
    if line.port == 0 {
        return Treatment::Keep;
    }
    let is_second = options.remove_alternatives && line.is_alternative();
    let is_empty = options.codecs.is_some_and(|codecs| !line.has_any_of(codecs));
    if is_second || is_empty { Treatment::Refuse } else { wanted }
}

/// The address that stands for ours: itself, or the null address of its family.
const fn shown(ours: IpAddr, is_hold: bool) -> IpAddr {
    match ours {
        _ if !is_hold => ours,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

/// `IN IP4 192.0.2.1`.
fn in_full(address: IpAddr) -> String {
    format!("IN {} {address}", if address.is_ipv4() { "IP4" } else { "IP6" })
}

/// Puts `address` into a line, if that is a `c=` and another stands there.
fn connection_edit(line: &Line<'_>, address: IpAddr) -> Option<Edit> {
    let connection = (line.letter == Some(b'c')).then(|| Connection::read(line.value))?.ok()?;
    edit_of(&connection, address)
}

/// Puts `ours` into a line, if that is an `o=` with an address of the other IP version.
fn origin_edit(line: &Line<'_>, ours: IpAddr) -> Option<Edit> {
    let mut tokens = (line.letter == Some(b'o')).then(|| line.value.tokens().skip(3))?;
    let [network, version, address] = [tokens.next()?, tokens.next()?, tokens.next()?];
    let other = if ours.is_ipv4() { "IP6" } else { "IP4" };
    let span = network.span().start..address.end();
    (network.is("IN") && version.is(other)).then(|| Edit::new(span, in_full(ours)))
}

fn edit_of(connection: &Connection<'_>, address: IpAddr) -> Option<Edit> {
    (connection.address != Some(address)).then(|| Edit::new(connection.span.clone(), in_full(address)))
}

/// Takes a line away, if it leads around us.
fn removal(line: &Line<'_>, options: &Options<'_>) -> Option<Edit> {
    let leads_around = options.remove_alternatives && line.attribute().is_some_and(leads_around);
    leads_around.then(|| Edit::remove(line.whole.span()))
}

/// Whether an attribute is among those of [`Options::remove_alternatives`].
fn leads_around(attribute: Attribute<'_>) -> bool {
    const NAMES: [&str; 9] = [
        "candidate",
        "remote-candidate",
        "remote-candidates",
        "end-of-candidates",
        "altc",
        "ccap",
        "alt",
        "source-filter",
        "bundle-only",
    ];
    let is_removed_group = || is_group(attribute, "BUNDLE") || is_group(attribute, "ANAT");
    attribute.begins("ice-")
        || NAMES.iter().any(|name| attribute.is(name))
        || (attribute.is("group") && is_removed_group())
}

/// A media line under edit.
struct Section<'s, 'a> {
    sdp: &'s Sdp<'a>,
    line: &'s MediaLine<'a>,
    /// All its lines.
    lines: &'s [Line<'a>],
    /// What the session's `c=` becomes.
    session: Option<IpAddr>,
    edits: &'s mut Vec<Edit>,
}

impl Section<'_, '_> {
    /// A line that lives on keeps the address that it had from the session.
    fn keep(&mut self) {
        let Some(connection) = &self.sdp.session.connection else { return };
        let changes = self.session.is_some() && self.session != connection.address;
        if changes && self.line.port != 0 && !self.line.has_connection {
            self.insert_after(b"mi", &[b"c=", connection.value.bytes].concat());
        }
    }

    fn anchor(&mut self, anchor: &Anchor) {
        self.anchor_port(anchor);
        self.anchor_connection(anchor);
        self.anchor_rtcp(anchor);
    }

    fn anchor_port(&mut self, anchor: &Anchor) {
        let text = self.line.port_text;
        let number = text.split_once(b'/').filter(|_| self.line.port_count == 1).map_or(text, |(number, _)| number);
        self.edits.push(Edit::new(number.span(), anchor.port.to_string()));
    }

    fn anchor_connection(&mut self, anchor: &Anchor) {
        let address = shown(anchor.address, self.line.is_held_by_address());
        if self.line.has_connection {
            self.edits.extend(self.lines.iter().filter_map(|line| connection_edit(line, address)));
        } else if self.session != Some(address) {
            self.insert_after(b"mi", format!("c={}", in_full(address)).as_bytes());
        }
    }

    fn anchor_rtcp(&mut self, anchor: &Anchor) {
        let attributes = self.lines.iter().filter_map(Line::attribute).filter(|attribute| attribute.is("rtcp"));
        let mut found = false;
        for rtcp in attributes.filter_map(|attribute| Rtcp::read(attribute.value).ok()) {
            found = true;
            let port = anchor.rtcp.unwrap_or(anchor.port);
            self.edits.push(Edit::new(rtcp.port.span(), port.to_string()));
            if let Some(connection) = rtcp.connection {
                // A null address under an address that is none is what a browser writes before it knows better.
                let is_hold = connection.is_hold() && self.line.is_held_by_address();
                self.edits.extend(edit_of(&connection, shown(anchor.address, is_hold)));
            }
        }
        let differs = |port: &u16| anchor.port.checked_add(1) != Some(*port);
        if let Some(port) = anchor.rtcp.filter(differs)
            && !found
            && self.line.transport.is_rtp()
        {
            self.insert_after(b"micbk", format!("a=rtcp:{port}").as_bytes());
        }
    }

    /// Takes away the formats that may not be offered.
    fn filter(&mut self, options: &Options<'_>) {
        let Some(codecs) = options.codecs.filter(|_| self.line.is_filtered()) else { return };
        let passes = |format: &Format<'_>| format.is_companion() || codecs.iter().any(|name| format.is(name));
        let mut removed = 0_u128;
        for format in self.line.formats.iter().filter(|format| !passes(format)) {
            self.edits.push(Edit::remove(format.span.clone()));
            removed |= format.payload_type.map_or(0, |number| 1_u128 << number);
        }
        let is_about_removed = |line: &&Line<'_>| {
            let payload_type = line.attribute().and_then(payload_type);
            payload_type.is_some_and(|number| removed & (1_u128 << number) != 0)
        };
        let about_removed = self.lines.iter().filter(is_about_removed);
        self.edits.extend(about_removed.map(|line| Edit::remove(line.whole.span())));
    }

    fn remove_alternatives(&mut self, options: &Options<'_>) {
        self.edits.extend(self.lines.iter().filter_map(|line| removal(line, options)));
    }

    /// Inserts a line after the first lines of the medium that have these letters: RFC 8866 §5 has an order.
    fn insert_after(&mut self, letters: &[u8], text: &[u8]) {
        let is_before = |line: &&Line<'_>| line.letter.is_some_and(|letter| letters.contains(&letter));
        let Some(last) = self.lines.iter().take_while(is_before).last() else { return };
        let line_end = last.line_end().unwrap_or_else(|| self.sdp.line_end());
        self.edits.push(Edit::insert(last.value.end(), [line_end, text].concat()));
    }
}

/// The payload type that an attribute is about.
fn payload_type(attribute: Attribute<'_>) -> Option<u8> {
    let is_about_one = ["rtpmap", "fmtp", "rtcp-fb"].iter().any(|name| attribute.is(name));
    let first = attribute.value.tokens().next().filter(|_| is_about_one)?;
    first.number().filter(|number| *number < 128)
}
