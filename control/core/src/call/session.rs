//! The media of a call: offers and answers (RFC 3264) into relays.
//!
//! Every media line has a pair of ports for each party, taken when the line is first offered and kept as long as it is
//! there, whatever is offered again: ports in repeated descriptions are the same. A description is rewritten for the other
//! party; the relays change when an offer is answered, never before.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use undertone_core::{Clock, Dscp, End, Kind, Policy, Relay};

use super::{
    Media, Ports, Role, Snapshot, StreamRecord,
    snapshot::KeptLine,
    sound::{Heard, SoundStream},
};
use crate::sdp::{Anchor, MediaKind, MediaLine, Options, Sdp, SdpError, Transport, Treatment, policy, policy::Where};

/// How media towards one party is handled.
#[derive(Clone, Debug)]
pub(crate) struct Manner<'a> {
    /// The media address that it sends to, as its place in the node's list.
    pub(crate) address: u8,
    pub(crate) learn: Policy,
    pub(crate) dscp: Option<Dscp>,
    /// The media that offers to it keep; empty for all.
    pub(crate) types: &'a [MediaKind],
    /// Names of codecs that offers to it keep; empty for all.
    pub(crate) codecs: &'a [String],
}

/// Why an offer or answer cannot be passed on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read, or names what media cannot go to.
    #[error("{0}")]
    Description(#[from] SdpError),
    /// An offer of lines of which none may be offered to the other party.
    #[error("none of the media may be offered to the other party")]
    Nothing,
    /// No port is free.
    #[error("no media port is free")]
    NoPort,
    /// An answer of more or fewer media lines than the offer.
    #[error("the answer has other media lines than the offer")]
    Lines,
}

/// The media of one call.
#[derive(Debug, Default)]
pub struct Session {
    /// No more than there are: most calls have one line, for as long as they last.
    lines: Box<[Line]>,
    /// Who has made an offer that is not answered.
    offer: Option<Role>,
}

/// One media line, the same for both parties.
#[derive(Clone, Debug, Default)]
struct Line {
    /// The port of each party's pair, and its address.
    ports: [Option<SocketAddr>; 2],
    /// Where the offerer wants it, while that is not answered: in a box, for that is not long.
    offered: Option<Box<Target>>,
    /// Where each party wants it.
    targets: [Option<Target>; 2],
    running: Option<Running>,
}

// A class of the allocator's: one line of each call in progress is kept.
const _: () = assert!(size_of::<Line>() <= 640);

/// Where a party wants a media line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    /// RTCP comes to the port of RTP, or there is none.
    pub(super) mux: bool,
    pub(super) carries: Carries,
    /// It wants nothing for now, and says so by an address that is none.
    pub(super) held: bool,
    pub(super) clock: Clock,
    /// What the mixer can do with what is sent to it.
    pub(super) heard: Heard,
}

/// The relays of a media line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Running {
    rtp: Relay,
    rtcp: Option<Relay>,
}

impl Session {
    /// Whether somebody has made an offer that is not answered.
    pub const fn offer(&self) -> Option<Role> {
        self.offer
    }

    /// An offer of one party: how it reads for the other. Made again, it takes the last one's place.
    pub(crate) fn make_offer(
        &mut self,
        from: Role,
        body: &[u8],
        manners: [&Manner<'_>; 2],
        ports: &mut Ports,
        media: &impl Media,
    ) -> Result<Vec<u8>, Refusal> {
        let sdp = Sdp::parse(body)?;
        let manner = manners[from.other() as usize];
        let names: Vec<&str> = manner.codecs.iter().map(String::as_str).collect();
        let codecs = (!names.is_empty()).then_some(names.as_slice());
        let ours: Vec<IpAddr> = ports.addresses().collect();
        let mut offered = Vec::with_capacity(sdp.media().len());
        for (index, line) in sdp.media().iter().enumerate() {
            let before = self.lines.get(index).and_then(|line| line.targets[from as usize]);
            let is_passed = manner.types.is_empty() || manner.types.contains(&line.kind);
            let is_wanted = is_relayed(line) && is_passed && codecs.is_none_or(|codecs| line.has_any_of(codecs));
            offered.push(if is_wanted { Some(Target::of(line, before, &ours)?) } else { None });
        }
        // An offer of nothing at all is one, and so is one that takes every line back.
        if offered.iter().all(Option::is_none) && sdp.media().iter().any(|line| !line.is_rejected()) {
            return Err(Refusal::Nothing);
        }
        self.grow(offered.len());
        for (line, offered) in self.lines.iter_mut().zip(&offered) {
            line.offered = offered.map(Box::new);
        }
        if let Err(refusal) = self.take_ports(manners, ports, media) {
            self.withdraw(ports);
            return Err(refusal);
        }
        self.offer = Some(from);
        let treatments = self.treatments(from.other(), &offered, Treatment::Refuse);
        Ok(sdp.rewrite(&treatments, &Options { remove_alternatives: true, codecs }))
    }

    /// The answer of one party to the other's offer: how it reads for the other. The relays become what both agreed on.
    pub(crate) fn make_answer(
        &mut self,
        from: Role,
        body: &[u8],
        manners: [&Manner<'_>; 2],
        ports: &mut Ports,
        media: &mut impl Media,
    ) -> Result<(Vec<u8>, Vec<String>), Refusal> {
        let sdp = Sdp::parse(body)?;
        let ours: Vec<IpAddr> = ports.addresses().collect();
        let mut answered = Vec::with_capacity(sdp.media().len());
        for (index, line) in sdp.media().iter().enumerate() {
            let before = self.lines.get(index).and_then(|line| line.targets[from as usize]);
            answered.push(if is_relayed(line) { Some(Target::of(line, before, &ours)?) } else { None });
        }
        if answered.len() > self.lines.len() {
            return Err(Refusal::Lines);
        }
        answered.resize(self.lines.len(), None);
        let offerer = from.other();
        let mut failures = Vec::new();
        for (line, answer) in self.lines.iter_mut().zip(&answered) {
            // An answer that comes again finds the offer taken already.
            let offer = line.offered.take().map(|offer| *offer).or(line.targets[offerer as usize]);
            match (offer, answer) {
                (Some(offer), Some(answer)) => {
                    line.targets[offerer as usize] = Some(offer);
                    line.targets[from as usize] = Some(*answer);
                    failures.extend(line.run(manners, media).err());
                }
                _ => line.end(ports, media),
            }
        }
        self.offer = None;
        let treatments = self.treatments(offerer, &answered, Treatment::Keep);
        Ok((sdp.rewrite(&treatments, &Options { remove_alternatives: true, codecs: None }), failures))
    }

    /// The offer came to nothing: what was agreed on before goes on.
    pub(crate) fn withdraw(&mut self, ports: &mut Ports) {
        self.offer = None;
        for line in &mut self.lines {
            line.offered = None;
            if line.running.is_none() {
                line.give_ports(ports);
            }
        }
    }

    /// The call is over.
    pub(crate) fn end(&mut self, ports: &mut Ports, media: &mut impl Media) {
        for line in &mut self.lines {
            line.end(ports, media);
        }
    }

    /// What is kept of it.
    pub(super) fn kept(&self) -> Vec<KeptLine> {
        let keep =
            |line: &Line| KeptLine { ports: line.ports, targets: line.targets.map(|target| target.map(Into::into)) };
        self.lines.iter().map(keep).collect()
    }

    /// The media of a call from before the daemon was started: what runs is found, and what does not is begun again.
    pub(crate) fn restore(
        &mut self,
        snapshot: &Snapshot,
        manners: [&Manner<'_>; 2],
        ports: &mut Ports,
        media: &mut impl Media,
    ) -> Vec<String> {
        let mut failures = Vec::new();
        let restored = snapshot.lines.iter().map(|kept| {
            let targets = kept.targets.map(|target| target.map(Into::into));
            let mut line = Line { ports: kept.ports, targets, ..Line::default() };
            for port in kept.ports.iter().flatten() {
                ports.claim(port.ip(), port.port());
            }
            if let Some(wanted) = line.wanted(manners) {
                let runs =
                    |relay: Relay| media.report(relay.a.local).is_some_and(|report| report.from == relay.b.local);
                line.running = Some(wanted).filter(|wanted| runs(wanted.rtp) && wanted.rtcp.is_none_or(runs));
            }
            failures.extend(line.run(manners, media).err());
            line
        });
        self.lines = restored.collect();
        failures
    }

    /// Whether a media port, or the one beside it, is one of its.
    pub(crate) fn has_port(&self, at: SocketAddr) -> bool {
        let pair = SocketAddr::new(at.ip(), at.port() & !1);
        self.lines.iter().flat_map(|line| line.ports).any(|port| port == Some(pair))
    }

    /// The ports that streams arrive at, with whose they are.
    pub fn streams(&self) -> impl Iterator<Item = (Role, SocketAddr)> + '_ {
        self.lines
            .iter()
            .filter_map(|line| line.running)
            .flat_map(|running| [(Role::Caller, running.rtp.a.local), (Role::Callee, running.rtp.b.local)])
    }

    /// The streams of its first line of sound that runs, from each party.
    pub fn sound(&self) -> Option<[SoundStream; 2]> {
        self.lines.iter().find_map(|line| {
            let (running, [Some(caller), Some(callee)]) = (line.running?, line.targets) else { return None };
            if !caller.heard.is_sound {
                return None;
            }
            let stream = |at, from: Target, to: Target| SoundStream { at, said: from.heard, heard: to.heard };
            Some([stream(running.rtp.a.local, caller, callee), stream(running.rtp.b.local, callee, caller)])
        })
    }

    /// How its streams of RTP have been, and how much came over the others.
    pub(crate) fn records(&self, media: &impl Media) -> Vec<StreamRecord> {
        let record = |(from, at)| Some(StreamRecord::new(from, &media.report(at)?));
        self.streams().filter_map(record).collect()
    }

    /// Has at least so many lines.
    fn grow(&mut self, lines: usize) {
        if lines > self.lines.len() {
            let mut grown = std::mem::take(&mut self.lines).into_vec();
            grown.resize_with(lines, Line::default);
            self.lines = grown.into();
        }
    }

    /// Takes a pair of ports for each party of each line that has none.
    fn take_ports(&mut self, manners: [&Manner<'_>; 2], ports: &mut Ports, media: &impl Media) -> Result<(), Refusal> {
        for line in self.lines.iter_mut().filter(|line| line.offered.is_some()) {
            for (port, manner) in line.ports.iter_mut().zip(manners) {
                let ip = ports.address(manner.address).ok_or(Refusal::NoPort)?;
                if port.is_some_and(|port| port.ip() != ip) && line.running.is_none() {
                    // The next peer to be tried is reached by another address.
                    if let Some(port) = port.take() {
                        ports.give(port.ip(), port.port());
                    }
                }
                if port.is_none() {
                    *port = Some(take_port(manner.address, ports, media).ok_or(Refusal::NoPort)?);
                }
            }
        }
        Ok(())
    }

    /// What becomes of lines for a party; `other` of those that are not wanted.
    fn treatments(&self, to: Role, wanted: &[Option<Target>], other: Treatment) -> Vec<Treatment> {
        let treatment = |(line, wanted): (&Line, &Option<Target>)| match (line.ports[to as usize], wanted) {
            (Some(port), Some(target)) => {
                let rtcp = (!target.mux).then_some(port.port().saturating_add(1));
                Treatment::Anchor(Anchor { address: port.ip(), port: port.port(), rtcp })
            }
            _ => other,
        };
        self.lines.iter().zip(wanted).map(treatment).collect()
    }
}

/// Takes a pair of ports on the address number `index`: the first at which no relay is that somebody added by hand.
pub(crate) fn take_port(index: u8, ports: &mut Ports, media: &impl Media) -> Option<SocketAddr> {
    let ip = ports.address(index)?;
    for _ in 0..ports.free(index) {
        let at = SocketAddr::new(ip, ports.take(index)?);
        if media.report(at).is_none() && media.report(next(at)).is_none() {
            return Some(at);
        }
        ports.give(ip, at.port());
    }
    None
}

/// Whether a line is one that goes through the data plane: on UDP, not rejected, and no second choice of another.
fn is_relayed(line: &MediaLine<'_>) -> bool {
    line.transport.is_udp() && !line.is_rejected() && !line.is_alternative()
}

/// What goes over a media line, as far as the data plane is concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Carries {
    /// RTP, also such as only its parties can read, whose headers are plain (RFC 3711 §3.1).
    #[default]
    Rtp,
    /// RTP with a handshake beside it.
    DtlsSrtp,
    /// Anything else.
    Datagrams,
}

impl Carries {
    const fn of(transport: Transport) -> Self {
        match transport {
            Transport::DtlsSavp | Transport::DtlsSavpf => Self::DtlsSrtp,
            _ if transport.is_rtp() => Self::Rtp,
            _ => Self::Datagrams,
        }
    }

    /// What the port of the line carries, and the next one.
    const fn kinds(self, mux: bool) -> (Kind, Option<Kind>) {
        match (self, mux) {
            (Self::Rtp, false) => (Kind::Rtp, Some(Kind::Rtcp)),
            (Self::Rtp, true) => (Kind::RtpMux, None),
            (Self::DtlsSrtp, false) => (Kind::DtlsSrtp, Some(Kind::DtlsSrtp)),
            (Self::DtlsSrtp, true) => (Kind::DtlsSrtp, None),
            (Self::Datagrams, _) => (Kind::Datagrams, None),
        }
    }
}

impl Target {
    /// Where a line is to go. One on hold without an address keeps the address it had `before`.
    fn of(line: &MediaLine<'_>, before: Option<Self>, ours: &[IpAddr]) -> Result<Self, SdpError> {
        let hz = line.formats.first().and_then(|format| format.codec).map(|codec| codec.clock_rate_hz);
        let clock = hz.and_then(Clock::from_hz).unwrap_or_default();
        let carries = Carries::of(line.transport);
        let mux = line.rtcp_mux || carries == Carries::Datagrams;
        let heard = Heard::of(line);
        let there = policy::check_line(line, ours)?;
        match (there.media, before) {
            (Where::To(rtp), _) => {
                let rtcp = match there.rtcp {
                    Some(Where::To(rtcp)) => rtcp,
                    _ => next(rtp),
                };
                Ok(Self { rtp, rtcp, mux, carries, held: false, clock, heard })
            }
            (Where::Nowhere, Some(before)) => Ok(Self { held: true, heard, ..before }),
            (Where::Nowhere, None) => {
                // Nothing is sent there; documentation addresses are nobody's (RFC 5737, RFC 3849).
                let nobody = match line.destination {
                    Some(SocketAddr::V6(_)) => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9)),
                    _ => SocketAddr::from(([192, 0, 2, 1], 9)),
                };
                Ok(Self { rtp: nobody, rtcp: nobody, mux, carries, held: true, clock, heard })
            }
        }
    }
}

impl Line {
    /// The relays that both parties agreed on.
    fn wanted(&self, manners: [&Manner<'_>; 2]) -> Option<Running> {
        let ([Some(at_caller), Some(at_callee)], [Some(caller), Some(callee)]) = (self.ports, self.targets) else {
            return None;
        };
        let end = |at: SocketAddr, it: &Target, other: &Target, manner: &Manner<'_>, rtcp: bool| End {
            local: if rtcp { next(at) } else { at },
            peer: if rtcp { it.rtcp } else { it.rtp },
            learn: manner.learn,
            sends: !other.held,
            dscp: manner.dscp,
        };
        let mux = caller.mux && callee.mux;
        let relay = |kind: Kind, rtcp: bool| Relay {
            a: end(at_caller, &caller, &callee, manners[0], rtcp),
            b: end(at_callee, &callee, &caller, manners[1], rtcp),
            kind,
            clock: callee.clock,
        };
        // Parties that do not agree on what it is may send each other what they will.
        let carries = if caller.carries == callee.carries { caller.carries } else { Carries::Datagrams };
        let (rtp, rtcp) = carries.kinds(mux);
        let (rtp, rtcp) = (relay(rtp, false), rtcp.map(|rtcp| relay(rtcp, true)));
        Some(Running { rtp, rtcp })
    }

    /// Makes the relays what both parties agreed on, or says why they are not.
    fn run(&mut self, manners: [&Manner<'_>; 2], media: &mut impl Media) -> Result<(), String> {
        let Some(wanted) = self.wanted(manners).filter(|wanted| self.running != Some(*wanted)) else { return Ok(()) };
        let Running { rtp, rtcp } = wanted;
        let kinds = |running: &Running| (running.rtp.kind, running.rtcp.map(|rtcp| rtcp.kind));
        if self.running.is_some_and(|running| kinds(&running) != kinds(&wanted)) {
            self.stop(media);
        }
        let mut put = |was: Option<Relay>, wanted: &Relay| match was {
            Some(was) if was == *wanted => Ok(()),
            Some(_) => media.change(wanted),
            None => media.add(wanted),
        };
        put(self.running.map(|running| running.rtp), &rtp).map_err(|failure| failure.to_string())?;
        self.running = Some(Running { rtp, rtcp: self.running.and_then(|running| running.rtcp) });
        if let Some(rtcp) = &rtcp {
            put(self.running.and_then(|running| running.rtcp), rtcp).map_err(|failure| failure.to_string())?;
        }
        self.running = Some(wanted);
        Ok(())
    }

    fn stop(&mut self, media: &mut impl Media) {
        if let Some(running) = self.running.take() {
            media.remove(running.rtp.a.local);
            if let Some(rtcp) = running.rtcp {
                media.remove(rtcp.a.local);
            }
        }
    }

    fn end(&mut self, ports: &mut Ports, media: &mut impl Media) {
        self.stop(media);
        self.targets = [None; 2];
        self.offered = None;
        self.give_ports(ports);
    }

    fn give_ports(&mut self, ports: &mut Ports) {
        for port in self.ports.iter_mut().filter_map(Option::take) {
            ports.give(port.ip(), port.port());
        }
    }
}

const fn next(at: SocketAddr) -> SocketAddr {
    let mut next = at;
    next.set_port(at.port().saturating_add(1));
    next
}
