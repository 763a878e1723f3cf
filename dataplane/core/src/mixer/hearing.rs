//! Who is to hear whom, as modes and the consent tone say, and what fades when that changes.

use super::{
    Event, Mixer, Person,
    bench::Bench,
    call::{Call, Party, Stream},
    codec::CodecError,
    session::Sessions,
};

impl Mixer {
    /// Has a supervisor be heard by whom the mode says.
    pub(super) fn speak_now(&mut self, now_ns: u64, at: usize, call: usize) -> Result<(), CodecError> {
        let (Some(session), Some(place)) = (self.sessions.get(at), self.calls.get_mut(call)) else { return Ok(()) };
        for party in Party::BOTH {
            let is_heard = session.mode.hears(party.other().person(), Person::Supervisor);
            let Stream { tap: Some(tap), splice: Some(splice), .. } = place.stream_mut(party) else { continue };
            splice.set_voice(now_ns, at, is_heard, &session.mic, tap)?;
        }
        for party in Party::BOTH {
            self.set_splice(call, party);
        }
        Ok(())
    }

    /// Has the consent tone be heard by whom it is to be.
    pub(super) fn tell_now(&mut self, now_ns: u64, at: usize) -> Result<(), CodecError> {
        let Some(call) = self.calls.get_mut(at) else { return Ok(()) };
        for (party, is_heard) in Party::BOTH.into_iter().zip(call.consent) {
            let Stream { tap: Some(tap), splice: Some(splice), .. } = call.stream_mut(party.other()) else { continue };
            splice.set_consent(now_ns, is_heard, tap)?;
        }
        for party in Party::BOTH {
            self.set_splice(at, party);
        }
        Ok(())
    }

    /// A supervisor fades for all who hear it at a call: it goes, or will speak with another codec.
    pub(super) fn fall_silent(&mut self, now_ns: u64, at: usize, call: usize) {
        let Self { calls, sessions, bench, events, .. } = self;
        let Some(call) = calls.get_mut(call) else { return };
        for party in Party::BOTH {
            let (Some(session), Some(splice)) = (sessions.get_mut(at), &mut call.stream_mut(party).splice) else {
                continue;
            };
            if splice.drop_voice(now_ns, at, &mut session.mic, bench) {
                events.push_back(Event::Drained(call.key, party));
            }
        }
        for other in call.sessions.iter().copied().filter(|other| *other != at) {
            let Some(mut ear) = sessions.get_mut(other).and_then(|session| session.ear.take()) else { continue };
            if let Some(session) = sessions.get_mut(at) {
                ear.forget_other(now_ns, at, &mut session.mic, bench);
            }
            if let Some(session) = sessions.get_mut(other) {
                session.ear = Some(ear);
            }
        }
    }

    /// Has supervisors at the same call hear each other as their modes say.
    pub(super) fn follow_others(&mut self, at: usize) {
        let Some(call) = self.sessions.get(at).and_then(|session| session.call) else { return };
        let Some(others) = self.calls.get_mut(call).map(|call| std::mem::take(&mut call.sessions)) else { return };
        for other in others.iter().copied().filter(|other| *other != at) {
            for (hears, speaks) in [(at, other), (other, at)] {
                let Some(mut ear) = self.sessions.get_mut(hears).and_then(|session| session.ear.take()) else {
                    continue;
                };
                if let [Some(listener), Some(speaker)] = [hears, speaks].map(|at| self.sessions.get(at)) {
                    ear.set_other(speaks, listener.mode.hears_supervisor(speaker.mode), &speaker.mic);
                }
                if let Some(session) = self.sessions.get_mut(hears) {
                    session.ear = Some(ear);
                }
            }
        }
        if let Some(call) = self.calls.get_mut(call) {
            call.sessions = others;
        }
    }
}

/// A call fades for a supervisor who hears it.
pub(super) fn forget_call(now_ns: u64, at: usize, call: &mut Call, sessions: &mut Sessions, bench: &mut Bench) {
    let Some(mut ear) = sessions.get_mut(at).and_then(|session| session.ear.take()) else { return };
    ear.forget_call(now_ns, call, sessions, bench);
    if let Some(session) = sessions.get_mut(at) {
        session.ear = Some(ear);
    }
}
