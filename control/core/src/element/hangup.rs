//! Calls that end.

use std::{cmp::Reverse, time::Duration};

use bytes::Bytes;

use super::{Asks, Element, Output};
use crate::{
    call::{CallId, Cause, Leg, Media, Phase, Record, Role},
    sip::{
        message::{Answer, Method, Request, Response},
        transaction::{ClientId, Sending},
    },
    time::Nanos,
};

/// How often running calls are asked whether media comes.
pub(super) const SWEEP: Duration = Duration::from_secs(5);

impl<M: Media> Element<M> {
    /// A call is over: its ports are free, and its record is written.
    pub(super) fn close(&mut self, now: Nanos, id: CallId, cause: Cause) {
        let Some(mut call) = self.calls.remove(&id) else { return };
        let streams = call.session.records(&self.media);
        call.session.end(&mut self.ports, &mut self.media);
        self.count_call(call.leg(Role::Caller).peer, -1);
        if call.phase == Phase::Up {
            self.count_call(call.leg(Role::Callee).peer, -1);
        }
        let name = |leg: &Leg| self.trunks.peer(leg.peer).map(|peer| peer.name.clone()).unwrap_or_default();
        let now = call.left.unwrap_or(now);
        let since = |at: Nanos| (at - call.started).as_nanos() as u64;
        let record = Record {
            id,
            dialled: call.dialled.clone(),
            parties: Role::BOTH.map(|role| call.leg(role).party.clone()),
            peers: Role::BOTH.map(|role| name(call.leg(role))),
            sides: Role::BOTH.map(|role| call.leg(role).side),
            sip_call_id: String::from_utf8_lossy(&call.sip_call_id).into_owned(),
            lasted_ns: since(now),
            rang_ns: call.rang.map(since),
            answered_ns: call.answered.map(since),
            cause,
            streams,
        };
        self.outputs.push_back(Output::Ended(Box::new(record)));
    }

    /// Ends a call that is up, or being set up, from our side: both parties are told.
    pub fn end_call(&mut self, now: Nanos, id: CallId, cause: Cause) {
        match self.calls.get(&id).map(|call| call.phase) {
            None => return,
            Some(Phase::Up) => {
                for role in Role::BOTH {
                    self.send_bye(now, id, role);
                }
                self.close(now, id, cause);
            }
            Some(_) => {
                let attempt = self.calls.get(&id).and_then(|call| call.setup.as_ref()?.attempt.as_ref());
                if let Some(client) = attempt.map(|attempt| attempt.client) {
                    self.abandon(now, client);
                }
                self.fail(now, id, &Answer::new(cause.status), cause.by);
            }
        }
        self.flush();
    }

    /// A call's deadline is over: its callee has rung for too long, unless it was heard of since.
    pub(super) fn overdue(&mut self, now: Nanos, id: CallId) {
        let setup = self.calls.get(&id).and_then(|call| call.setup.as_ref());
        let Some(attempt) = setup.and_then(|setup| setup.attempt.as_ref()) else { return };
        if attempt.timer_c > now {
            return self.deadlines.push(Reverse((attempt.timer_c, id)));
        }
        self.abandon(now, attempt.client);
        self.fail(now, id, &Answer::new(408), None);
    }

    /// Ends calls whose parties have both been silent for too long: a BYE may have been lost with one of them.
    pub(super) fn sweep_media(&mut self, now: Nanos) {
        let Some(timeout) = self.limits.media_timeout_s.map(|seconds| Duration::from_secs(seconds.into())) else {
            return;
        };
        let is_silent = |call: &&crate::call::Call| {
            let answered = call.answered.is_some_and(|answered| now - answered >= timeout);
            let mut streams = call.session.streams().peekable();
            let idle = |at| self.media.report(at).and_then(|report| report.statistics.idle_ns(now.0));
            answered
                && streams.peek().is_some()
                && streams.all(|(_, at)| idle(at).is_none_or(|idle| Duration::from_nanos(idle) >= timeout))
        };
        let silent: Vec<_> = self.calls().filter(is_silent).map(|call| call.id).collect();
        for id in silent {
            self.counters.silent += 1;
            self.end_call(now, id, Cause::new(408, "No Media", None));
        }
    }

    /// Accepts a 2xx that nobody waits for, and ends what it began (RFC 3261 §13.2.2.4).
    pub(super) fn decline(&mut self, now: Nanos, client: ClientId, response: &Response) {
        let Some(flow) = self.clients.flow(client) else { return };
        let callee = self.callee(response, flow);
        let from = Bytes::copy_from_slice(&response.header("From").unwrap_or_default());
        let write = |method: Method, cseq: u32, via: String| {
            Request::write(&method, &callee, &from, &response.call_id, cseq, &via)
        };
        let branch = format!("z9hG4bKack{:016x}", self.random());
        let ack = write(Method::Ack, response.cseq, self.via(flow.listener, &branch));
        self.sendings.push(Sending { flow, bytes: ack });
        let nonce = self.random();
        let bye = self.clients.reserve(now, nonce, flow, &Method::Bye, Asks::Ours);
        let via = self.via(flow.listener, &self.clients.branch(bye));
        self.clients.begin(now, bye, write(Method::Bye, response.cseq.saturating_add(1), via), &mut self.sendings);
    }

    /// Tells a party that the call is over, as if the other one did.
    pub(super) fn send_bye(&mut self, now: Nanos, id: CallId, to: Role) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let other = call.leg_mut(to.other());
        other.dialog.cseq = other.dialog.cseq.saturating_add(1);
        let (cseq, from) = (other.dialog.cseq, other.dialog.address.clone());
        let (party, call_id) = (call.leg(to).dialog.clone(), call.sip_call_id.clone());
        let nonce = self.random();
        let client = self.clients.reserve(now, nonce, party.flow, &Method::Bye, Asks::Ours);
        let via = self.via(party.flow.listener, &self.clients.branch(client));
        let bye = Request::write(&Method::Bye, &party, &from, &call_id, cseq, &via);
        self.clients.begin(now, client, bye, &mut self.sendings);
    }
}
