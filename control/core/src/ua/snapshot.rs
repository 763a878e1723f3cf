//! What has to be known of a call of our own, should the daemon be started again in the middle of it.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use undertone_core::{
    Dscp, Policy,
    mixer::{Codec, Format},
};

use super::{Dialog, MediaLeg, OpusWishes, Order, Session, Timer, Ua, UaId};
use crate::{
    call::{Party, PartyName, Phase, Role, Text},
    identity::Source,
    sip::{Flow, Transport},
    time::Nanos,
    trunk::Trunks,
};

/// A call of our own that is up, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its name.
    pub id: String,
    peer: String,
    number: String,
    is_caller: bool,
    party: KeptParty,
    dialog: KeptDialog,
    session: KeptSession,
    port: Option<SocketAddr>,
    timer: Option<KeptTimer>,
    started_ns: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptParty {
    number: String,
    extension: String,
    name: String,
    user: String,
    is_private: bool,
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptDialog {
    call_id: Text,
    ours: Text,
    address: Text,
    tag: Option<Text>,
    contact: Option<Text>,
    routes: Vec<Text>,
    listener: u8,
    transport: String,
    remote: SocketAddr,
    cseq: u32,
    heard: Option<u32>,
    user: String,
    takes_update: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptSession {
    id: u64,
    version: u64,
    local: SocketAddr,
    /// By the names of `a=rtpmap`.
    codecs: Vec<String>,
    is_order_ours: bool,
    said: Text,
    lines: Vec<Text>,
    place: usize,
    transport: Text,
    event_hz: u32,
    leg: KeptLeg,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as in what it keeps")]
struct KeptLeg {
    remote: Option<SocketAddr>,
    remote_rtcp: Option<SocketAddr>,
    format: KeptFormat,
    arriving: KeptFormat,
    inband_fec: bool,
    dtx: bool,
    constant_rate: bool,
    bitrate_max: Option<u32>,
    playback_hz: u32,
    sends: bool,
    receives: bool,
    rtcp_mux: bool,
    dscp: Option<u8>,
    learn: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptFormat {
    codec: String,
    payload_type: u8,
    telephone_event: Option<u8>,
    comfort_noise: Option<u8>,
    packet_ms: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KeptTimer {
    interval_s: u32,
    is_ours: bool,
    since_ns: u64,
}

impl Snapshot {
    /// A call, as it is now; `None` for one that is not up, or whose media was not agreed on.
    pub(crate) fn of(ua: &Ua, trunks: &Trunks) -> Option<Self> {
        if !ua.is_confirmed || ua.leaving.is_some() {
            return None;
        }
        let PartyName { number, extension, name, user, is_private, source } = ua.party.clone();
        let source = source.map(|source| source.to_string()).unwrap_or_default();
        Some(Self {
            id: ua.id.to_string(),
            peer: trunks.peer(ua.peer)?.name.clone(),
            number: ua.number.clone(),
            is_caller: ua.role == Role::Caller,
            party: KeptParty { number, extension, name, user, is_private, source },
            dialog: KeptDialog::of(&ua.dialog),
            session: KeptSession::of(ua.session.as_ref()?)?,
            port: ua.port,
            timer: ua.timer.map(|it| KeptTimer {
                interval_s: it.interval_s,
                is_ours: it.is_ours,
                since_ns: it.since.0,
            }),
            started_ns: ua.started.0,
        })
    }

    /// The call again; `None` when its peer is no longer configured, or it cannot be read.
    pub(crate) fn call(&self, trunks: &Trunks) -> Option<Ua> {
        let (peer, _) = trunks.peer_named(&self.peer)?;
        let KeptParty { number, extension, name, user, is_private, source } = self.party.clone();
        let role = if self.is_caller { Role::Caller } else { Role::Callee };
        let (id, started) = (self.id.parse::<UaId>().ok()?, Nanos(self.started_ns));
        let timer = |it: KeptTimer| Timer { interval_s: it.interval_s, is_ours: it.is_ours, since: Nanos(it.since_ns) };
        Some(Ua {
            party: PartyName { number, extension, name, user, is_private, source: Source::from_name(&source) },
            phase: Phase::Up,
            is_confirmed: true,
            session: Some(self.session.session()?),
            port: self.port,
            timer: self.timer.map(timer),
            ..Ua::new(id, role, peer, self.number.clone(), started, self.dialog.dialog()?)
        })
    }
}

impl KeptDialog {
    fn of(dialog: &Dialog) -> Self {
        let Dialog { call_id, ours, theirs, tag, cseq, heard, user, takes_update } = dialog;
        let Party { flow, address, contact, routes, cseq: _ } = theirs;
        Self {
            call_id: Text::of(call_id),
            ours: Text::of(ours),
            address: Text::of(address),
            tag: tag.as_deref().map(Text::of),
            contact: contact.as_deref().map(Text::of),
            routes: routes.iter().map(|route| Text::of(route)).collect(),
            listener: flow.listener,
            transport: flow.transport.key().into(),
            remote: flow.remote,
            cseq: *cseq,
            heard: *heard,
            user: user.clone(),
            takes_update: *takes_update,
        }
    }

    fn dialog(&self) -> Option<Dialog> {
        let transport = Transport::from_name(self.transport.as_bytes())?;
        Some(Dialog {
            call_id: self.call_id.bytes(),
            ours: self.ours.bytes(),
            theirs: Party {
                flow: Flow { listener: self.listener, transport, remote: self.remote, connection: 0 },
                address: self.address.bytes(),
                contact: self.contact.as_ref().map(Text::bytes),
                routes: self.routes.iter().map(Text::bytes).collect(),
                cseq: 0,
            },
            tag: self.tag.as_ref().map(Text::bytes),
            cseq: self.cseq,
            heard: self.heard,
            user: self.user.clone(),
            takes_update: self.takes_update,
        })
    }
}

impl KeptSession {
    fn of(session: &Session) -> Option<Self> {
        Some(Self {
            id: session.id,
            version: session.version,
            local: session.local,
            codecs: session.codecs.iter().map(|codec| codec.rtpmap().into()).collect(),
            is_order_ours: session.order == Order::Ours,
            said: Text::of(&session.said),
            lines: session.lines.iter().map(|line| Text::of(line)).collect(),
            place: session.place,
            transport: Text::of(&session.transport),
            event_hz: session.event_hz,
            leg: KeptLeg::of(session.agreed()?),
        })
    }

    fn session(&self) -> Option<Session> {
        let codecs: Option<Vec<_>> = self.codecs.iter().map(|name| codec(name)).collect();
        let order = if self.is_order_ours { Order::Ours } else { Order::Theirs };
        Some(Session {
            version: self.version,
            said: self.said.bytes().to_vec(),
            lines: self.lines.iter().map(|line| line.bytes().to_vec()).collect(),
            place: self.place,
            transport: self.transport.bytes().to_vec(),
            event_hz: self.event_hz,
            agreed: Some(self.leg.leg(self.local)?),
            ..Session::restored(self.id, self.local, codecs?, order)
        })
    }
}

impl KeptLeg {
    fn of(leg: &MediaLeg) -> Self {
        let OpusWishes { inband_fec, dtx, constant_rate, bitrate_max, playback_hz } = leg.opus;
        Self {
            remote: leg.remote,
            remote_rtcp: leg.remote_rtcp,
            format: KeptFormat::of(&leg.format),
            arriving: KeptFormat::of(&leg.arriving),
            inband_fec,
            dtx,
            constant_rate,
            bitrate_max,
            playback_hz,
            sends: leg.sends,
            receives: leg.receives,
            rtcp_mux: leg.rtcp_mux,
            dscp: leg.dscp.map(Dscp::bits),
            learn: leg.learn as u32,
        }
    }

    fn leg(&self, local: SocketAddr) -> Option<MediaLeg> {
        Some(MediaLeg {
            local,
            remote: self.remote,
            remote_rtcp: self.remote_rtcp,
            format: self.format.format()?,
            arriving: self.arriving.format()?,
            opus: OpusWishes {
                inband_fec: self.inband_fec,
                dtx: self.dtx,
                constant_rate: self.constant_rate,
                bitrate_max: self.bitrate_max,
                playback_hz: self.playback_hz,
            },
            sends: self.sends,
            receives: self.receives,
            rtcp_mux: self.rtcp_mux,
            dscp: self.dscp.and_then(Dscp::new),
            learn: [Policy::Strict, Policy::SameHost, Policy::Latch]
                .into_iter()
                .find(|policy| *policy as u32 == self.learn)?,
        })
    }
}

impl KeptFormat {
    fn of(format: &Format) -> Self {
        let Format { codec, payload_type, telephone_event, comfort_noise, packet_ms } = *format;
        Self { codec: codec.rtpmap().into(), payload_type, telephone_event, comfort_noise, packet_ms }
    }

    fn format(&self) -> Option<Format> {
        let Self { payload_type, telephone_event, comfort_noise, packet_ms, .. } = *self;
        Some(Format { codec: codec(&self.codec)?, payload_type, telephone_event, comfort_noise, packet_ms })
    }
}

/// The codec of an `a=rtpmap`.
fn codec(rtpmap: &str) -> Option<Codec> {
    let mut parts = rtpmap.split('/');
    let (name, clock_hz) = (parts.next()?, parts.next()?.parse().ok()?);
    let channels = parts.next().map_or(Some(1), |channels| channels.parse().ok())?;
    Codec::of(name, clock_hz, channels)
}
