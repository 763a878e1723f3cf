//! The answering side.

mod call;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use undertone_control_core::sip::message::{Message, Method, Request, Response};

use self::call::Call;
use super::{
    media::Codec,
    sip::{Datagram, Io, Names, response, status_aside, way_back},
    tally::Answering,
};

/// How calls are answered.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    /// Our own address.
    pub(super) local: SocketAddr,
    /// How long it rings.
    pub(super) ringing: Duration,
    /// What is offered where the INVITE offers nothing.
    pub(super) codec: Codec,
}

/// Answers calls.
pub(super) struct Uas {
    manner: Manner,
    names: Names,
    calls: HashMap<Bytes, Call>,
    /// When calls have something to do. A call that has changed its mind is in it more than once.
    agenda: BinaryHeap<Reverse<(Instant, Bytes)>>,
    answered: Answering,
}

impl Uas {
    /// Answers as `manner` says.
    pub(super) fn new(manner: Manner) -> Self {
        Self {
            manner,
            names: Names::new(),
            calls: HashMap::new(),
            agenda: BinaryHeap::new(),
            answered: Answering::default(),
        }
    }

    /// What was counted.
    pub(super) const fn answered(&self) -> &Answering {
        &self.answered
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.agenda.peek().map(|Reverse((when, _))| *when)
    }

    /// Takes a message that came from `source`.
    pub(super) fn handle_message(&mut self, message: &Message, source: SocketAddr, io: &mut Io<'_>) {
        match message {
            Message::Request(request) => self.handle_request(request, source, io),
            Message::Response(response) => self.handle_response(response, io),
        }
    }

    /// Does what is due.
    pub(super) fn handle_time(&mut self, io: &mut Io<'_>) {
        while self.agenda.peek().is_some_and(|Reverse((when, _))| *when <= io.now) {
            let Some(Reverse((_, call_id))) = self.agenda.pop() else { return };
            self.with_call(&call_id, Call::handle_time, io);
        }
    }

    /// Ends what runs.
    pub(super) fn stop(&mut self, io: &mut Io<'_>) {
        let call_ids: Vec<_> = self.calls.keys().cloned().collect();
        for call_id in call_ids {
            self.with_call(&call_id, Call::stop, io);
        }
    }

    fn handle_request(&mut self, request: &Request, source: SocketAddr, io: &mut Io<'_>) {
        let is_known = self.calls.contains_key(&request.call_id);
        let status = match request.method() {
            Method::Invite if request.to_tag.is_none() && !is_known => return self.ring(request, source, io),
            Method::Invite if request.to_tag.is_none() => {
                // Sent again, or come a second time on another way (RFC 3261 §8.2.2.2).
                let mut is_same = false;
                let again = |call: &mut Call, context: &mut Context<'_, '_>| is_same = call.repeat(request, context);
                self.with_call(&request.call_id, again, io);
                if is_same {
                    return;
                }
                482
            }
            Method::Ack => {
                return self.with_call(&request.call_id, |call, context| call.acknowledged(request, context), io);
            }
            Method::Bye if is_known => {
                self.with_call(&request.call_id, Call::ended_by_them, io);
                200
            }
            Method::Cancel if is_known => {
                self.with_call(&request.call_id, Call::cancelled, io);
                200
            }
            _ => match status_aside(request) {
                Some(status) => status,
                None => return,
            },
        };
        let bytes = response(request, status, &self.names.next(), Some(self.manner.local), None);
        io.send(Datagram { to: way_back(request, source), bytes });
    }

    fn handle_response(&mut self, response: &Response, io: &mut Io<'_>) {
        if response.method == Method::Bye && response.status() >= 200 {
            self.with_call(&response.call_id, Call::bye_answered, io);
        }
    }

    fn ring(&mut self, invite: &Request, source: SocketAddr, io: &mut Io<'_>) {
        self.answered.received += 1;
        self.answered.running += 1;
        let mut context = Context { manner: &self.manner, names: &mut self.names, answered: &mut self.answered, io };
        let call = Call::ring(invite, source, &mut context);
        self.agenda.extend(call.deadline().map(|when| Reverse((when, invite.call_id.clone()))));
        self.calls.insert(invite.call_id.clone(), call);
    }

    /// Lets a call do something, and sees to what becomes of it.
    fn with_call(&mut self, call_id: &Bytes, act: impl FnOnce(&mut Call, &mut Context<'_, '_>), io: &mut Io<'_>) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let before = call.deadline();
        act(call, &mut Context { manner: &self.manner, names: &mut self.names, answered: &mut self.answered, io });
        if call.is_gone(io.now) {
            self.calls.remove(call_id);
        } else if call.deadline() != before {
            self.agenda.extend(call.deadline().map(|when| Reverse((when, call_id.clone()))));
        }
    }
}

/// What a call works with.
struct Context<'a, 'io> {
    manner: &'a Manner,
    names: &'a mut Names,
    answered: &'a mut Answering,
    io: &'a mut Io<'io>,
}
