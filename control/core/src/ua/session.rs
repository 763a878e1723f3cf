//! The media of a call of our own: offers and answers (RFC 3264).

use std::net::{IpAddr, SocketAddr};

use undertone_core::{
    Dscp, Policy,
    mixer::{Codec, Format},
};

use super::{
    MediaLeg, OpusWishes, Order,
    format::{self, Numbering, Spoken},
    offer::{self, Description},
};
use crate::sdp::{
    Direction, MediaKind, MediaLine, Sdp, SdpError, Transport,
    policy::{self, Where},
};

/// Milliseconds of sound in a packet that we ask for.
const PACKET_MS: u8 = 20;
/// What stands in `t=` and in `m=` of an offer of ours.
const ALWAYS: &[u8] = b"0 0";
const PLAIN: &[u8] = b"RTP/AVP";

/// Why media of a call of our own cannot be. The texts are made to stand in a Warning (RFC 3261 §20.43).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// A description cannot be read, or names what media cannot go to.
    #[error("{0}")]
    Description(#[from] SdpError),
    /// None where there has to be one.
    #[error("There is no description of the media")]
    Missing,
    /// No audio over RTP.
    #[error("The SDP has no audio over RTP, which is all that this element speaks")]
    NoAudio,
    /// Audio over SRTP alone.
    #[error("The SDP has audio over SRTP alone, and this element speaks RTP: offer RTP/AVP too")]
    Encrypted,
    /// None of our codecs.
    #[error("None of the codecs of the audio is spoken here")]
    NoCodec,
    /// The answer to our offer takes nothing.
    #[error("The answer takes no audio")]
    Rejected,
    /// No port is free.
    #[error("No media port is free")]
    NoPort,
}

impl Unacceptable {
    /// Its number in a Warning.
    pub(crate) const fn code(&self) -> u16 {
        match self {
            Self::Encrypted => 302,
            Self::NoAudio => 304,
            Self::NoCodec => 305,
            Self::Description(_) | Self::Missing | Self::Rejected | Self::NoPort => 399,
        }
    }

    /// How near it was: of several lines that cannot be, the nearest says why.
    const fn rank(&self) -> u8 {
        match self {
            Self::Description(_) => 3,
            Self::NoCodec => 2,
            Self::Encrypted => 1,
            _ => 0,
        }
    }
}

/// How media towards the other end is handled, and what of it is ours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner<'a> {
    pub(crate) learn: Policy,
    pub(crate) dscp: Option<Dscp>,
    /// Addresses of ours, which media must not be sent to.
    pub(crate) ours: &'a [IpAddr],
}

/// Which ways media goes, as we see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) sends: bool,
    pub(super) receives: bool,
}

impl Ways {
    pub(super) const fn direction(self) -> Direction {
        match (self.sends, self.receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

/// The media of one call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Session {
    /// Names the session in `o=`.
    pub(super) id: u64,
    /// The version of our description there.
    pub(super) version: u64,
    pub(super) local: SocketAddr,
    pub(super) codecs: Vec<Codec>,
    pub(super) order: Order,
    /// What stands behind the `o=` of our last description; empty without one.
    pub(super) said: Vec<u8>,
    /// Every media line of the session as it is when it is rejected, and which of them is ours.
    pub(super) lines: Vec<Vec<u8>>,
    pub(super) place: usize,
    /// The transport of ours, as the other end wrote it.
    pub(super) transport: Vec<u8>,
    pub(super) agreed: Option<MediaLeg>,
    /// The clock of telephone events that were agreed on.
    pub(super) event_hz: u32,
    /// Our offer that is not answered.
    pub(super) offered: Option<Numbering>,
}

/// What of an offer is wanted when we make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All that we speak.
    All,
    /// What is agreed on.
    Agreed,
}

impl Session {
    pub(crate) fn new(id: u64, local: SocketAddr, codecs: Vec<Codec>, order: Order) -> Self {
        Self {
            // Some read it as a signed number.
            id: id >> 2,
            version: 0,
            local,
            codecs,
            order,
            said: Vec::new(),
            lines: Vec::new(),
            place: 0,
            transport: PLAIN.to_vec(),
            agreed: None,
            event_hz: 8_000,
            offered: None,
        }
    }

    /// One from before the daemon was started, to be filled in.
    pub(super) fn restored(id: u64, local: SocketAddr, codecs: Vec<Codec>, order: Order) -> Self {
        Self { id, ..Self::new(0, local, codecs, order) }
    }

    /// What was agreed on.
    pub(crate) const fn agreed(&self) -> Option<&MediaLeg> {
        self.agreed.as_ref()
    }

    /// Whether an offer of ours is not answered.
    pub(crate) const fn is_offered(&self) -> bool {
        self.offered.is_some()
    }

    /// Our offer came to nothing: what was agreed on before goes on.
    pub(crate) fn withdraw(&mut self) {
        self.offered = None;
    }

    /// Media comes to another place from the next description on.
    pub(crate) const fn move_to(&mut self, local: SocketAddr) {
        self.local = local;
    }

    /// Answers an offer. Nothing has changed after an error.
    pub(crate) fn answer(&mut self, offer: &[u8], manner: &Manner<'_>) -> Result<Vec<u8>, Unacceptable> {
        let sdp = Sdp::parse(offer)?;
        let (place, there) = self.choose(&sdp, manner)?;
        let line = sdp.media().get(place).ok_or(Unacceptable::NoAudio)?;
        let Spoken { format, event_hz, opus } = there.spoken;
        let ways = there.ways;
        self.lines = sdp.media().iter().map(|line| offer::rejected(&sdp, line)).collect();
        self.place = place;
        self.transport = offer::transport(&sdp, line).to_vec();
        self.event_hz = event_hz;
        self.agreed = Some(self.leg(&there, format, opus, manner));
        self.offered = None;
        let said = Description {
            local: self.local,
            lines: &self.lines,
            place,
            transport: &self.transport,
            time: sdp.time().unwrap_or(ALWAYS),
            numbering: &Numbering::of(&format, event_hz),
            packet_ms: format.packet_ms,
            ways,
            rtcp_mux: line.rtcp_mux,
        };
        let said = said.write();
        Ok(self.say(said))
    }

    /// Makes an offer.
    pub(crate) fn offer(&mut self, extent: Extent) -> Vec<u8> {
        let arriving = self.agreed.map(|leg| leg.arriving);
        let agreed = arriving.map(|arriving| Numbering::of(&arriving, self.event_hz));
        let numbering = match (agreed, extent) {
            (Some(agreed), Extent::Agreed) => agreed,
            (agreed, _) => agreed.unwrap_or_default().with(&self.codecs),
        };
        let said = Description {
            local: self.local,
            lines: &self.lines,
            place: self.place,
            transport: &self.transport,
            time: ALWAYS,
            numbering: &numbering,
            packet_ms: arriving.map_or(PACKET_MS, |format| format.packet_ms),
            // Who holds us says so again in its answer.
            ways: Ways { sends: true, receives: true },
            rtcp_mux: self.agreed.is_some_and(|leg| leg.rtcp_mux),
        };
        let said = said.write();
        self.offered = Some(numbering);
        self.say(said)
    }

    /// Takes the answer to our offer. What was agreed on before goes on after an error.
    pub(crate) fn take_answer(&mut self, answer: &[u8], manner: &Manner<'_>) -> Result<(), Unacceptable> {
        let offered = self.offered.take().ok_or(Unacceptable::Missing)?;
        let sdp = Sdp::parse(answer)?;
        let line = sdp.media().get(self.place).filter(|line| line.port != 0).ok_or(Unacceptable::Rejected)?;
        is_plain_audio(line)?;
        let (arriving, spoken) = offered.agree(&sdp, line).ok_or(Unacceptable::NoCodec)?;
        let there = There::read(line, spoken, manner)?;
        self.event_hz = spoken.event_hz;
        self.agreed = Some(self.leg(&there, arriving, spoken.opus, manner));
        Ok(())
    }

    /// The line of an offer that is taken: the one that was before, else the first that can be.
    fn choose(&self, sdp: &Sdp<'_>, manner: &Manner<'_>) -> Result<(usize, There), Unacceptable> {
        let first = self.agreed.map(|_| self.place);
        let others = (0..sdp.media().len()).filter(|place| Some(*place) != first);
        let mut nearest = Unacceptable::NoAudio;
        for place in first.into_iter().chain(others) {
            let Some(line) = sdp.media().get(place) else { continue };
            match self.read_offered(sdp, line, manner) {
                Ok(there) => return Ok((place, there)),
                Err(why) if why.rank() > nearest.rank() => nearest = why,
                Err(_) => {}
            }
        }
        Err(nearest)
    }

    fn read_offered(&self, sdp: &Sdp<'_>, line: &MediaLine<'_>, manner: &Manner<'_>) -> Result<There, Unacceptable> {
        is_plain_audio(line)?;
        let codec = format::choose(line, &self.codecs, self.order).ok_or(Unacceptable::NoCodec)?;
        There::read(line, format::read(sdp, line, codec), manner)
    }

    fn leg(&self, there: &There, arriving: Format, opus: OpusWishes, manner: &Manner<'_>) -> MediaLeg {
        // Who holds us by an address that is none is still where it was.
        let before = self.agreed.and_then(|leg| Some((leg.remote?, leg.remote_rtcp?)));
        let remote = there.remote.or(before);
        MediaLeg {
            local: self.local,
            remote: remote.map(|(rtp, _)| rtp),
            remote_rtcp: remote.map(|(rtp, rtcp)| if there.rtcp_mux { rtp } else { rtcp }),
            format: there.spoken.format,
            arriving,
            opus,
            sends: there.ways.sends,
            receives: there.ways.receives,
            rtcp_mux: there.rtcp_mux,
            dscp: manner.dscp,
            learn: manner.learn,
        }
    }

    /// Our description as it is sent: of another version only where it says something else (RFC 3264 §8).
    fn say(&mut self, said: Vec<u8>) -> Vec<u8> {
        if self.said != said {
            self.version += 1;
            self.said = said;
        }
        let ip = self.local.ip();
        let family = if ip.is_ipv4() { "IP4" } else { "IP6" };
        let head = format!("v=0\r\no=undertone {} {} IN {family} {ip}\r\n", self.id, self.version);
        [head.as_bytes(), &self.said].concat()
    }
}

/// The codecs of the mixer that an offer has in audio over RTP, in its order. None where it cannot be read.
pub(crate) fn spoken_in(offer: &[u8]) -> Vec<Codec> {
    let Ok(sdp) = Sdp::parse(offer) else { return Vec::new() };
    let lines = sdp.media().iter().filter(|line| is_plain_audio(line).is_ok());
    let mut codecs = Vec::new();
    for (codec, _) in lines.flat_map(|line| &line.formats).filter_map(format::codec_of) {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    codecs
}

/// Where the other end is, by a line of its description.
#[derive(Clone, Copy, Debug)]
struct There {
    /// RTP and RTCP; `None` where a null address stands.
    remote: Option<(SocketAddr, SocketAddr)>,
    ways: Ways,
    rtcp_mux: bool,
    spoken: Spoken,
}

impl There {
    fn read(line: &MediaLine<'_>, spoken: Spoken, manner: &Manner<'_>) -> Result<Self, Unacceptable> {
        let destinations = policy::check_line(line, manner.ours)?;
        let remote = match destinations.media {
            Where::Nowhere => None,
            Where::To(rtp) => {
                let beside = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
                match destinations.rtcp {
                    Some(Where::To(rtcp)) => Some((rtp, rtcp)),
                    _ => Some((rtp, beside)),
                }
            }
        };
        let ways = Ways { sends: line.receives(), receives: line.direction.sends() };
        Ok(Self { remote, ways, rtcp_mux: line.rtcp_mux, spoken })
    }
}

/// Whether a line is audio over RTP that everybody can read.
fn is_plain_audio(line: &MediaLine<'_>) -> Result<(), Unacceptable> {
    if line.kind != MediaKind::Audio || line.port == 0 || line.is_alternative() {
        return Err(Unacceptable::NoAudio);
    }
    match line.transport {
        Transport::RtpAvp | Transport::RtpAvpf => Ok(()),
        transport if transport.is_encrypted_rtp() => Err(Unacceptable::Encrypted),
        _ => Err(Unacceptable::NoAudio),
    }
}
