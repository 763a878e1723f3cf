//! Calls that hear something and then end: those that are refused, before their status, and codes that are dialled as calls of
//! their own, once they are answered.
//!
//! A call that is refused shows as failed on the phone, whatever its Reason says. So of codes only those are refused that come from
//! somebody who has no session.

use std::{mem::replace, net::SocketAddr, time::Duration};

use undertone_core::mixer::{SessionSpec, Signal};

use super::{
    CODECS, Desk, Output, key,
    session::{Session, Stage},
    spec_of, turn_down,
};
use crate::{
    audit::By,
    call::{CallId, Media},
    element::Element,
    monitor::{Code, RefusalSound, RefusedCall, SessionId},
    permission::{Denial, LocalTime, Via},
    ua::{Cause, Incoming, MediaLeg, Order, Terms, UaId},
};

/// Such calls at a time. One more ends at once.
const TOLD_MAX: usize = 100;
/// How long a tone is heard that says what came of a code, with what a phone keeps back before it is heard.
const DONE: Duration = Duration::from_millis(500);
const REFUSED: Duration = Duration::from_millis(1_200);
/// How long one that refuses a call is.
const REJECTED: Duration = Duration::from_millis(2_500);

/// What a call hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saying {
    /// Why something was refused, where a recording says that.
    pub announcement: Option<Denial>,
    /// A tone in its place, for so long.
    pub signal: Option<Signal>,
    /// How long that lasts.
    pub lasts: Duration,
}

/// A call that hears something.
#[derive(Debug)]
pub(super) struct Told {
    ua: UaId,
    /// The port that its phone sends to.
    at: SocketAddr,
    saying: Saying,
    ending: Ending,
    is_open: bool,
}

/// How a call ends.
#[derive(Clone, Debug)]
enum Ending {
    /// Without having been answered.
    TurnedDown(Denial),
    HungUp(Cause),
}

impl Desk {
    /// Refuses somebody who calls, in the way that is configured.
    pub(super) fn refuse_call(
        &mut self,
        incoming: &Incoming,
        by: By,
        target: &str,
        call: Option<CallId>,
        denial: Denial,
    ) {
        let denial = self.refused(by, target, call, None, None, denial);
        let sound = self.monitoring.refused_call;
        let saying = Saying {
            announcement: (sound == RefusedCall::Announcement).then_some(denial),
            signal: Some(Signal::Rejection),
            lasts: REJECTED,
        };
        let is_heard = sound != RefusedCall::Code && !incoming.offers_late && denial != Denial::TooMany;
        if !is_heard || !self.tell(incoming, saying, Ending::TurnedDown(denial)) {
            self.outputs.push_back(turn_down(incoming.id, denial));
        }
    }

    /// A code was dialled as a call of its own.
    pub(super) fn dialled<M: Media>(
        &mut self,
        time: LocalTime,
        by: By,
        code: Code,
        incoming: &Incoming,
        element: &Element<M>,
    ) {
        let is_theirs = |session: &Session| session.by.extension == by.extension && session.stage == Stage::Up;
        let session = self.sessions.iter().filter(|(_, session)| is_theirs(session)).map(|(id, _)| *id).next_back();
        let Some(id) = session else { return self.refuse_call(incoming, by, "", None, Denial::NoCall) };
        let outcome = match code {
            Code::Mode(mode) => self.switch(id, mode, (Via::Phone, ""), time, element),
            Code::NextCall => self.next_call(id, time, element),
        };
        let (sound, confirms) = (self.monitoring.refusal, self.monitoring.confirmation_tone);
        let (saying, cause) = match outcome {
            Ok(()) => {
                let signal = confirms.then_some(Signal::Confirmation);
                (Saying { announcement: None, signal, lasts: DONE }, Cause::by_us(200, "Done"))
            }
            Err(denial) => {
                let announcement = (sound == RefusalSound::Announcement).then_some(denial);
                let signal = (sound != RefusalSound::None).then_some(Signal::Refusal);
                let cause = Cause::by_us(denial.sip_status(), denial.sip_phrase());
                (Saying { announcement, signal, lasts: REFUSED }, cause)
            }
        };
        if !self.tell(incoming, saying, Ending::HungUp(cause)) {
            self.outputs.push_back(match outcome {
                // What was asked for is done, though there is no way to say so.
                Ok(()) => Output::TurnDown(incoming.id, 480, "Done", Some("SIP;cause=200;text=\"Done\"".into())),
                Err(denial) => turn_down(incoming.id, denial),
            });
        }
    }

    /// Has a call hear something and end. False where there is no port for that.
    fn tell(&mut self, incoming: &Incoming, saying: Saying, ending: Ending) -> bool {
        let media = incoming.media.filter(|_| self.told.len() < TOLD_MAX);
        let Some(at) = media.and_then(|media| self.take_port(media)) else { return false };
        self.next += 1;
        let (id, ua) = (SessionId(self.next), incoming.id);
        let terms = Terms { local: Some(at), codecs: CODECS.to_vec(), order: Order::Theirs };
        self.outputs.push_back(match ending {
            Ending::TurnedDown(_) => Output::SpeakEarly(id, ua, terms),
            Ending::HungUp(_) => Output::Accept(ua, terms),
        });
        self.by_ua.insert(ua, id);
        self.told.insert(id, Told { ua, at, saying, ending, is_open: false });
        true
    }

    /// What a phone wants to hear is known that is to hear something. False where it is none of those.
    pub(super) fn say(&mut self, id: SessionId, leg: &MediaLeg) -> bool {
        let Some(told) = self.told.get_mut(&id) else { return false };
        let Some(remote) = leg.remote else {
            // One that is answered may say so yet.
            if matches!(told.ending, Ending::TurnedDown(_)) {
                self.said(id);
            }
            return true;
        };
        if !replace(&mut told.is_open, true) {
            let spec = SessionSpec { tones: false, ..spec_of(leg, remote) };
            self.outputs.extend([Output::Open(key(id), told.at, leg.dscp, spec), Output::Say(id, told.saying)]);
        }
        true
    }

    /// A call has heard what it was to hear, or cannot.
    pub fn said(&mut self, id: SessionId) {
        if let Some(ending) = self.forget_told(id) {
            self.outputs.push_back(ending);
        }
    }

    /// Such a call is over, however that came. What is still to be done to its phone.
    pub(super) fn forget_told(&mut self, id: SessionId) -> Option<Output> {
        let Told { ua, at, ending, is_open, .. } = self.told.remove(&id)?;
        self.by_ua.remove(&ua);
        self.ports.give(at.ip(), at.port());
        self.outputs.extend(is_open.then_some(Output::Close(key(id))));
        Some(match ending {
            Ending::TurnedDown(denial) => turn_down(ua, denial),
            Ending::HungUp(cause) => Output::HangUp(ua, cause),
        })
    }
}
