//! One call, as the called side sees it.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use undertone_control_core::sip::message::Request;

use super::Context;
use crate::calls::{
    media::Leg,
    sip::{Datagram, Description, Dialog, Repeat, describe, response, way_back},
};

/// How long a call that is over still answers what comes late (RFC 3261 §17: 64 × T1).
const LINGER: Duration = Duration::from_secs(32);

/// A call.
pub(super) struct Call {
    invite: Request,
    source: SocketAddr,
    tag: String,
    leg: Option<Leg>,
    state: State,
}

enum State {
    /// It rings.
    Ringing { answer_at: Instant, ringing: Datagram },
    /// The 200 is sent, and not acknowledged.
    Answered { answer: Repeat },
    /// Acknowledged: the other side ends it.
    Up,
    /// A refusal is sent, and not acknowledged.
    Refused { refusal: Repeat },
    /// Our own BYE is sent, and not answered.
    Ending { bye: Repeat },
    /// Over.
    Over { until: Instant },
}

impl Call {
    /// Rings.
    pub(super) fn ring(invite: &Request, source: SocketAddr, context: &mut Context<'_, '_>) -> Self {
        let tag = context.names.next();
        let bytes = response(invite, 180, &tag, Some(context.manner.local), None);
        let ringing = Datagram { to: way_back(invite, source), bytes };
        context.io.send(ringing.clone());
        let answer_at = context.io.now + context.manner.ringing;
        let state = State::Ringing { answer_at, ringing };
        let mut call = Self { invite: invite.clone(), source, tag, leg: None, state };
        call.handle_time(context);
        call
    }

    /// When it has something to do; a call that is up waits for the other side.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Ringing { answer_at, .. } => Some(*answer_at),
            State::Answered { answer: repeat } | State::Refused { refusal: repeat } | State::Ending { bye: repeat } => {
                Some(repeat.deadline())
            }
            State::Up => None,
            State::Over { until } => Some(*until),
        }
    }

    /// Whether nothing is left to answer.
    pub(super) fn is_gone(&self, now: Instant) -> bool {
        matches!(self.state, State::Over { until } if now >= until)
    }

    /// Does what is due.
    pub(super) fn handle_time(&mut self, context: &mut Context<'_, '_>) {
        if self.deadline().is_none_or(|deadline| deadline > context.io.now) {
            return;
        }
        match &mut self.state {
            State::Ringing { .. } => self.answer(context),
            State::Answered { answer } => {
                if answer.turn(context.io) {
                    context.answered.unacknowledged += 1;
                    self.hang_up(context);
                }
            }
            State::Refused { refusal: repeat } | State::Ending { bye: repeat } => {
                if repeat.turn(context.io) {
                    self.end(context);
                }
            }
            State::Up | State::Over { .. } => {}
        }
    }

    /// Takes the INVITE again. False when it has come on another way.
    pub(super) fn repeat(&mut self, invite: &Request, context: &mut Context<'_, '_>) -> bool {
        if invite.via.branch != self.invite.via.branch {
            return false;
        }
        match &self.state {
            State::Ringing { ringing, .. } => context.io.send(ringing.clone()),
            State::Answered { answer: repeat } | State::Refused { refusal: repeat } => repeat.again(context.io),
            State::Up | State::Ending { .. } | State::Over { .. } => {}
        }
        true
    }

    /// Takes the ACK, which has the answer where the INVITE had no offer.
    pub(super) fn acknowledged(&mut self, ack: &Request, context: &mut Context<'_, '_>) {
        match self.state {
            State::Answered { .. } => self.state = State::Up,
            State::Refused { .. } => return self.end(context),
            _ => return,
        }
        if self.invite.body().is_empty() {
            self.send_to_whom(ack, context);
        }
    }

    /// The caller has given up.
    pub(super) fn cancelled(&mut self, context: &mut Context<'_, '_>) {
        if matches!(self.state, State::Ringing { .. }) {
            context.answered.cancelled += 1;
            self.refuse(487, context);
        }
    }

    /// The caller has sent a BYE.
    pub(super) fn ended_by_them(&mut self, context: &mut Context<'_, '_>) {
        if matches!(self.state, State::Answered { .. } | State::Up) {
            context.answered.ended += 1;
            self.end(context);
        }
    }

    /// Our BYE is answered.
    pub(super) fn bye_answered(&mut self, context: &mut Context<'_, '_>) {
        if matches!(self.state, State::Ending { .. }) {
            self.end(context);
        }
    }

    /// Ends it.
    pub(super) fn stop(&mut self, context: &mut Context<'_, '_>) {
        match self.state {
            State::Ringing { .. } => self.refuse(480, context),
            State::Answered { .. } | State::Up => self.hang_up(context),
            _ => {}
        }
    }

    fn answer(&mut self, context: &mut Context<'_, '_>) {
        let offer = Description::read(self.invite.header("Content-Type"), self.invite.body());
        if offer.is_none() && !self.invite.body().is_empty() {
            context.answered.refused += 1;
            return self.refuse(488, context);
        }
        let Ok(leg) = context.io.media.open(context.manner.local.ip()) else {
            context.answered.refused += 1;
            return self.refuse(503, context);
        };
        self.leg = Some(leg);
        let codec = offer.map_or(context.manner.codec, |offer| offer.codec);
        let sdp = describe(leg.local, codec);
        let bytes = response(&self.invite, 200, &self.tag, Some(context.manner.local), Some(&sdp));
        let answer = Repeat::new(Datagram { to: way_back(&self.invite, self.source), bytes }, context.io);
        context.answered.answered += 1;
        self.state = State::Answered { answer };
        if let Some(offer) = offer {
            context.io.media.start(leg, offer.remote, offer.codec);
        }
    }

    fn send_to_whom(&self, ack: &Request, context: &mut Context<'_, '_>) {
        let answer = Description::read(ack.header("Content-Type"), ack.body());
        if let (Some(leg), Some(answer)) = (self.leg, answer) {
            context.io.media.start(leg, answer.remote, answer.codec);
        }
    }

    fn refuse(&mut self, status: u16, context: &mut Context<'_, '_>) {
        let bytes = response(&self.invite, status, &self.tag, None, None);
        let refusal = Repeat::new(Datagram { to: way_back(&self.invite, self.source), bytes }, context.io);
        self.state = State::Refused { refusal };
    }

    fn hang_up(&mut self, context: &mut Context<'_, '_>) {
        self.silence(context);
        let mut dialog = Dialog::of_called(&self.invite, &self.tag, context.manner.local, self.source);
        let bye = Repeat::new(dialog.bye(&context.names.next()), context.io);
        self.state = State::Ending { bye };
    }

    fn end(&mut self, context: &mut Context<'_, '_>) {
        self.silence(context);
        context.answered.running -= 1;
        self.state = State::Over { until: context.io.now + LINGER };
    }

    fn silence(&mut self, context: &mut Context<'_, '_>) {
        if let Some(leg) = self.leg.take() {
            context.io.media.stop(leg);
        }
    }
}
