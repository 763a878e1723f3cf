//! How requests of ours leave.

use super::super::{Asks, Element};
use crate::{
    call::Media,
    sip::{
        Flow,
        message::{Method, More, Request, Uri},
        transaction::{ClientId, Sending},
    },
    time::Nanos,
    ua::{Asked, By, Cause, Dialog, Ua},
};

impl<M: Media> Element<M> {
    /// Sends a request in a call of ours.
    pub(super) fn own_ask(&mut self, now: Nanos, ua: &mut Ua, method: &Method, more: &More, asks: Asks) -> ClientId {
        let flow = self.own_hop(&ua.dialog);
        let nonce = self.random();
        let client = self.clients.reserve(now, nonce, flow, method, asks);
        let via = self.via(flow.listener, &self.clients.branch(client));
        let cseq = ua.dialog.next_cseq();
        let Dialog { theirs, ours, call_id, .. } = &ua.dialog;
        let request = Request::write_with(method, theirs, ours, call_id, cseq, &via, more);
        self.clients.begin(now, client, request, &mut self.sendings);
        client
    }

    /// Acknowledges a 2xx to an INVITE of ours (RFC 3261 §13.2.2.4).
    pub(super) fn own_acknowledge(&mut self, ua: &mut Ua, cseq: u32) {
        let flow = self.own_hop(&ua.dialog);
        let branch = format!("z9hG4bKack{:016x}", self.random());
        let via = self.via(flow.listener, &branch);
        let Dialog { theirs, ours, call_id, tag, .. } = &ua.dialog;
        let bytes = Request::write(&Method::Ack, theirs, ours, call_id, cseq, &via);
        self.sendings.push(Sending { flow, bytes: bytes.clone() });
        ua.ack = Some(Asked { cseq, tag: tag.clone(), flow, bytes });
    }

    /// The same again, where it is that one which was lost. False when it is not.
    pub(super) fn own_acknowledge_again(&mut self, ua: &Ua, cseq: u32, tag: Option<&bytes::Bytes>) -> bool {
        let ack = ua.ack.as_ref().filter(|ack| ack.cseq == cseq && ack.tag.as_ref() == tag);
        self.sendings.extend(ack.map(|ack| Sending { flow: ack.flow, bytes: ack.bytes.clone() }));
        ack.is_some()
    }

    /// Tells the other end that the call is over.
    pub(super) fn own_bye(&mut self, now: Nanos, ua: &mut Ua, cause: &Cause) {
        let reason = (cause.by == By::Us && cause.status != 200).then(|| ("Reason", cause.reason()));
        let more = More { headers: reason.into_iter().collect(), sdp: Vec::new() };
        self.own_ask(now, ua, &Method::Bye, &more, Asks::Ours);
    }

    /// Where requests in a dialog go: to its first Route, or to the other end's Contact. Where those lead nowhere, back the way
    /// that the other end was heard of last.
    fn own_hop(&self, dialog: &Dialog) -> Flow {
        let theirs = &dialog.theirs;
        let first = theirs.routes.first().or(theirs.contact.as_ref());
        let uri = first.and_then(|uri| Uri::parse(uri.clone()).ok());
        uri.and_then(|uri| self.hop_to(&uri, theirs.flow).ok()).unwrap_or(theirs.flow)
    }
}
