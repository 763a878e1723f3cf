//! What a supervisor does within a session: another mode, another call.

use undertone_core::mixer::{Mode, Signal};

use super::{Desk, Output, call_key, find, key, role_of, session::Stage};
use crate::{
    audit::{By, Event, On, What},
    call::{CallId, Media},
    element::Element,
    monitor::{Code, Digit, Heard, RefusalSound, SessionId},
    permission::{Denial, LocalTime, Via},
    time::Nanos,
    trunk::Side,
    ua::UaId,
};

impl Desk {
    /// A key was pressed on a supervisor's phone.
    pub fn digit<M: Media>(&mut self, now: Nanos, time: LocalTime, id: SessionId, digit: Digit, element: &Element<M>) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let timeout = self.monitoring.digit_timeout;
        match session.collector.handle_digit(now, digit, &self.monitoring.codes, timeout) {
            Heard::Code(Code::Mode(mode)) => self.switch(id, mode, (Via::Phone, ""), time, element).unwrap_or_default(),
            Heard::Code(Code::NextCall) => self.next_call(id, time, element).unwrap_or_default(),
            Heard::Beginning | Heard::Nothing => {}
            Heard::Unknown => self.play_refusal(id, None),
        }
    }

    /// A key was pressed, as a message in the call says.
    pub fn digit_of_ua<M: Media>(&mut self, now: Nanos, time: LocalTime, ua: UaId, digit: char, element: &Element<M>) {
        if let (Some(id), Some(digit)) = (self.by_ua.get(&ua).copied(), Digit::from_letter(digit)) {
            self.digit(now, time, id, digit, element);
        }
    }

    /// Gives a session another mode. `from` is how and from where that is asked for.
    pub fn switch<M: Media>(
        &mut self,
        id: SessionId,
        mode: Mode,
        from: (Via, &str),
        time: LocalTime,
        element: &Element<M>,
    ) -> Result<(), Denial> {
        let Some(session) = self.sessions.get(&id) else { return Err(Denial::NoCall) };
        let via = from.0;
        // A key that is pressed says nothing of where the telephone is.
        let address = if from.1.is_empty() && via == session.by.via { &session.by.address } else { from.1 };
        let address = address.to_owned();
        let (by, target, call) = (By { via, address, ..session.by.clone() }, session.target.clone(), session.call);
        let place = call.and_then(|call| element.call(call)).and_then(|call| Some((call, role_of(call, &target)?)));
        let outcome = match place {
            None => Err(Denial::NoCall),
            // To fall silent is always permitted.
            Some(_) if self.is_unaudited && mode != Mode::Listen => Err(Denial::Unaudited),
            Some(_) => self.decide(&by, Side::OnNet, &target, mode, place, time, element),
        };
        if let Err(denial) = outcome {
            let denial = self.refused(by, &target, call, Some(id), Some(mode), denial);
            self.play_refusal(id, Some(denial));
            return Err(denial);
        }
        let Some(session) = self.sessions.get_mut(&id) else { return Err(Denial::NoCall) };
        let is_up = session.stage == Stage::Up;
        let was = std::mem::replace(&mut session.mode, mode);
        self.counters.changes += 1;
        let on = On { extension: target, ..On::default() };
        let event = Event::new(What::ModeChanged, by).with("was", was.key());
        self.outputs.push_back(Output::Audit(Event { on, call, session: Some(id), mode: Some(mode), ..event }));
        if let Some(call) = call.filter(|_| is_up) {
            self.outputs.push_back(Output::Attach(key(id), call_key(call), mode));
            self.follow_modes(call);
        }
        self.outputs.push_back(Output::Keep(id));
        if self.monitoring.confirmation_tone {
            self.outputs.push_back(Output::Play(key(id), Signal::Confirmation));
        }
        Ok(())
    }

    /// Goes on with the next call of the extension.
    pub(super) fn next_call<M: Media>(
        &mut self,
        id: SessionId,
        time: LocalTime,
        element: &Element<M>,
    ) -> Result<(), Denial> {
        let Some(session) = self.sessions.get(&id) else { return Err(Denial::NoCall) };
        let (by, target, call) = (session.by.clone(), session.target.clone(), session.call);
        let next = find(element, &target, call);
        let permitted = if self.is_unaudited {
            Err(Denial::Unaudited)
        } else {
            self.decide(&by, Side::OnNet, &target, Mode::Listen, next, time, element)
        };
        match permitted.and(next.ok_or(Denial::NoCall)) {
            Ok((next, _)) => self.move_to(id, Some(next.id), "The Next Call", element),
            Err(denial) => {
                let denial = self.refused(by, &target, call, Some(id), None, denial);
                self.play_refusal(id, Some(denial));
                return Err(denial);
            }
        }
        Ok(())
    }

    /// Puts a session to another call, or to none for now. It listens there. `why` is for the audit.
    pub(super) fn move_to<M: Media>(
        &mut self,
        id: SessionId,
        call: Option<CallId>,
        why: &'static str,
        element: &Element<M>,
    ) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        let was = std::mem::replace(&mut session.call, call);
        session.mode = Mode::Listen;
        let (is_up, by) = (session.stage == Stage::Up, session.by.clone());
        let on = On { extension: session.target.clone(), ..On::default() };
        let event = Event::new(What::CallChanged, by);
        let (mode, reason) = (Some(Mode::Listen), why.into());
        self.outputs.push_back(Output::Audit(Event { on, call, session: Some(id), mode, reason, ..event }));
        self.outputs.extend([Output::Detach(key(id)), Output::Keep(id)]);
        if let Some(call) = call.filter(|_| is_up) {
            self.attach(id, call, Mode::Listen, element);
            if self.monitoring.confirmation_tone {
                self.outputs.push_back(Output::Play(key(id), Signal::Confirmation));
            }
        }
        if let Some(was) = was {
            self.left(was);
        }
    }

    /// Has a supervisor hear that something was refused: for what reason, or because there is no such code.
    pub(super) fn play_refusal(&mut self, id: SessionId, denial: Option<Denial>) {
        self.outputs.extend(match (self.monitoring.refusal, denial) {
            (RefusalSound::None, _) => None,
            (RefusalSound::Announcement, Some(denial)) => Some(Output::Announce(key(id), denial)),
            (RefusalSound::Tone | RefusalSound::Announcement, _) => Some(Output::Play(key(id), Signal::Refusal)),
        });
    }
}
