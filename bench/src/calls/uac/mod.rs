//! The calling side.

mod call;
mod pace;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::SocketAddr,
    time::{Duration, Instant},
};

use undertone_control_core::sip::message::{Message, Method, Request, Response};

pub(super) use self::pace::{Extent, Pace};
use self::{call::Call, pace::Due};
use super::{
    media::Codec,
    sip::{Datagram, Io, Names, response, status_aside, way_back},
    tally::{Outcome, Placed},
};

/// What calls are to be like.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where INVITEs go.
    pub(super) target: SocketAddr,
    /// Our own address.
    pub(super) local: SocketAddr,
    /// The called number; `{n}` is the number of the call.
    pub(super) number: String,
    /// The caller's number; `{n}` is the number of the call.
    pub(super) from: String,
    /// How long a call is held.
    pub(super) hold: Duration,
    /// Calls at once at most.
    pub(super) concurrent_max: u64,
    /// What is offered.
    pub(super) codec: Codec,
    /// Whether a call without a stream is none.
    pub(super) needs_media: bool,
}

/// Places calls, and ends them.
pub(super) struct Uac {
    plan: Plan,
    pace: Pace,
    names: Names,
    calls: HashMap<u64, Call>,
    /// When calls have something to do. A call that has changed its mind is in it more than once.
    agenda: BinaryHeap<Reverse<(Instant, u64)>>,
    placed: Placed,
}

impl Uac {
    /// Places calls as `plan` and `pace` say.
    pub(super) fn new(plan: Plan, pace: Pace) -> Self {
        Self {
            plan,
            pace,
            names: Names::new(),
            calls: HashMap::new(),
            agenda: BinaryHeap::new(),
            placed: Placed::default(),
        }
    }

    /// What was counted.
    pub(super) const fn placed(&self) -> &Placed {
        &self.placed
    }

    /// Whether all calls are placed and over.
    pub(super) fn is_done(&self) -> bool {
        self.pace.is_over() && self.running() == 0
    }

    /// When there is something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let first = self.agenda.peek().map(|Reverse((when, _))| *when);
        first.into_iter().chain(self.pace.deadline()).min()
    }

    /// Takes a message that came from `source`.
    pub(super) fn handle_message(&mut self, message: &Message, source: SocketAddr, io: &mut Io<'_>) {
        match message {
            Message::Response(response) => self.handle_response(response, source, io),
            Message::Request(request) => self.handle_request(request, source, io),
        }
        self.place(io);
    }

    /// Does what is due.
    pub(super) fn handle_time(&mut self, io: &mut Io<'_>) {
        while let Some(Reverse((when, number))) = self.agenda.peek().copied() {
            if when > io.now {
                break;
            }
            self.agenda.pop();
            self.with_call(
                number,
                |call, context| {
                    if call.deadline() <= context.io.now {
                        call.handle_time(context);
                    }
                },
                io,
            );
        }
        self.place(io);
    }

    /// Ends what runs, and begins nothing more.
    pub(super) fn stop(&mut self, io: &mut Io<'_>) {
        self.pace.stop();
        let numbers: Vec<_> = self.calls.keys().copied().collect();
        for number in numbers {
            self.with_call(number, Call::stop, io);
        }
    }

    fn running(&self) -> u64 {
        self.placed.trying + self.placed.up
    }

    fn place(&mut self, io: &mut Io<'_>) {
        loop {
            match self.pace.take(io.now, self.running() < self.plan.concurrent_max) {
                Due::Now => self.place_one(io),
                Due::Held => self.placed.held_back += 1,
                Due::Not => return,
            }
        }
    }

    fn place_one(&mut self, io: &mut Io<'_>) {
        self.placed.calls += 1;
        let number = self.placed.calls;
        match io.media.open(self.plan.local.ip()) {
            Ok(leg) => {
                self.placed.trying += 1;
                let mut context = Context { plan: &self.plan, names: &mut self.names, placed: &mut self.placed, io };
                let call = Call::place(number, leg, &mut context);
                self.agenda.push(Reverse((call.deadline(), number)));
                self.calls.insert(number, call);
            }
            Err(error) => {
                self.placed.obstacle.get_or_insert_with(|| format!("{error:#}"));
                self.placed.count(Outcome::NotPlaced);
            }
        }
    }

    fn handle_response(&mut self, response: &Response, source: SocketAddr, io: &mut Io<'_>) {
        let Some(number) = self.names.number_of(&response.call_id) else { return };
        self.with_call(number, |call, context| call.handle_response(response, source, context), io);
    }

    fn handle_request(&mut self, request: &Request, source: SocketAddr, io: &mut Io<'_>) {
        let number = self.names.number_of(&request.call_id);
        let call = number.filter(|number| self.calls.contains_key(number));
        let status = match (call, request.method()) {
            (Some(number), Method::Bye) => {
                self.with_call(number, Call::ended_by_them, io);
                200
            }
            (None, Method::Invite) => 404,
            _ => match status_aside(request) {
                Some(status) => status,
                None => return,
            },
        };
        let bytes = response(request, status, &self.names.next(), Some(self.plan.local), None);
        io.send(Datagram { to: way_back(request, source), bytes });
    }

    /// Lets a call do something, and sees to what becomes of it.
    fn with_call(&mut self, number: u64, act: impl FnOnce(&mut Call, &mut Context<'_, '_>), io: &mut Io<'_>) {
        let Some(call) = self.calls.get_mut(&number) else { return };
        let before = call.deadline();
        act(call, &mut Context { plan: &self.plan, names: &mut self.names, placed: &mut self.placed, io });
        if call.is_gone(io.now) {
            self.calls.remove(&number);
        } else if call.deadline() != before {
            self.agenda.push(Reverse((call.deadline(), number)));
        }
    }
}

/// What a call works with.
struct Context<'a, 'io> {
    plan: &'a Plan,
    names: &'a mut Names,
    placed: &'a mut Placed,
    io: &'a mut Io<'io>,
}
