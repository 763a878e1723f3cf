//! Callers that give up.

use super::{Asks, Element, Serves};
use crate::{
    call::{Media, Role},
    sip::{
        Flow,
        message::{Answer, Request},
        transaction::{ClientId, ServerId},
    },
    time::Nanos,
};

impl<M: Media> Element<M> {
    /// A CANCEL of an INVITE that has no final response (RFC 3261 §9.2, §16.10).
    pub(super) fn cancelled(&mut self, now: Nanos, flow: Flow, request: &Request, server: ServerId, serves: Serves) {
        self.refuse(now, flow, request, &Answer::new(200));
        match serves {
            Serves::Call(id) => {
                let attempt = self.calls.get(&id).and_then(|call| call.setup.as_ref()?.attempt.as_ref());
                if let Some(client) = attempt.map(|attempt| attempt.client) {
                    self.abandon(now, client);
                }
                self.fail(now, id, &Answer::new(487), Some(Role::Caller));
            }
            Serves::Own(id) => self.own_cancelled(now, id),
            // A re-INVITE: who was asked answers it.
            Serves::Request(Some(client)) => self.send_cancel(now, client),
            Serves::Request(None) => {
                let Some(request) = self.servers.request(server) else { return };
                self.answer(now, server, &request, &Answer::new(487));
            }
        }
    }

    /// Gives an attempt up: its callee is told, and whatever it says is no longer the call's business.
    pub(super) fn abandon(&mut self, now: Nanos, client: ClientId) {
        self.clients.set_tag(client, Asks::Abandoned);
        self.send_cancel(now, client);
    }

    /// Cancels an INVITE of ours, if it has a provisional response: before, the CANCEL could overtake it.
    pub(super) fn send_cancel(&mut self, now: Nanos, client: ClientId) {
        self.clients.cancel(now, client, &mut self.sendings);
    }
}
