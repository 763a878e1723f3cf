//! Requests within a call, and ACK.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::{Asks, Element, Serves, bodies::body_of, identities::identifies, invite::answer_to, uris::Unroutable};
use crate::{
    call::{Call, CallId, Cause, Media, Phase, Role},
    identity::Told,
    sip::{
        Flow,
        message::{Answer, Method, Request, Response},
        transaction::{Sending, ServerId},
    },
    time::Nanos,
    trunk::PeerIndex,
};

/// Why a call ends that a party hangs up.
const NORMAL: &str = "Normal Clearing";

impl<M: Media> Element<M> {
    /// A request with a tag in To: of a call of ours, as our Route says.
    pub(super) fn within(
        &mut self,
        now: Nanos,
        flow: Flow,
        peer: PeerIndex,
        mut request: Request,
        named: Option<CallId>,
    ) {
        let Some((id, from)) = self.dialog_of(&request, &flow, peer, named) else {
            return self.refuse(now, flow, &request, &Answer::new(481));
        };
        let Some(call) = self.calls.get_mut(&id) else { return };
        let leg = call.leg_mut(from);
        leg.dialog.flow = flow;
        leg.dialog.cseq = leg.dialog.cseq.max(request.cseq);
        if is_target_refresh(request.method())
            && let Some(target) = request.target()
        {
            leg.dialog.contact = Some(target);
        }
        let back = call.leg(from.other()).dialog.flow;
        let onward = match self.next_hop(&request, back) {
            Ok(onward) => onward,
            Err(unroutable) => return self.lost(now, flow, id, from, &request, unroutable),
        };
        let offered = match self.describe_request(id, from, &mut request) {
            Ok(offered) => offered,
            Err(answer) => return self.refuse(now, flow, &request, &answer),
        };
        let server = self.servers.begin(&request, flow, Serves::Request(None));
        if *request.method() == Method::Invite {
            self.answer(now, server, &request, &Answer::new(100));
        }
        let asks = match request.method() {
            Method::Bye => Asks::Bye { call: id, from, server },
            _ => Asks::Within { call: id, from, server, offered },
        };
        if let Some(call) = self.calls.get_mut(&id).filter(|_| *request.method() == Method::Bye) {
            call.left = Some(now);
        }
        if identifies(request.method()) {
            self.identify(id, from, Told::Request(&request));
        }
        if is_target_refresh(request.method()) {
            self.changed(id);
        }
        request.obey_strict_router();
        self.pass_on(now, onward, request, &[], asks, server);
    }

    /// The call that a request is in, as our Route says, and which party sends it. `None` where it has no business there.
    fn dialog_of(
        &self,
        request: &Request,
        flow: &Flow,
        peer: PeerIndex,
        named: Option<CallId>,
    ) -> Option<(CallId, Role)> {
        let call = self.calls.get(&named?).filter(|call| call.sip_call_id == request.call_id)?;
        let from = call.sender(&request.from_tag)?;
        self.is_from(call.leg(from).peer, flow, peer).then_some((call.id, from))
    }

    /// Whether a request of `peer` may be of a party at the peer `of`: the address may have become another peer's since the
    /// call began.
    pub(super) fn is_from(&self, of: PeerIndex, flow: &Flow, peer: PeerIndex) -> bool {
        of == peer || self.trunks.peer(of).is_some_and(|peer| peer.is_at(flow.remote.ip()))
    }

    /// A request that leads nowhere. One that ends the call ends it all the same.
    fn lost(&mut self, now: Nanos, flow: Flow, id: CallId, from: Role, request: &Request, why: Unroutable) {
        self.refuse(now, flow, request, &why.answer());
        let is_up = self.calls.get(&id).is_some_and(|call| call.phase == Phase::Up);
        if is_up && *request.method() == Method::Bye {
            self.send_bye(now, id, from.other());
            self.close(now, id, Cause::new(200, NORMAL, Some(from)));
        }
    }

    /// ACK of a 2xx: passed on, with the answer to an offer that the 2xx made.
    pub(super) fn acknowledge(&mut self, now: Nanos, flow: Flow, peer: PeerIndex, mut request: Request) {
        let branch = branch_of_ack(&request);
        let Ok(named) = self.take_routes(&mut request) else { return };
        if let Some(id) = self.own_dialog(&request, &flow, peer, named) {
            return self.own_acknowledged(now, id, &request);
        }
        let Some((id, from)) = self.dialog_of(&request, &flow, peer, named) else { return };
        let Some(call) = self.calls.get(&id).filter(|_| request.max_forwards != Some(0)) else { return };
        let back = call.leg(from.other()).dialog.flow;
        let Ok(onward) = self.next_hop(&request, back) else { return };
        // What it says of media and cannot be is left to the parties: an ACK cannot be refused.
        let _ = self.describe_request(id, from, &mut request);
        self.settle_late(id);
        if !request.body().is_empty() {
            self.changed(id);
        }
        request.obey_strict_router();
        let via = self.via(onward.listener, &branch);
        request.forward(&via, &[]);
        self.sendings.push(Sending { flow: onward, bytes: request.to_bytes() });
    }

    /// What comes back for a request within a call.
    pub(super) fn within_response(
        &mut self,
        now: Nanos,
        id: CallId,
        from: Role,
        offered: bool,
        server: ServerId,
        mut response: Response,
    ) {
        let (status, is_invite) = (response.status(), response.method == Method::Invite);
        if status == 100 {
            return;
        }
        if let Some(call) = self.calls.get_mut(&id)
            && (200..300).contains(&status)
            && is_target_refresh(&response.method)
            && let Some(target) = response.target()
        {
            call.leg_mut(from.other()).dialog.contact = Some(target);
        }
        if status < 300 && identifies(&response.method) {
            self.identify(id, from.other(), Told::Response(&response));
        }
        let describes = status < 300 && (offered || is_invite && may_offer(&response));
        if describes && self.describe_response(id, from.other(), offered, &mut response).is_err() {
            // The transaction has succeeded all the same; what was agreed on before goes on.
            response.set_body(Vec::new());
        }
        if status >= 200 && offered {
            self.settle(id, from);
        } else if status >= 300 && is_invite {
            self.settle_late(id);
        }
        if status >= 200 && (offered || is_target_refresh(&response.method)) {
            self.changed(id);
        }
        self.respond_through(now, server, response);
    }

    /// What comes back for a BYE: the call is over, unless the other party wants to know first who it is that hangs up.
    pub(super) fn bye_response(&mut self, now: Nanos, id: CallId, from: Role, server: ServerId, response: Response) {
        let status = response.status();
        if status != 100 {
            self.respond_through(now, server, response);
        }
        match self.calls.get_mut(&id) {
            Some(call) if matches!(status, 401 | 407) => call.left = None,
            Some(_) if status >= 200 => self.hung_up(now, id, from),
            _ => {}
        }
    }

    /// A party's BYE is done. One before the callee has answered ends an early dialog only: its INVITE is still answered
    /// (RFC 3261 §15.1.2).
    pub(super) fn hung_up(&mut self, now: Nanos, id: CallId, from: Role) {
        if self.calls.get(&id).is_some_and(|call| call.phase == Phase::Up) {
            self.close(now, id, Cause::new(200, NORMAL, Some(from)));
        }
    }

    /// The offer in a request of this party is not answered by now, and never will be.
    fn settle(&mut self, id: CallId, offerer: Role) {
        let is_its = |call: &&mut Box<Call>| call.session.offer() == Some(offerer) && !call.offers_late;
        if let Some(call) = self.calls.get_mut(&id).filter(is_its) {
            call.session.withdraw(&mut self.ports);
        }
    }

    /// The same for an offer in a response to INVITE.
    fn settle_late(&mut self, id: CallId) {
        let is_late = |call: &&mut Box<Call>| call.session.offer().is_some() && call.offers_late;
        if let Some(call) = self.calls.get_mut(&id).filter(is_late) {
            call.session.withdraw(&mut self.ports);
        }
    }

    /// Nothing came back for a request within a call.
    pub(super) fn within_nothing(
        &mut self,
        now: Nanos,
        id: CallId,
        from: Role,
        offered: bool,
        server: ServerId,
        status: u16,
    ) {
        let is_invite = self.servers.request(server).is_some_and(|request| *request.method() == Method::Invite);
        self.respond_nothing(now, server, status);
        if offered {
            self.settle(id, from);
        } else if is_invite {
            self.settle_late(id);
        }
    }

    /// Nothing came back for a request that was passed on.
    pub(super) fn respond_nothing(&mut self, now: Nanos, server: ServerId, status: u16) {
        let Some(request) = self.servers.request(server) else { return };
        self.answer(now, server, &request, &Answer::new(status));
    }

    /// Makes the descriptions in a party's request what the other one reads. Says whether it is an offer, or what a request
    /// is answered whose description cannot be.
    fn describe_request(&mut self, id: CallId, from: Role, request: &mut Request) -> Result<bool, Answer> {
        let Some(outstanding) = self.calls.get(&id).map(|call| call.session.offer()) else { return Ok(false) };
        let body = body_of!(&*request);
        let may_answer = matches!(request.method(), Method::Ack | Method::Prack);
        let is_answer = may_answer && outstanding == Some(from.other());
        if !is_answer && (*request.method() == Method::Invite || body.has_sdp()) {
            out_of_turn(from, outstanding)?;
        }
        let body = self.describe(id, from, is_answer, &body).map_err(|refusal| answer_to(&refusal))?;
        let has_offer = body.is_some() && !is_answer;
        if let Some(call) = self.calls.get_mut(&id) {
            call.offers_late &= !has_offer;
        }
        if let Some(body) = body {
            request.set_body(body);
        }
        Ok(has_offer)
    }
}

/// The branch of an ACK that goes on without a transaction: the same one whenever it comes again, by which whoever is behind
/// us knows it for a repetition (RFC 3261 §16.11).
fn branch_of_ack(request: &Request) -> String {
    let Request { via, call_id, from_tag, to_tag, cseq, .. } = request;
    let mut hasher = DefaultHasher::new();
    (&via.branch, &via.sent_by, call_id, from_tag, to_tag, cseq).hash(&mut hasher);
    format!("z9hG4bKack{:016x}", hasher.finish())
}

/// An offer while another one is not answered: that of the other party crosses it, that of the same one comes before it
/// (RFC 3261 §14.2, RFC 3311 §5.2).
fn out_of_turn(from: Role, outstanding: Option<Role>) -> Result<(), Answer> {
    match outstanding {
        None => Ok(()),
        Some(offerer) if offerer == from => Err(Answer::new(500).because("Offer Pending").with("Retry-After", "5")),
        Some(_) => Err(Answer::new(491)),
    }
}

/// Whether a response to an INVITE without an offer may make one (RFC 3262 §5).
pub(super) fn may_offer(response: &Response) -> bool {
    response.status() >= 200 || response.has_token("Require", "100rel")
}

/// Whether a request tells anew where its sender is (RFC 3261 §12.2, RFC 3311, RFC 6665).
const fn is_target_refresh(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}
