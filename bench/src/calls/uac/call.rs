//! One call, as the caller sees it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use undertone_control_core::sip::message::{Method, Response};

use super::Context;
use crate::calls::{
    media::Leg,
    sip::{Datagram, Description, Dialog, Head, Repeat, describe, request},
    tally::Outcome,
};

/// How long it may ring.
const RINGING_MAX: Duration = Duration::from_secs(180);
/// How long a call that is over still answers what comes late (RFC 3261 §17: 64 × T1).
const LINGER: Duration = Duration::from_secs(32);

/// A call.
pub(super) struct Call {
    names: CallNames,
    leg: Leg,
    placed_at: Instant,
    rang: bool,
    state: State,
}

/// What stands in the INVITE, and in what follows it on the same way.
struct CallNames {
    uri: String,
    from: String,
    to: String,
    call_id: String,
    branch: String,
}

enum State {
    /// The INVITE is sent.
    Inviting {
        invite: Repeat,
        /// Whether anybody said anything.
        proceeding: bool,
        cancel: Cancel,
    },
    /// Answering.
    Up { dialog: Dialog, ack: Acknowledged, until: Instant },
    /// The BYE is sent, and not answered.
    Ending { ack: Acknowledged, bye: Repeat, since: Instant, outcome: Outcome },
    /// Over: what comes late is still answered.
    Over { last: Option<Datagram>, until: Instant },
}

/// Whether the INVITE is being taken back.
enum Cancel {
    No,
    /// As soon as the other side has said anything (RFC 3261 §9.1).
    Wanted(Outcome),
    Sent(Repeat, Outcome),
}

/// The ACK of a 2xx, sent again when the 2xx is.
struct Acknowledged {
    tag: Option<Bytes>,
    ack: Datagram,
}

impl Call {
    /// Sends the INVITE.
    pub(super) fn place(number: u64, leg: Leg, context: &mut Context<'_, '_>) -> Self {
        let plan = context.plan;
        let numbered = |pattern: &str| pattern.replace("{n}", &number.to_string());
        let (called, tag) = (numbered(&plan.number), context.names.next());
        let names = CallNames {
            uri: format!("sip:{called}@{}", plan.target),
            from: format!("<sip:{}@{}>;tag={tag}", numbered(&plan.from), plan.local),
            to: format!("<sip:{called}@{}>", plan.target),
            call_id: context.names.call_id(number),
            branch: context.names.next(),
        };
        let bytes = request(&names.head("INVITE", context), Some(&describe(leg.local, plan.codec)));
        let invite = Repeat::invite(Datagram { to: plan.target, bytes }, context.io);
        let state = State::Inviting { invite, proceeding: false, cancel: Cancel::No };
        Self { names, leg, placed_at: context.io.now, rang: false, state }
    }

    /// When it has something to do.
    pub(super) fn deadline(&self) -> Instant {
        match &self.state {
            State::Inviting { cancel: Cancel::Sent(cancel, _), invite, .. } => cancel.deadline().min(invite.deadline()),
            State::Inviting { invite, .. } => invite.deadline(),
            State::Up { until, .. } | State::Over { until, .. } => *until,
            State::Ending { bye, .. } => bye.deadline(),
        }
    }

    /// Whether nothing is left to answer.
    pub(super) fn is_gone(&self, now: Instant) -> bool {
        matches!(self.state, State::Over { until, .. } if now >= until)
    }

    /// Does what is due.
    pub(super) fn handle_time(&mut self, context: &mut Context<'_, '_>) {
        match &mut self.state {
            State::Inviting { cancel: Cancel::Sent(cancel, outcome), .. } => {
                if cancel.turn(context.io) {
                    let outcome = *outcome;
                    self.end(outcome, context);
                }
            }
            State::Inviting { invite, proceeding, .. } => match (invite.turn(context.io), *proceeding) {
                (true, true) => self.cancel(Outcome::NoFinalAnswer, context),
                (true, false) => self.end(Outcome::NoAnswer, context),
                (false, _) => {}
            },
            State::Up { .. } => self.hang_up(Outcome::Completed, context),
            State::Ending { bye, .. } => {
                if bye.turn(context.io) {
                    self.end(Outcome::ByeUnanswered, context);
                }
            }
            State::Over { .. } => {}
        }
    }

    /// Ends it early.
    pub(super) fn stop(&mut self, context: &mut Context<'_, '_>) {
        match self.state {
            State::Inviting { cancel: Cancel::No, .. } => self.cancel(Outcome::Stopped, context),
            State::Up { .. } => self.hang_up(Outcome::Stopped, context),
            _ => {}
        }
    }

    /// The other side has sent a BYE.
    pub(super) fn ended_by_them(&mut self, context: &mut Context<'_, '_>) {
        if matches!(self.state, State::Up { .. }) {
            self.end(Outcome::EndedEarly, context);
        }
    }

    /// Takes a response.
    pub(super) fn handle_response(&mut self, response: &Response, source: SocketAddr, context: &mut Context<'_, '_>) {
        match (&response.method, response.status()) {
            (Method::Invite, 100..=199) => self.handle_provisional(response.status(), context),
            (Method::Invite, 200..=299) => self.handle_success(response, source, context),
            (Method::Invite, _) => self.handle_refusal(response, context),
            (Method::Cancel, 200..) => {
                if let State::Inviting { cancel: Cancel::Sent(cancel, _), .. } = &mut self.state {
                    cancel.hush(context.io.now + LINGER);
                }
            }
            (Method::Bye, 200..) => self.handle_bye_answer(response.status(), context),
            _ => {}
        }
    }

    fn handle_provisional(&mut self, status: u16, context: &mut Context<'_, '_>) {
        let State::Inviting { invite, proceeding, cancel } = &mut self.state else { return };
        *proceeding = true;
        invite.hush(context.io.now + RINGING_MAX);
        let wanted = match cancel {
            Cancel::Wanted(outcome) => Some(*outcome),
            _ => None,
        };
        if status > 100 && !std::mem::replace(&mut self.rang, true) {
            context.placed.ringing.record(context.io.now - self.placed_at);
        }
        if let Some(outcome) = wanted {
            self.cancel(outcome, context);
        }
    }

    fn handle_success(&mut self, response: &Response, source: SocketAddr, context: &mut Context<'_, '_>) {
        let known = match &self.state {
            State::Up { ack, .. } | State::Ending { ack, .. } if ack.tag == response.to_tag => Some(&ack.ack),
            State::Over { last: Some(last), .. } => Some(last),
            _ => None,
        };
        if let Some(ack) = known {
            context.io.send(ack.clone());
            return;
        }
        let mut dialog = Dialog::of_caller(&self.names.head("INVITE", context), response, source);
        let ack = dialog.ack(&context.names.next());
        context.io.send(ack.clone());
        let State::Inviting { cancel, .. } = &self.state else {
            // Another branch of a fork, or an answer that comes too late: ended at once.
            context.io.send(dialog.bye(&context.names.next()));
            return;
        };
        let cancelled = match cancel {
            Cancel::No => None,
            Cancel::Wanted(outcome) | Cancel::Sent(_, outcome) => Some(*outcome),
        };
        context.placed.setup.record(context.io.now - self.placed_at);
        context.placed.answered += 1;
        context.placed.trying -= 1;
        context.placed.up += 1;
        context.placed.up_max = context.placed.up_max.max(context.placed.up);
        let description = Description::read(response.header("Content-Type"), response.body());
        let ack = Acknowledged { tag: response.to_tag.clone(), ack };
        self.state = State::Up { dialog, ack, until: context.io.now + context.plan.hold };
        match (cancelled, description) {
            (Some(outcome), _) => self.hang_up(outcome, context),
            (None, Some(it)) => context.io.media.start(self.leg, it.remote, it.codec),
            (None, None) if context.plan.needs_media => self.hang_up(Outcome::NoMedia, context),
            (None, None) => {}
        }
    }

    fn handle_refusal(&mut self, response: &Response, context: &mut Context<'_, '_>) {
        let to = response.header("To").map(|to| String::from_utf8_lossy(&to).into_owned()).unwrap_or_default();
        let head = Head { to: &to, ..self.names.head("ACK", context) };
        let ack = Datagram { to: context.plan.target, bytes: request(&head, None) };
        let outcome = match &self.state {
            State::Inviting { cancel: Cancel::Wanted(outcome) | Cancel::Sent(_, outcome), .. } => *outcome,
            State::Inviting { .. } => Outcome::Refused(response.status()),
            // Sent again because the ACK was lost.
            State::Over { .. } => return context.io.send(ack),
            State::Up { .. } | State::Ending { .. } => return,
        };
        context.io.send(ack);
        self.end(outcome, context);
    }

    fn handle_bye_answer(&mut self, status: u16, context: &mut Context<'_, '_>) {
        let State::Ending { since, outcome, .. } = &self.state else { return };
        let outcome = if status < 300 { *outcome } else { Outcome::ByeRefused(status) };
        context.placed.teardown.record(context.io.now - *since);
        self.end(outcome, context);
    }

    fn cancel(&mut self, outcome: Outcome, context: &mut Context<'_, '_>) {
        let bytes = request(&self.names.head("CANCEL", context), None);
        let State::Inviting { invite, proceeding, cancel } = &mut self.state else { return };
        if !*proceeding {
            *cancel = Cancel::Wanted(outcome);
            return;
        }
        invite.hush(context.io.now + 2 * LINGER);
        *cancel = Cancel::Sent(Repeat::new(Datagram { to: context.plan.target, bytes }, context.io), outcome);
    }

    fn hang_up(&mut self, outcome: Outcome, context: &mut Context<'_, '_>) {
        let now = context.io.now;
        let over = State::Over { last: None, until: now };
        let State::Up { mut dialog, ack, .. } = std::mem::replace(&mut self.state, over) else { return };
        context.io.media.stop(self.leg);
        let bye = Repeat::new(dialog.bye(&context.names.next()), context.io);
        self.state = State::Ending { ack, bye, since: now, outcome };
    }

    fn end(&mut self, outcome: Outcome, context: &mut Context<'_, '_>) {
        context.io.media.stop(self.leg);
        let (trying, last) = match &self.state {
            State::Inviting { .. } => (true, None),
            State::Up { ack, .. } | State::Ending { ack, .. } => (false, Some(ack.ack.clone())),
            State::Over { .. } => return,
        };
        *if trying { &mut context.placed.trying } else { &mut context.placed.up } -= 1;
        context.placed.count(outcome);
        self.state = State::Over { last, until: context.io.now + LINGER };
    }
}

impl CallNames {
    fn head<'a>(&'a self, method: &'a str, context: &Context<'_, '_>) -> Head<'a> {
        Head {
            method,
            uri: &self.uri,
            local: context.plan.local,
            branch: &self.branch,
            routes: &[],
            from: &self.from,
            to: &self.to,
            call_id: &self.call_id,
            cseq: 1,
        }
    }
}
