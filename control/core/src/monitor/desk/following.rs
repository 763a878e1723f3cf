//! Calls that are monitored: their streams to the mixer, and their ends.

use undertone_core::mixer::{CallKey, Mode, Party, Person};

use super::{
    Desk, Output, Watched, call_key, find, key, role_of,
    session::{Session, Stage},
    view,
};
use crate::{
    audit::{By, Event, On, What},
    call::{Call, CallId, Media, Phase},
    element::Element,
    monitor::SessionId,
    permission::LocalTime,
    trunk::Side,
    ua::Cause,
};

impl Desk {
    /// Has a session hear a call, and be heard as its mode says.
    pub(super) fn attach<M: Media>(&mut self, id: SessionId, call: CallId, mode: Mode, element: &Element<M>) {
        let target = self.sessions.get(&id).map(|session| session.target.clone()).unwrap_or_default();
        let Some((call, agent)) = element.call(call).and_then(|call| Some((call, role_of(call, &target)?))) else {
            return;
        };
        if !self.calls.contains_key(&call.id) {
            let Some(streams) = view::streams(call, agent, element.media()) else { return };
            self.outputs.push_back(Output::SetCall(call_key(call.id), streams));
            self.outputs.extend(streams.iter().map(|stream| Output::Tap(stream.at, true)));
            self.calls.insert(call.id, Watched { agent, target, streams, diverted: [false; 2], told: [false; 2] });
        }
        if let (Some(session), Some(watched)) = (self.sessions.get_mut(&id), self.calls.get(&call.id)) {
            session.party = if agent == watched.agent { Party::Agent } else { Party::Caller };
        }
        self.outputs.push_back(Output::Attach(key(id), call_key(call.id), mode));
        self.follow_modes(call.id);
    }

    /// Has those parties hear the consent tone who are to in the modes that supervisors are in now, and leads by the mixer
    /// what either party is to hear of more than the other one.
    pub(super) fn follow_modes(&mut self, call: CallId) {
        let is_there = |session: &&Session| session.call == Some(call) && session.stage == Stage::Up;
        let there: Vec<_> = self.sessions.values().filter(is_there).collect();
        let Some(watched) = self.calls.get_mut(&call) else { return };
        let consent = &self.monitoring.consent;
        let told = Party::BOTH.map(|to| there.iter().any(|it| consent.is_heard(it.sees(to), it.mode)));
        if told != std::mem::replace(&mut watched.told, told) {
            let event = tells(call, &watched.target, told);
            self.outputs.extend([Output::Consent(call_key(call), told), Output::Audit(event)]);
        }
        let speaks_to = |to| there.iter().any(|it| it.mode.hears(it.sees(to), Person::Supervisor));
        for (from, (stream, diverted)) in Party::BOTH.into_iter().zip(watched.streams.iter().zip(&mut watched.diverted))
        {
            let to = from.other();
            if (speaks_to(to) || told[to.index()]) && !std::mem::replace(diverted, true) {
                self.outputs.push_back(Output::Divert(stream.at, true));
            }
        }
    }

    /// The other party of this one hears nothing any more but this one.
    pub fn drained(&mut self, call: CallKey, party: Party) {
        let (id, to) = (CallId(call.0), party.other());
        let is_heard = |it: &Session| it.call == Some(id) && it.mode.hears(it.sees(to), Person::Supervisor);
        let Some(watched) = self.calls.get_mut(&id) else { return };
        if watched.told[to.index()] || self.sessions.values().any(is_heard) {
            return;
        }
        let from = party.index();
        if std::mem::take(&mut watched.diverted[from]) {
            self.outputs.push_back(Output::Divert(watched.streams[from].at, false));
        }
    }

    /// A party sends another payload type than it did: it may take any codec that was agreed on, at any time (RFC 3264 §6.1).
    pub fn other_type<M: Media>(&mut self, call: CallKey, element: &Element<M>) {
        if let Some(call) = element.call(CallId(call.0)) {
            self.follow_media(call, element);
        }
    }

    /// A call has come up, has other media, or is over.
    pub fn call_changed<M: Media>(&mut self, call: CallId, time: LocalTime, element: &Element<M>) {
        match element.call(call) {
            Some(call) => {
                self.follow_media(call, element);
                self.follow_parties(call, time, element);
                self.follow_replaced(call, time, element);
                self.join_waiting(call, time, element);
            }
            None => self.call_ended(call, time, element),
        }
    }

    /// Parties may be other ones than they were: a switch has transferred one of them. A session stays with its extension.
    fn follow_parties<M: Media>(&mut self, call: &Call, time: LocalTime, element: &Element<M>) {
        for id in self.sessions_at(call.id) {
            let is_there = self.sessions.get(&id).is_some_and(|session| role_of(call, &session.target).is_some());
            if is_there {
                self.check_again(id, time, element);
            } else {
                self.leave(id, "The Extension Has Left the Call", time, element);
            }
        }
    }

    /// A call that takes the place of another one (RFC 3891) takes over its sessions whose extension it has. They listen there,
    /// since the other party is somebody else.
    fn follow_replaced<M: Media>(&mut self, call: &Call, time: LocalTime, element: &Element<M>) {
        let Some(replaced) = call.replaces.filter(|_| call.phase == Phase::Up) else { return };
        for id in self.sessions_at(replaced) {
            let Some(session) = self.sessions.get(&id) else { continue };
            let (by, target) = (session.by.clone(), session.target.clone());
            let Some(role) = role_of(call, &target) else { continue };
            match self.decide(&by, Side::OnNet, &target, Mode::Listen, Some((call, role)), time, element) {
                Ok(_) => self.move_to(id, Some(call.id), "The Call Was Replaced", element),
                Err(denial) => {
                    self.refused(by, &target, Some(call.id), Some(id), Some(Mode::Listen), denial);
                }
            }
        }
    }

    fn sessions_at(&self, call: CallId) -> Vec<SessionId> {
        self.sessions.iter().filter(|(_, session)| session.call == Some(call)).map(|(id, _)| *id).collect()
    }

    /// A session has to go from its call: it waits for the next one of its extension, or ends.
    fn leave<M: Media>(&mut self, id: SessionId, why: &'static str, time: LocalTime, element: &Element<M>) {
        if !self.monitoring.follow {
            self.hang_up(id, Cause::by_us(200, why));
            return;
        }
        self.move_to(id, None, why, element);
        let target = self.sessions.get(&id).map(|session| session.target.clone()).unwrap_or_default();
        if let Some((next, _)) = find(element, &target, None) {
            self.join_waiting(next, time, element);
        }
    }

    pub(super) fn follow_media<M: Media>(&mut self, call: &Call, element: &Element<M>) {
        let Some(watched) = self.calls.get_mut(&call.id) else { return };
        let Some(streams) = view::streams(call, watched.agent, element.media()) else { return };
        if streams == watched.streams {
            return;
        }
        for ((was, is), diverted) in watched.streams.iter().zip(&streams).zip(&mut watched.diverted) {
            if was.at != is.at {
                self.outputs.push_back(Output::Tap(is.at, true));
                *diverted = false;
            }
        }
        watched.streams = streams;
        self.outputs.push_back(Output::SetCall(call_key(call.id), streams));
        self.follow_modes(call.id);
    }

    /// Sessions that wait for a call of the extension have one.
    pub(super) fn join_waiting<M: Media>(&mut self, call: &Call, time: LocalTime, element: &Element<M>) {
        if call.phase != Phase::Up || self.is_unaudited {
            return;
        }
        let waits = |session: &Session| session.call.is_none() && role_of(call, &session.target).is_some();
        let waiting: Vec<_> = self.sessions.iter().filter(|(_, session)| waits(session)).map(|(id, _)| *id).collect();
        for id in waiting {
            let Some(session) = self.sessions.get(&id) else { continue };
            let (by, target) = (session.by.clone(), session.target.clone());
            let place = role_of(call, &target).map(|role| (call, role));
            match self.decide(&by, Side::OnNet, &target, Mode::Listen, place, time, element) {
                Ok(_) => self.move_to(id, Some(call.id), "The Next Call", element),
                Err(denial) => {
                    self.refused(by, &target, Some(call.id), Some(id), Some(Mode::Listen), denial);
                }
            }
        }
    }

    pub(super) fn call_ended<M: Media>(&mut self, call: CallId, time: LocalTime, element: &Element<M>) {
        for id in self.sessions_at(call) {
            self.leave(id, "The Call Has Ended", time, element);
        }
        if self.calls.remove(&call).is_some() {
            self.outputs.push_back(Output::EndCall(call_key(call)));
        }
    }

    /// A session is at a call no longer, which is followed no longer when nobody else monitors it.
    pub(super) fn left(&mut self, call: CallId) {
        if self.sessions.values().any(|session| session.call == Some(call)) {
            return self.follow_modes(call);
        }
        let Some(watched) = self.calls.remove(&call) else { return };
        if watched.told != [false; 2] {
            self.outputs.push_back(Output::Audit(tells(call, &watched.target, [false; 2])));
        }
        for (stream, diverted) in watched.streams.iter().zip(watched.diverted) {
            if diverted {
                self.outputs.push_back(Output::Divert(stream.at, false));
            }
            self.outputs.push_back(Output::Tap(stream.at, false));
        }
        self.outputs.push_back(Output::EndCall(call_key(call)));
    }
}

/// That the agent and the caller hear the consent tone from now on, or no longer.
fn tells(call: CallId, target: &str, [agent, caller]: [bool; 2]) -> Event {
    let on = On { extension: target.into(), ..On::default() };
    let event = Event::new(What::ConsentTone, By::node()).with("agent", agent).with("caller", caller);
    Event { on, call: Some(call), ..event }
}
