//! Who the parties of a call are, from its INVITE on to its last re-INVITE.

use super::{Element, Event};
use crate::{
    call::{CallId, Media, PartyName, Role, Setup},
    identity::{self, About, Told},
    sip::message::{Method, Request, Response},
    trunk::{PeerIndex, Trunks},
};

/// Who calls from a peer, by the INVITE.
pub(super) fn caller(trunks: &Trunks, at: PeerIndex, request: &Request) -> PartyName {
    let peer = trunks.peer(at);
    peer.and_then(|peer| identity::read(Told::Request(request), About::Caller, peer, trunks, None)).unwrap_or_default()
}

/// Who is called at a peer, as far as the INVITE tells.
pub(super) fn callee(trunks: &Trunks, at: PeerIndex, setup: &Setup, dialled: &str) -> PartyName {
    let about = About::Callee { dialled, number: &setup.number };
    let peer = trunks.peer(at);
    let found = peer.and_then(|peer| identity::read(Told::Request(&setup.request), about, peer, trunks, None));
    found.unwrap_or_else(|| PartyName { number: identity::normalised(&setup.number), ..PartyName::default() })
}

/// Whether messages of a method say who sends them: those that have From changed do (RFC 4916), and so do those whose
/// responses come from somebody who may be another one.
pub(super) const fn identifies(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update)
}

impl<M: Media> Element<M> {
    /// The callee is heard of before the call is up, or answers. Of a forked call another one may be than the last time:
    /// what that one said of itself is forgotten.
    pub(super) fn hear(&mut self, id: CallId, response: &Response) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let at = call.leg(Role::Callee).peer;
        if let Some(setup) = &mut call.setup
            && let Some(attempt) = &mut setup.attempt
            && attempt.heard != response.to_tag
        {
            let is_other = attempt.heard.is_some();
            attempt.heard.clone_from(&response.to_tag);
            if is_other {
                let party = callee(&self.trunks, at, setup, &call.dialled);
                call.leg_mut(Role::Callee).party = party;
            }
        }
        self.identify(id, Role::Callee, Told::Response(response));
    }

    /// A party says something of itself.
    pub(super) fn identify(&mut self, id: CallId, role: Role, told: Told<'_>) {
        let Some(leg) = self.calls.get_mut(&id).map(|call| call.leg_mut(role)) else { return };
        let Some(peer) = self.trunks.peer(leg.peer) else { return };
        let about = About::Sender { role, known: &leg.user };
        let found = identity::read(told, about, peer, &self.trunks, Some(&leg.party));
        if let Told::Request(request) = told {
            leg.user = identity::user_of(&request.header("From").unwrap_or_default());
        }
        let Some(mut found) = found else { return };
        if found.name.is_empty() && found.number == leg.party.number {
            found.name.clone_from(&leg.party.name);
        }
        let is_news = !found.is_same(&leg.party);
        leg.party = found;
        if is_news {
            self.tell(Event::Identity(id, role));
        }
    }
}
