//! Requests within a call, and ACK.

use super::{
    Asks, Element, Serves,
    bodies::body_of,
    invite::{answer_to, manner},
};
use crate::{
    call::{CallId, Cause, Media, Refusal, Role},
    sip::{
        Flow,
        message::{Answer, Method, Request, Response},
        transaction::{Sending, ServerId},
    },
    time::Nanos,
    trunk::PeerIndex,
};

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
        let call = named.and_then(|id| self.calls.get_mut(&id)).filter(|call| call.sip_call_id == request.call_id);
        let Some(call) = call else { return self.refuse(now, flow, &request, &Answer::new(481)) };
        let (id, from) = (call.id, call.sender(&request.from_tag));
        if call.leg(from).peer != peer {
            // Another peer has no business in this call.
            return self.refuse(now, flow, &request, &Answer::new(481));
        }
        let leg = call.leg_mut(from);
        leg.dialog.flow = flow;
        leg.dialog.cseq = leg.dialog.cseq.max(request.cseq);
        if is_target_refresh(request.method())
            && let Some(contact) = request.address("Contact")
        {
            leg.dialog.contact = Some(contact.uri.to_bytes());
        }
        let (back, offer) = (call.leg(from.other()).dialog.flow, call.session.offer());
        let onward = match self.next_hop(&request, back) {
            Ok(onward) => onward,
            Err("Loop") => return self.refuse(now, flow, &request, &Answer::new(482)),
            Err(reason) => return self.refuse(now, flow, &request, &Answer::new(400).because(reason)),
        };
        if offer.is_some() && *request.method() == Method::Invite {
            // Both parties want to change the call at once, or one before the other has answered (RFC 3261 §14.2).
            return self.refuse(now, flow, &request, &Answer::new(491));
        }
        let offered = match self.describe_request(id, from, &mut request) {
            Ok(offered) => offered,
            Err(refusal) => return self.refuse(now, flow, &request, &answer_to(&refusal)),
        };
        let server = self.servers.begin(&request, flow, Serves::Request(None));
        if *request.method() == Method::Invite {
            self.answer(now, server, &request, &Answer::new(100));
        }
        let is_bye = *request.method() == Method::Bye;
        if !is_bye && is_target_refresh(request.method()) {
            self.changed(id);
        }
        let asks = match is_bye {
            true => Asks::Outside(server),
            false => Asks::Within { call: id, from, server, offered },
        };
        self.pass_on(now, onward, request, &[], asks, server);
        if is_bye {
            self.close(now, id, Cause::new(200, "Normal Clearing", Some(from)));
        }
    }

    /// ACK of a 2xx: passed on, with the answer to an offer that the 2xx made.
    pub(super) fn acknowledge(&mut self, _now: Nanos, peer: PeerIndex, mut request: Request) {
        let Ok(Some(named)) = self.take_routes(&mut request) else { return };
        let Some(call) = self.calls.get(&named).filter(|call| call.sip_call_id == request.call_id) else { return };
        let from = call.sender(&request.from_tag);
        if call.leg(from).peer != peer || request.max_forwards == Some(0) {
            return;
        }
        let back = call.leg(from.other()).dialog.flow;
        let Ok(onward) = self.next_hop(&request, back) else { return };
        // What it says of media and cannot be is left to the parties: an ACK cannot be refused.
        let had = request.body().len();
        let _ = self.describe_request(named, from, &mut request);
        if had > 0 {
            self.changed(named);
        }
        let branch = format!("z9hG4bKack{:016x}", self.random());
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
        response: &Response,
    ) {
        let mut response = response.clone();
        let (status, is_invite) = (response.status(), response.method == Method::Invite);
        if status == 100 {
            return;
        }
        if let Some(call) = self.calls.get_mut(&id) {
            let leg = call.leg_mut(from.other());
            if (200..300).contains(&status)
                && is_target_refresh(&response.method)
                && let Some(contact) = response.address("Contact")
            {
                leg.dialog.contact = Some(contact.uri.to_bytes());
            }
            if status >= 300 && (offered || is_invite) {
                call.session.withdraw(&mut self.ports);
            }
        }
        let describes = status < 300 && (offered || is_invite && status >= 200);
        if describes && self.describe(id, from.other(), offered, &mut response).is_err() {
            // The transaction has succeeded all the same; what was agreed on before goes on.
            response.set_body(Vec::new());
        }
        if status >= 200 && (offered || is_target_refresh(&response.method)) {
            self.changed(id);
        }
        self.respond_through(now, server, response);
    }

    /// Nothing came back for a request that was passed on.
    pub(super) fn respond_nothing(&mut self, now: Nanos, server: ServerId, status: u16) {
        let Some(request) = self.servers.request(server) else { return };
        self.answer(now, server, &request, &Answer::new(status));
    }

    /// Makes the descriptions in a party's request what the other one reads. Says whether it is an offer.
    fn describe_request(&mut self, id: CallId, from: Role, request: &mut Request) -> Result<bool, Refusal> {
        let Some(call) = self.calls.get_mut(&id) else { return Ok(false) };
        let manners = Role::BOTH.map(|role| self.trunks.peer(call.leg(role).peer).map(manner));
        let [Some(caller), Some(callee)] = &manners else { return Ok(false) };
        let manners = [caller, callee];
        let is_answer = call.session.offer() == Some(from.other());
        let (session, ports, media) = (&mut call.session, &mut self.ports, &mut self.media);
        let body = body_of!(&*request).change(|sdp| {
            if is_answer {
                session.make_answer(from, sdp, manners, ports, media).map(|(sdp, _)| sdp)
            } else {
                session.make_offer(from, sdp, manners, ports)
            }
        })?;
        let has_offer = body.is_some() && !is_answer;
        if let Some(body) = body {
            request.set_body(body);
        }
        Ok(has_offer)
    }
}

/// Whether a request tells anew where its sender is (RFC 3261 §12.2, RFC 3311, RFC 6665).
const fn is_target_refresh(method: &Method) -> bool {
    matches!(method, Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer)
}
