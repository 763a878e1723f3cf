//! What comes back.

use super::{Asks, Element, Event, bodies::body_of, dialog::may_offer, invite::answer_to};
use crate::{
    call::{CallId, Cause, Media, Party, Phase, Refusal, Role},
    sip::{
        message::{Answer, Response},
        transaction::{ClientId, Heard, ServerId},
    },
    time::Nanos,
};

impl<M: Media> Element<M> {
    pub(super) fn response(&mut self, now: Nanos, response: Response) {
        self.counters.responses += 1;
        let is_passed_on = self.clients.owner(&response).is_some_and(Asks::is_for_another);
        if is_passed_on && !response.is_passable() {
            // It has lost its way back; nothing else will have come.
            self.counters.strays += 1;
            return;
        }
        self.counters.received.count(&response.method, response.status());
        let heard = self.clients.receive(now, &response, &mut self.sendings);
        let (client, asks) = match heard {
            Heard::Owner(client, asks) => (client, asks),
            Heard::Absorbed => return,
            Heard::Stray => {
                self.counters.strays += 1;
                return;
            }
        };
        match asks {
            Asks::Attempt(call) => self.attempt_response(now, call, client, response),
            Asks::Abandoned if (200..300).contains(&response.status()) => self.decline(now, client, &response),
            Asks::Within { call, from, server, offered } => {
                self.within_response(now, call, from, offered, server, response);
            }
            Asks::Bye { call, from, server } => self.bye_response(now, call, from, server, response),
            Asks::Outside { server, .. } => self.outside_response(now, server, response),
            Asks::Health(peer, target) => self.heard_from(peer, target, response.status()),
            Asks::Place(id) => self.own_answered(now, id, client, &response),
            Asks::Refresh(id) => self.own_refreshed(now, id, client, &response),
            Asks::Probe(id) => self.own_probed(now, id, response.status()),
            Asks::Abandoned | Asks::Ours => {}
        }
    }

    /// A transaction of ours had no final response, which is as if one with this status had come: 408 where time was up
    /// (RFC 3261 §16.8), 503 where it could not be sent (§16.9).
    pub(super) fn unanswered(&mut self, now: Nanos, asks: Asks, status: u16) {
        match asks {
            Asks::Attempt(call) => self.attempt_failed(now, call, status, None),
            Asks::Within { call, from, server, offered } => {
                self.within_nothing(now, call, from, offered, server, status);
            }
            Asks::Bye { call, from, server } => {
                self.respond_nothing(now, server, status);
                self.hung_up(now, call, from);
            }
            Asks::Outside { server, to: (peer, target) } => {
                self.failed_at(now, peer, target);
                self.outside_failed(now, server, status);
            }
            Asks::Health(peer, target) => self.not_heard_from(peer, target),
            Asks::Place(id) => self.own_unanswered(now, id, status),
            Asks::Refresh(id) => self.own_not_refreshed(now, id, status),
            // Whoever has asked does not wait so long.
            Asks::Probe(_) | Asks::Abandoned | Asks::Ours => {}
        }
    }

    fn attempt_response(&mut self, now: Nanos, id: CallId, client: ClientId, response: Response) {
        let status = response.status();
        let is_current = self.calls.get(&id).is_some_and(|call| call.is_attempt(client));
        match status {
            100 => {}
            _ if (200..300).contains(&status) && !is_current => self.second_answer(now, client, &response),
            _ if !is_current => {}
            101..200 => self.ring(now, id, response),
            200..300 => self.pick_up(now, id, client, response),
            _ => self.attempt_failed(now, id, status, Some(&response)),
        }
    }

    /// 18x: the callee is heard of.
    fn ring(&mut self, now: Nanos, id: CallId, mut response: Response) {
        let ring = std::time::Duration::from_secs(self.limits.ring_s.into());
        self.hear(id, &response);
        let Some(call) = self.calls.get_mut(&id) else { return };
        let server = call.server;
        if call.phase == Phase::Trying {
            (call.phase, call.rang) = (Phase::Ringing, Some(now));
            self.outputs.push_back(super::Output::Event(Event::Call(id, Phase::Ringing)));
        }
        if let Some(attempt) = call.setup.as_mut().and_then(|setup| setup.attempt.as_mut()) {
            attempt.timer_c = now + ring;
        }
        if let Some(target) = response.target() {
            call.leg_mut(Role::Callee).dialog.contact = Some(target);
        }
        let offered = call.offered;
        // With an offer from the caller, an unreliable 18x previews the answer; without, it cannot carry one, and media
        // would go past us.
        let is_description = offered || may_offer(&response);
        if is_description && self.describe_response(id, Role::Callee, offered, &mut response).is_err()
            || !is_description && body_of!(&response).has_sdp()
        {
            response.set_body(Vec::new());
        }
        self.changed(id);
        if let Some(server) = server {
            self.respond_through(now, server, response);
        }
    }

    /// 2xx: the callee has answered, or says so again because the ACK has not come.
    fn pick_up(&mut self, now: Nanos, id: CallId, client: ClientId, mut response: Response) {
        let Some(flow) = self.clients.flow(client) else { return };
        let Some(call) = self.calls.get(&id) else { return };
        let (server, offered) = (call.server, call.offered);
        if call.phase == Phase::Up && call.leg(Role::Callee).tag != response.to_tag {
            return self.second_answer(now, client, &response);
        }
        if let Err(refusal) = self.describe_response(id, Role::Callee, offered, &mut response) {
            // What it says cannot be relayed: it is told that this was all, and the caller why.
            self.decline(now, client, &response);
            return self.fail(now, id, &answer_to(&refusal), Some(Role::Callee));
        }
        self.hear(id, &response);
        let party = self.callee(&response, flow);
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.phase != Phase::Up {
            let took = now - call.started;
            call.phase = Phase::Up;
            call.answered = Some(now);
            call.rang = call.rang.or(Some(now));
            let callee = call.leg_mut(Role::Callee);
            callee.tag.clone_from(&response.to_tag);
            callee.dialog = Party { cseq: callee.dialog.cseq, ..party };
            call.client = Some(client);
            call.setup = None;
            self.counters.answered += 1;
            self.counters.setup.count(took);
            self.tell(Event::Call(id, Phase::Up));
        }
        self.changed(id);
        if let Some(server) = server {
            self.respond_through(now, server, response);
        }
    }

    /// Another callee has answered too, or one whose call is over: it is told so.
    pub(super) fn second_answer(&mut self, now: Nanos, client: ClientId, response: &Response) {
        self.counters.forks += 1;
        self.decline(now, client, response);
    }

    /// The caller is told that its call has failed.
    pub(super) fn fail(&mut self, now: Nanos, id: CallId, answer: &Answer, by: Option<Role>) {
        self.fail_with(now, id, answer, Cause::new(answer.status, answer.reason, by));
    }

    /// The same, where the record is to have another cause than the caller is told.
    pub(super) fn fail_with(&mut self, now: Nanos, id: CallId, answer: &Answer, cause: Cause) {
        let Some(setup) = self.calls.get_mut(&id).and_then(|call| call.setup.take()) else { return };
        if setup.attempt.is_some()
            && let Some(call) = self.calls.get(&id)
        {
            let callee = call.leg(Role::Callee).peer;
            self.count_call(callee, -1);
        }
        self.answer(now, setup.server, &setup.request, answer);
        self.close(now, id, cause);
    }

    /// Passes a response on to who asked.
    pub(super) fn respond_through(&mut self, now: Nanos, server: ServerId, mut response: Response) {
        if response.pop_via() {
            self.respond(now, server, &response.method, response.status(), response.to_bytes());
        }
    }

    /// Makes the descriptions in a party's response what the other one reads.
    pub(super) fn describe_response(
        &mut self,
        id: CallId,
        from: Role,
        is_answer: bool,
        response: &mut Response,
    ) -> Result<(), Refusal> {
        if let Some(body) = self.describe(id, from, is_answer, &body_of!(&*response))? {
            response.set_body(body);
            if let Some(call) = self.calls.get_mut(&id) {
                call.offers_late |= !is_answer;
            }
        }
        Ok(())
    }
}
