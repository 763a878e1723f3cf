//! What it takes to send requests in a dialog, and to know those that come in it (RFC 3261 §12).

use bytes::Bytes;

use crate::{
    call::Party,
    identity,
    sip::{
        Flow,
        message::{Method, Request, Response},
    },
};

/// One end of a dialog: ours.
#[derive(Clone, Debug)]
pub(crate) struct Dialog {
    pub(crate) call_id: Bytes,
    /// What stands in From of our requests: our URI and tag.
    pub(crate) ours: Bytes,
    /// The other end. The number of its last request is in `heard`.
    pub(crate) theirs: Party,
    /// Its tag; `None` until it is heard of.
    pub(crate) tag: Option<Bytes>,
    /// The number of our last request.
    pub(crate) cseq: u32,
    /// The number of its last request.
    pub(crate) heard: Option<u32>,
    /// Its user in From or To when that was last looked at.
    pub(crate) user: String,
    /// Whether it takes UPDATE (RFC 3311).
    pub(crate) takes_update: bool,
}

impl Dialog {
    /// That of a call that we answer, from its INVITE.
    pub(crate) fn of_request(request: &Request, flow: Flow, tag: &str) -> Self {
        let to = request.header("To").unwrap_or_default();
        let theirs = Party::caller(request, flow);
        Self {
            call_id: request.call_id.clone(),
            ours: [&to, b";tag=".as_slice(), tag.as_bytes()].concat().into(),
            user: identity::user_of(&theirs.address),
            theirs,
            tag: Some(request.from_tag.clone()),
            cseq: 0,
            heard: Some(request.cseq),
            takes_update: request.has_token("Allow", "UPDATE"),
        }
    }

    /// That of a call that we place, before anybody has answered.
    pub(crate) fn of_ours(call_id: Bytes, ours: Bytes, theirs: Party) -> Self {
        let user = identity::user_of(&theirs.address);
        Self { call_id, ours, theirs, tag: None, cseq: 0, heard: None, user, takes_update: false }
    }

    /// Whether a message is of it. Before who we call has answered, its tag may be any.
    pub(crate) fn has(&self, call_id: &Bytes, their_tag: &Bytes) -> bool {
        self.call_id == call_id && self.tag.as_ref().is_none_or(|tag| tag == their_tag)
    }

    /// Takes a request of the other end in. False when one with a higher number has come before (RFC 3261 §12.2.2).
    pub(crate) fn hear(&mut self, request: &Request, flow: Flow) -> bool {
        if self.heard.is_some_and(|heard| request.cseq <= heard) {
            return false;
        }
        self.heard = Some(request.cseq);
        self.theirs.flow = flow;
        if matches!(request.method(), Method::Invite | Method::Update) {
            if let Some(target) = request.target() {
                self.theirs.contact = Some(target);
            }
            self.note_methods(!request.header_values("Allow").is_empty(), request.has_token("Allow", "UPDATE"));
        }
        true
    }

    /// Takes a 2xx to an INVITE or UPDATE of ours within it in.
    pub(crate) fn hear_response(&mut self, response: &Response) {
        if let Some(target) = response.target() {
            self.theirs.contact = Some(target);
        }
        self.note_methods(!response.header_values("Allow").is_empty(), response.has_token("Allow", "UPDATE"));
    }

    const fn note_methods(&mut self, says: bool, takes_update: bool) {
        if says {
            self.takes_update = takes_update;
        }
    }

    /// The number of our next request.
    pub(crate) const fn next_cseq(&mut self) -> u32 {
        self.cseq = self.cseq.saturating_add(1);
        self.cseq
    }
}
