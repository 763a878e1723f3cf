//! A call of Undertone's own, and what it waits for.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::Bytes;

use super::{Cause, Dialog, MediaLeg, Placement, Session, Timer, UaId};
use crate::{
    call::{PartyName, Phase, Role},
    sip::{
        Flow,
        message::Request,
        transaction::{ClientId, PATIENCE, ServerId, T1, T2},
    },
    time::Nanos,
    trunk::PeerIndex,
};

/// A call of Undertone's own.
#[derive(Debug)]
pub struct Ua {
    /// Its name.
    pub id: UaId,
    /// The peer that the other end is at.
    pub peer: PeerIndex,
    /// Who the other end is.
    pub party: PartyName,
    /// What the other end did: call, or get called.
    pub role: Role,
    /// The number that was dialled, by the other end or by us.
    pub number: String,
    /// How far it is. It is up as soon as it was answered.
    pub phase: Phase,
    /// When it began.
    pub started: Nanos,
    /// Whether both ends know that it is up: a 2xx was acknowledged.
    pub is_confirmed: bool,
    /// Why it is over, where the other end cannot be told before it has acknowledged our 2xx (RFC 3261 §15).
    pub(crate) leaving: Option<Cause>,
    pub(crate) dialog: Dialog,
    /// `None` until we have decided what we speak.
    pub(crate) session: Option<Session>,
    /// A pair of media ports that goes back when the call is over.
    pub(crate) port: Option<SocketAddr>,
    pub(crate) timer: Option<Timer>,
    /// The INVITE of a caller that waits for us to decide.
    pub(crate) incoming: Option<Box<Incoming>>,
    /// What there is of a call that we place while it is not answered.
    pub(crate) placing: Option<Box<Placing>>,
    /// Our 2xx that was not acknowledged.
    pub(crate) unacknowledged: Option<Unacknowledged>,
    /// The ACK of the last 2xx that we got, for when that comes again.
    pub(crate) ack: Option<Asked>,
    pub(crate) refresh: Refresh,
    /// When it is looked at next, as far as the list of deadlines knows.
    pub(crate) armed: Nanos,
}

/// An INVITE that waits for us to decide.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) request: Request,
    pub(crate) flow: Flow,
    pub(crate) server: ServerId,
    pub(crate) until: Nanos,
}

/// A call that we place, before it is answered.
#[derive(Debug)]
pub(crate) struct Placing {
    pub(crate) placement: Placement,
    /// The peers that are still to be tried, at each of their targets.
    pub(crate) left: VecDeque<(PeerIndex, SocketAddr)>,
    /// The try that is running, and where it went.
    pub(crate) attempt: Option<(ClientId, SocketAddr)>,
    /// The interval that is asked for (RFC 4028), in seconds.
    pub(crate) interval_s: Option<u32>,
    /// The best failure so far.
    pub(crate) failure: Option<Cause>,
    /// A description that came before the answer, and whose it is.
    pub(crate) preview: Option<(Bytes, Vec<u8>)>,
    pub(crate) until: Nanos,
}

/// A 2xx of ours that is repeated until it is acknowledged (RFC 3261 §13.3.1.4).
#[derive(Debug)]
pub(crate) struct Unacknowledged {
    pub(crate) cseq: u32,
    pub(crate) flow: Flow,
    pub(crate) response: Bytes,
    pub(crate) next: Nanos,
    pub(crate) gap: Duration,
    pub(crate) end: Nanos,
}

impl Unacknowledged {
    pub(crate) fn new(now: Nanos, cseq: u32, flow: Flow, response: Bytes) -> Self {
        Self { cseq, flow, response, next: now + T1, gap: T1, end: now + PATIENCE }
    }

    /// It was sent again.
    pub(crate) fn repeated(&mut self, now: Nanos) {
        self.gap = (self.gap * 2).min(T2);
        self.next = (now + self.gap).min(self.end);
    }
}

/// A request of ours that needs no answer, as it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) cseq: u32,
    pub(crate) tag: Option<Bytes>,
    pub(crate) flow: Flow,
    pub(crate) bytes: Bytes,
}

/// Whether we refresh the session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Refresh {
    /// Not now.
    #[default]
    Idle,
    /// Again then: the other end would not.
    Later(Nanos),
    /// By this INVITE or UPDATE.
    Asked { client: ClientId, is_invite: bool },
}

impl Ua {
    /// Its media, as it was agreed on last.
    pub fn media(&self) -> Option<&MediaLeg> {
        self.session.as_ref()?.agreed()
    }

    /// The other end's Call-ID header, or ours.
    pub fn sip_call_id(&self) -> String {
        String::from_utf8_lossy(&self.dialog.call_id).into_owned()
    }

    /// One that has just begun.
    pub(crate) fn new(id: UaId, role: Role, peer: PeerIndex, number: String, now: Nanos, dialog: Dialog) -> Self {
        Self {
            id,
            peer,
            party: PartyName::default(),
            role,
            number,
            phase: Phase::Trying,
            started: now,
            is_confirmed: false,
            leaving: None,
            dialog,
            session: None,
            port: None,
            timer: None,
            incoming: None,
            placing: None,
            unacknowledged: None,
            ack: None,
            refresh: Refresh::Idle,
            armed: Nanos(u64::MAX),
        }
    }

    /// When it wants to be looked at.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        if self.leaving.is_some() {
            return self.unacknowledged.as_ref().map(|it| it.next);
        }
        let refresh = self.timer.and_then(|timer| timer.refresh_at()).and_then(|at| match self.refresh {
            Refresh::Idle => Some(at),
            Refresh::Later(later) => Some(later),
            Refresh::Asked { .. } => None,
        });
        let all = [
            self.incoming.as_ref().map(|it| it.until),
            self.placing.as_ref().map(|it| it.until),
            self.unacknowledged.as_ref().map(|it| it.next),
            refresh,
            self.timer.map(|timer| timer.ends_at()),
        ];
        all.into_iter().flatten().min()
    }
}
