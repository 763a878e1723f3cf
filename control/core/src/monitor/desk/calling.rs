//! Sessions whose supervisor is called, rather than calling.

use std::net::IpAddr;

use undertone_core::mixer::Mode;

use super::{CODECS, Desk, Output, session::Session};
use crate::{
    audit::{By, Event, On, What},
    call::Media,
    element::Element,
    monitor::SessionId,
    permission::{Denial, LocalTime, Via},
    time::Nanos,
    trunk::{Peer, PeerIndex, Side},
    ua::{Cause, Destination, Order, Placement, Terms, UaError, UaId},
};

/// How long a supervisor's phone may ring, in seconds.
const RING_S: u32 = 30;

/// A supervisor is to be called, and to monitor an extension when they answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The supervisor's extension.
    pub supervisor: String,
    /// The peer that its phone is behind; `None` for where a call to it goes.
    pub peer: Option<String>,
    /// The extension that is to be monitored.
    pub target: String,
    /// The mode to begin in. A session that waits for a call begins to listen.
    pub mode: Mode,
    /// Whether the phone is asked to answer by itself.
    pub auto_answer: bool,
    /// How that is asked for.
    pub via: Via,
    /// From where.
    pub address: String,
}

/// Why a supervisor is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCalled {
    /// They may not monitor the extension.
    #[error("{}", .0.complaint())]
    Denied(Denial),
    /// There is no such peer of our own.
    #[error("there is no on-net peer {0}")]
    NoPeer(String),
    /// It is not known which of our own peers has their phone.
    #[error("no call to extension {0} leads to an on-net peer")]
    NoWay(String),
    /// No new calls are made.
    #[error("no new calls are taken, nor made: the node is being drained")]
    Draining,
}

impl From<Denial> for NotCalled {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// How a supervisor's phone is reached.
struct Way {
    /// Our own peers, the first to be tried first, all by way of the same address of ours.
    peers: Vec<PeerIndex>,
    number: String,
    media: IpAddr,
}

impl Desk {
    /// Has a supervisor called. The session has its name from now on; its phone rings when it is written down that it begins.
    pub fn call<M: Media>(
        &mut self,
        now: Nanos,
        time: LocalTime,
        wish: Wish,
        element: &Element<M>,
    ) -> Result<SessionId, NotCalled> {
        let user = element.trunks().directory.user_at(&wish.supervisor).map(|user| user.name.clone());
        let Wish { supervisor: extension, peer, target, mode, auto_answer, via, address } = wish;
        let by = By { user: user.unwrap_or_default(), extension, via, address };
        let call = match self.admit(&by, Side::OnNet, &target, mode, time, element) {
            Ok(call) => call,
            Err(denial) => return Err(self.not_called(by, &target, mode, denial)),
        };
        if element.is_draining() {
            return Err(NotCalled::Draining);
        }
        if let Some(name) = &peer
            && element.trunks().peer_named(name).is_none_or(|(_, peer)| peer.side == Side::OffNet)
        {
            return Err(NotCalled::NoPeer(name.clone()));
        }
        let way = self.way_to(&by.extension, peer.as_deref(), element);
        let Some(way) = way else { return Err(NotCalled::NoWay(by.extension)) };
        let Some(at) = self.take_port(way.media) else {
            return Err(self.not_called(by, &target, mode, Denial::NoRoom));
        };
        let placement = Placement {
            to: Destination::Peers(way.peers),
            number: way.number,
            // Who calls back monitors.
            from_number: if self.monitoring.enabled {
                format!("{}{target}", self.monitoring.prefix)
            } else {
                String::new()
            },
            from_name: format!("Undertone monitoring {target}"),
            terms: Terms { local: Some(at), codecs: CODECS.to_vec(), order: Order::Theirs },
            auto_answer,
            ring_s: RING_S,
        };
        let mode = if call.is_some() { mode } else { Mode::Listen };
        self.next += 1;
        let id = SessionId(self.next);
        let on = On { extension: target.clone(), ..On::default() };
        let event = Event::new(What::SessionStarted, by.clone()).with("phone", "called");
        let event = Event { on, call, session: Some(id), mode: Some(mode), ..event };
        let placement = Some(Box::new(placement));
        self.sessions.insert(id, Session { placement, mode, ..Session::new(now, None, by, target, call, at) });
        self.outputs.push_back(Output::Begin(id, event));
        Ok(id)
    }

    fn not_called(&mut self, by: By, target: &str, mode: Mode, denial: Denial) -> NotCalled {
        self.refused(by, target, None, None, Some(mode), denial).into()
    }

    /// What came of [`Output::Place`]. To be told before anything of the call itself is.
    pub fn placed(&mut self, id: SessionId, outcome: Result<UaId, UaError>) {
        match (outcome, self.sessions.get_mut(&id)) {
            (Ok(ua), Some(session)) => {
                session.ua = Some(ua);
                self.by_ua.insert(ua, id);
            }
            (Ok(ua), None) => self.outputs.push_back(Output::HangUp(ua, Cause::by_us(487, "No Longer Wanted"))),
            (Err(why), _) => self.over(id, &Cause::by_us(503, &why.to_string())),
        }
    }

    /// Where a call to an extension goes that comes from somebody outside, else from somebody inside, as far as that is to our
    /// own peers.
    fn way_to<M: Media>(&self, extension: &str, peer: Option<&str>, element: &Element<M>) -> Option<Way> {
        let trunks = element.trunks();
        // Decides between peers of the same priority: one session after another takes the next.
        let random = self.next;
        if let Some(name) = peer {
            return self.way_by(vec![trunks.peer_named(name)?.0], extension.to_owned(), random, element);
        }
        let from = |side| {
            let peers = (0..).map(PeerIndex).zip(&trunks.peers);
            peers.filter(move |(_, peer): &(PeerIndex, &Peer)| peer.side == side && !peer.is_former())
        };
        from(Side::OffNet).chain(from(Side::OnNet)).find_map(|(from, _)| {
            let routed = trunks.route(from, extension, random, |peer| element.is_well(peer))?;
            self.way_by(routed.peers, routed.number, random, element)
        })
    }

    fn way_by<M: Media>(
        &self,
        mut peers: Vec<PeerIndex>,
        number: String,
        random: u64,
        element: &Element<M>,
    ) -> Option<Way> {
        let media_for = |index: PeerIndex| {
            let peer = element.trunks().peer(index).filter(|peer| peer.side == Side::OnNet)?;
            let targets = peer.targets_in_order(random, |target| element.is_target_well(index, target));
            self.ports.address(peer.ways.way(targets.first()?.ip()).media)
        };
        let media = peers.iter().find_map(|peer| media_for(*peer))?;
        // The call has one port, whoever takes it.
        peers.retain(|peer| media_for(*peer) == Some(media));
        Some(Way { peers, number, media })
    }
}
