//! Supervisors who call and are called, at a call between a carrier and a PBX, under a virtual clock.

mod calling;
mod consent;
mod following;
mod phones;
mod refusals;
mod unaudited;

use std::time::Duration;

use undertone_core::mixer::Party;

use super::*;
use crate::{
    call::Ports as PortsOf,
    directory::{Directory, User},
    element::tests::{
        Bench, CARRIER, Draft, MEDIA, PBX, PBX_2,
        calls::{call_up, from_pbx, within},
        invite,
        own::{asked, dial, header, in_own, phone},
        reply, sdp, socket, trunks,
    },
    monitor::{Codes, Digit},
    permission::{Hours, Modes, Names, Rule, Weekday, Who, Whom},
    sip::message::{Method, Response},
};

/// Tuesday, ten o'clock.
const NOON: LocalTime = LocalTime { weekday: Weekday::Tuesday, minute: 600 };

/// Ann, who has 200, may monitor Bob, who has 100, and Joe, who has 101; nobody may monitor Eve, who has 300.
struct Scene {
    bench: Bench,
    desk: Desk,
    /// What was to be done in the mixer and the data plane.
    done: Vec<Output>,
    audit: Vec<Event>,
    can_write: bool,
    told: (usize, usize),
}

fn set<const N: usize>(words: [&str; N]) -> std::collections::BTreeSet<String> {
    words.map(Into::into).into()
}

fn monitoring() -> Monitoring {
    let who = Who { names: Names { users: set(["ann"]), ..Names::default() }, ..Who::default() };
    let whom =
        Whom { names: Names { users: set(["ann", "bob", "joe", "eve"]), ..Names::default() }, ..Whom::default() };
    let rule = Rule { who, whom, modes: Mode::ALL.into_iter().collect::<Modes>(), hours: Hours::always() };
    Monitoring {
        enabled: true,
        codes: Codes::default(),
        never: set(["eve"]),
        rules: vec![rule],
        ..Monitoring::default()
    }
}

impl Scene {
    fn new() -> Self {
        Self::with(monitoring())
    }

    fn with(monitoring: Monitoring) -> Self {
        let user = |name: &str, extension: &str| User {
            name: name.into(),
            extensions: vec![extension.into()],
            ..User::default()
        };
        let people = vec![user("ann", "200"), user("bob", "100"), user("joe", "101"), user("eve", "300")];
        let directory = Directory::new(people, Vec::new(), Vec::new());
        let mut bench = Bench::with(crate::trunk::Trunks { directory, ..trunks() });
        let numbers = ["007", "*8"].map(|prefix| crate::ua::OwnNumber::Prefix { prefix: prefix.into(), more_max: 6 });
        bench.element.set_own(numbers.into(), crate::ua::Limits::default());
        let ports = PortsOf::new(&[MEDIA.into()], 30_000, 30_003);
        let desk = Desk::new(Arc::new(monitoring), ports, 0);
        Self { bench, desk, done: Vec::new(), audit: Vec::new(), can_write: true, told: (0, 0) }
    }

    /// With a call from the carrier to 100, and what the carrier was answered.
    fn with_call() -> (Self, Response) {
        let mut scene = Self::new();
        let (_, answer) = call_up(&mut scene.bench);
        scene.turn();
        (scene, answer)
    }

    fn send(&mut self, from: &str, message: impl AsRef<[u8]>) {
        self.bench.send(from, message);
        self.turn();
    }

    /// Tells the desk what has happened, and does what it wants.
    fn turn(&mut self) {
        loop {
            let kept = self.bench.kept.len();
            let over = self.bench.records.len();
            let changed: Vec<CallId> =
                self.bench.kept[self.told.0..].iter().filter_map(|kept| kept.id.parse().ok()).collect();
            let ended: Vec<_> = self.bench.records[self.told.1..].iter().map(|record| record.id).collect();
            self.told = (kept, over);
            let events = std::mem::take(&mut self.bench.own);
            for event in events {
                self.hear(&event);
            }
            for call in changed.into_iter().chain(ended) {
                self.desk.call_changed(call, NOON, &self.bench.element);
            }
            let Some(output) = self.desk.poll() else { break };
            self.act(output);
        }
    }

    fn hear(&mut self, event: &crate::ua::Event) {
        use crate::ua::Event as Told;
        let (desk, element) = (&mut self.desk, &self.bench.element);
        match event {
            Told::Incoming(incoming) => desk.incoming(self.bench.now, NOON, incoming, element),
            Told::Media(ua, leg) => desk.media(*ua, leg, NOON, element),
            Told::Party(ua, party) => desk.party(*ua, &party.extension, &party.user, NOON, element),
            Told::Digit { id, digit, .. } => desk.digit_of_ua(self.bench.now, NOON, *id, *digit, element),
            Told::Present(ua) => desk.present(self.bench.now, *ua),
            Told::Ended(ua, cause) => desk.ended(*ua, cause),
            Told::Ringing(_) | Told::Up(_) => {}
        }
    }

    fn act(&mut self, output: Output) {
        let (now, element) = (self.bench.now, &mut self.bench.element);
        match output {
            Output::Begin(id, event) => {
                if self.can_write {
                    self.audit.push(event);
                }
                self.desk.audited(id, self.can_write);
            }
            Output::Audit(event) => self.audit.push(event),
            Output::Accept(ua, terms) => element.accept(now, ua, &terms).expect("it can be answered"),
            Output::TurnDown(ua, status, phrase, reason) => {
                assert!(element.turn_down(now, ua, status, phrase, reason));
            }
            Output::Place(id, placement) => {
                let outcome = element.place(now, *placement);
                self.desk.placed(id, outcome);
            }
            Output::HangUp(ua, cause) => {
                element.hang_up(now, ua, cause);
            }
            Output::Probe(ua) => {
                element.probe(now, ua);
            }
            Output::SpeakEarly(id, ua, terms) => {
                if !element.speak_early(now, ua, &terms) {
                    self.desk.said(id);
                }
            }
            other => self.done.push(other),
        }
        self.bench.drain();
    }

    /// A second at a time, the mixer having heard of the phone at `heard`.
    fn look_after(&mut self, seconds: u64, heard: Option<Nanos>) {
        for _ in 0..seconds {
            self.bench.wait(Duration::from_secs(1));
            self.desk.look_after(self.bench.now, |_| heard);
            self.turn();
        }
    }

    /// What was to be done since the last time.
    fn done(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.done)
    }

    /// What and why of everything that was written down since the last time.
    fn written(&mut self) -> Vec<(What, Option<Mode>, String)> {
        self.audit.drain(..).map(|event| (event.what, event.mode, event.reason)).collect()
    }

    /// Ann's phone dials, and is answered.
    fn dial(&mut self, number: &str) -> Response {
        self.send(PBX, dialling(number).text());
        self.bench.response(PBX)
    }

    /// Ann monitors 100: her session, and what her phone was answered.
    fn monitors(&mut self) -> (SessionId, Response) {
        let answer = self.dial("007100");
        assert_eq!(answer.status(), 200);
        self.send(PBX, in_session("ACK", "ack", 1, &answer).text());
        let id = self.desk.sessions().next().expect("a session").id;
        (id, answer)
    }

    /// The caller hangs up, and the PBX takes notice.
    fn caller_hangs_up(&mut self, answer: &Response) {
        self.send(CARRIER, within("BYE", "3", 2, answer).text());
        let bye = self.bench.request(PBX);
        assert_eq!(bye.method(), &Method::Bye);
        self.send(PBX, reply(&bye, 200, "bob", PBX, ""));
        assert_eq!(self.bench.response(CARRIER).status(), 200);
    }

    fn press(&mut self, id: SessionId, keys: &str) {
        for key in keys.chars() {
            let digit = Digit::from_letter(key).expect("a key");
            self.desk.digit(self.bench.now, NOON, id, digit, &self.bench.element);
        }
        self.turn();
    }

    fn switch(&mut self, id: SessionId, mode: Mode) -> Result<(), Denial> {
        let outcome = self.desk.switch(id, mode, (Via::Api, ""), NOON, &self.bench.element);
        self.turn();
        outcome
    }

    fn call(&mut self, wish: Wish) -> Result<SessionId, NotCalled> {
        let outcome = self.desk.call(self.bench.now, NOON, wish, &self.bench.element);
        self.turn();
        outcome
    }

    fn states(&self) -> Vec<(State, Mode)> {
        self.desk.sessions().map(|session| (session.state, session.mode)).collect()
    }

    /// The call that a session is at.
    fn call_of(&self, id: SessionId) -> Option<CallId> {
        self.desk.sessions().find(|session| session.id == id).and_then(|session| session.call)
    }

    /// The name of the one call that there is.
    fn call_id(&self) -> CallId {
        self.bench.element.calls().next().expect("a call").id
    }

    /// Nothing is left of any session.
    fn assert_idle(&self) {
        assert_eq!((self.desk.sessions().count(), self.desk.by_ua.len(), self.desk.calls.len()), (0, 0, 0));
        assert_eq!(self.desk.told.len(), 0);
        assert_eq!(self.desk.ports.used().0, 0, "ports of phones are in use");
    }
}

fn dialling(number: &str) -> Draft {
    let to = format!("<sip:{number}@undertone.example>");
    let call = Box::leak(format!("own-{number}").into_boxed_str());
    Draft {
        uri: format!("sip:{number}@{}", crate::element::tests::US),
        to,
        call,
        ..dial(number.trim_start_matches('*'))
    }
}

/// A request of Ann's phone in its call to 007100.
fn in_session(method: &'static str, branch: &str, cseq: u32, answer: &Response) -> Draft {
    Draft { call: "own-007100", ..in_own(method, branch, cseq, answer) }
}

/// Ann is to be called, and to monitor 100.
fn wish(mode: Mode) -> Wish {
    let (supervisor, target, address) = ("200".into(), "100".into(), "uid 0".into());
    Wish { supervisor, peer: None, target, mode, auto_answer: false, via: Via::Cli, address }
}

/// The media ports of the call: where the caller's sound comes to, and the agent's.
fn ports() -> [SocketAddr; 2] {
    ["192.0.2.10:20000", "192.0.2.10:20002"].map(socket)
}

/// What was led by the mixer, and what no longer.
fn diverts(done: &[Output]) -> Vec<(SocketAddr, bool)> {
    let divert = |output: &Output| if let Output::Divert(at, on) = output { Some((*at, *on)) } else { None };
    done.iter().filter_map(divert).collect()
}

fn plays(done: &[Output], signal: Signal) -> bool {
    done.iter().any(|output| matches!(output, Output::Play(_, played) if *played == signal))
}

#[test]
fn who_dials_the_prefix_listens_after_that_was_written_down() {
    let (mut scene, _) = Scene::with_call();
    let (id, _) = scene.monitors();
    assert_eq!(scene.states(), [(State::Up, Mode::Listen)]);
    let (call, [caller, agent]) = (call_key(scene.call_id()), ports());
    let done = scene.done();
    let streams =
        |output: &Output| if let Output::SetCall(_, streams) = output { Some(streams.map(|it| it.at)) } else { None };
    assert_eq!(done.iter().find_map(streams), Some([agent, caller]), "the agent's comes first");
    assert!(done.contains(&Output::Tap(caller, true)) && done.contains(&Output::Tap(agent, true)), "{done:?}");
    assert!(
        matches!(done.first(), Some(Output::Open(key, at, ..)) if *key == super::key(id) && *at == socket("192.0.2.10:30000"))
    );
    assert_eq!(done.last(), Some(&Output::Attach(key(id), call, Mode::Listen)));
    assert_eq!(diverts(&done), [], "nothing is led by the mixer for who only listens");
    let [event] = &scene.audit[..] else { panic!("one row, not {:?}", scene.audit) };
    assert_eq!((event.what, event.by.user.as_str(), event.on.extension.as_str()), (What::SessionStarted, "ann", "100"));
    assert_eq!((event.session, event.call, scene.desk.counters().begun), (Some(id), Some(scene.call_id()), 1));
}

#[test]
fn a_stream_is_led_by_the_mixer_while_somebody_speaks_into_it() {
    let (mut scene, answer) = Scene::with_call();
    let (id, own) = scene.monitors();
    let (call, [caller, agent]) = (call_key(scene.call_id()), ports());
    scene.done();
    // The agent hears what comes from the caller, and the supervisor in it.
    scene.press(id, "*83");
    let done = scene.done();
    assert_eq!(diverts(&done), [(caller, true)]);
    assert!(done.contains(&Output::Attach(key(id), call, Mode::WhisperToAgent)) && plays(&done, Signal::Confirmation));
    scene.press(id, "*82");
    assert_eq!(diverts(&scene.done()), [(agent, true)]);
    scene.press(id, "*81");
    assert_eq!(diverts(&scene.done()), [], "the mixer has something to say until it has drained");
    scene.desk.drained(call, Party::Caller);
    scene.desk.drained(call, Party::Agent);
    scene.turn();
    assert_eq!(diverts(&scene.done()), [(caller, false)], "the caller is still spoken to");
    scene.press(id, "*80");
    let modes: Vec<_> = scene.written().into_iter().map(|(what, mode, _)| (what, mode)).collect();
    let changed = |mode| (What::ModeChanged, Some(mode));
    let expected = [Mode::WhisperToAgent, Mode::Barge, Mode::WhisperToCaller, Mode::Listen].map(changed);
    assert_eq!(modes[1..], expected);
    assert_eq!(scene.desk.counters().changes, 4);

    scene.send(PBX, in_session("BYE", "bye", 2, &own).text());
    let done = scene.done();
    assert!(done.contains(&Output::Close(key(id))) && done.contains(&Output::EndCall(call)), "{done:?}");
    assert_eq!(diverts(&done), [(agent, false)]);
    assert!(done.contains(&Output::Tap(caller, false)) && done.contains(&Output::Tap(agent, false)));
    scene.assert_idle();
    scene.bench.heard(PBX);
    scene.caller_hangs_up(&answer);
    assert_eq!(scene.done(), [], "nobody is at this call any more");
}

#[test]
fn keys_come_by_info_too_and_a_wrong_code_is_heard() {
    let (mut scene, _) = Scene::with_call();
    let (_, own) = scene.monitors();
    let info =
        |key: char, cseq: u32| Draft { body: key.to_string(), ..in_session("INFO", &format!("i{cseq}"), cseq, &own) };
    for (cseq, key) in (2..).zip("*82".chars()) {
        scene.send(PBX, info(key, cseq).text());
        assert_eq!(scene.bench.response(PBX).status(), 200);
    }
    assert_eq!(scene.states(), [(State::Up, Mode::Barge)]);
    scene.done();
    for (cseq, key) in (5..).zip("*89".chars()) {
        scene.send(PBX, info(key, cseq).text());
    }
    let done = scene.done();
    assert!(plays(&done, Signal::Refusal), "{done:?}");
    assert_eq!(scene.states(), [(State::Up, Mode::Barge)]);
}

#[test]
fn a_code_may_be_dialled_as_a_call_which_says_what_came_of_it_and_is_hung_up() {
    let (mut scene, _) = Scene::with_call();
    let refusal = scene.dial("*83");
    assert_eq!(
        (refusal.status(), header(&refusal, "Reason")),
        (480, Denial::NoCall.reason_header()),
        "there is none yet"
    );
    let (id, _) = scene.monitors();
    for (number, mode, signal, reason) in
        [("*82", Mode::Barge, Signal::Confirmation, ""), ("*84", Mode::Barge, Signal::Refusal, "480")]
    {
        scene.done();
        let answer = scene.dial(number);
        assert_eq!((answer.status(), scene.states()), (200, vec![(State::Up, mode)]), "{number}");
        let call = Box::leak(format!("own-{number}").into_boxed_str());
        scene.send(PBX, Draft { call, ..in_own("ACK", number.trim_start_matches('*'), 1, &answer) }.text());
        let done = scene.done();
        let said = |output: &Output| if let Output::Say(to, saying) = output { Some((*to, *saying)) } else { None };
        let beside: Vec<_> = done.iter().filter_map(said).filter(|(to, _)| *to != id).collect();
        let [(beside, saying)] = beside[..] else { panic!("one tone: {done:?}") };
        assert_eq!((saying.signal, saying.announcement), (Some(signal), None), "{number}");
        scene.desk.said(beside);
        scene.turn();
        let bye = scene.bench.request(PBX);
        assert_eq!(bye.method(), &Method::Bye);
        let said = asked(&bye, "Reason");
        assert!(if reason.is_empty() { said.is_empty() } else { said.contains(reason) }, "{number}: {said}");
        scene.send(PBX, reply(&bye, 200, "sue", PBX, ""));
        assert!(scene.done().contains(&Output::Close(key(beside))), "{number}");
    }
    assert_eq!((scene.desk.told.len(), scene.desk.ports.used().0), (0, 1), "the session's own is left");
}

#[test]
fn a_code_is_done_also_where_there_is_no_port_to_say_so() {
    let (mut scene, _) = Scene::with_call();
    scene.monitors();
    scene.call(wish(Mode::Listen)).expect("there are two ports");
    scene.bench.heard(PBX);
    let refusal = scene.dial("*82");
    assert_eq!((refusal.status(), header(&refusal, "Reason").as_str()), (480, "SIP;cause=200;text=\"Done\""));
    assert!(scene.states().contains(&(State::Up, Mode::Barge)));
}

#[test]
fn who_may_not_is_refused_and_that_is_written_down() {
    for (number, status, denial) in [
        ("007300", 403, Denial::Protected),
        ("007200", 403, Denial::OwnCall),
        ("007999", 404, Denial::UnknownExtension),
        ("007101", 480, Denial::NoCall),
    ] {
        let (mut scene, _) = Scene::with_call();
        let refusal = scene.dial(number);
        assert_eq!((refusal.status(), header(&refusal, "Reason")), (status, denial.reason_header()), "{number}");
        assert_eq!(scene.written(), [(What::Refused, None, denial.key().to_owned())]);
        assert_eq!(scene.desk.counters().refused.of(denial), 1);
        assert_eq!(scene.done(), []);
        scene.assert_idle();
    }
}

#[test]
fn a_mode_that_is_not_permitted_leaves_the_session_as_it_was() {
    let mut only_listen = monitoring();
    only_listen.rules[0].modes = [Mode::Listen].into_iter().collect();
    let mut scene = Scene::with(only_listen);
    call_up(&mut scene.bench);
    scene.turn();
    let (id, _) = scene.monitors();
    scene.done();
    scene.written();
    assert_eq!(scene.switch(id, Mode::Barge), Err(Denial::ModeNotPermitted));
    scene.press(id, "*82");
    let done = scene.done();
    assert!(plays(&done, Signal::Refusal) && diverts(&done).is_empty(), "{done:?}");
    let refused = (What::Refused, Some(Mode::Barge), "mode-not-permitted".to_owned());
    assert_eq!((scene.written(), scene.states()), (vec![refused.clone(), refused], vec![(State::Up, Mode::Listen)]));
    assert_eq!(scene.switch(SessionId(7), Mode::Listen), Err(Denial::NoCall), "there is no such session");
}

#[test]
fn what_cannot_be_written_down_does_not_begin() {
    let (mut scene, _) = Scene::with_call();
    scene.can_write = false;
    assert_eq!(scene.dial("007100").status(), 503);
    let id = scene.call(wish(Mode::Listen)).expect("that is not known yet");
    assert_eq!(scene.bench.heard(PBX).len(), 0, "no phone rings for {id}");
    assert_eq!((scene.desk.counters().refused.of(Denial::Unaudited), scene.desk.counters().begun), (2, 0));
    let refused = (What::Refused, Some(Mode::Listen), "unaudited".to_owned());
    assert_eq!(scene.written(), [refused.clone(), refused], "should the beginning be written yet");
    assert!(!scene.done().iter().any(|output| matches!(output, Output::Open(..))));
    scene.assert_idle();
}

#[test]
fn there_is_no_room_where_no_port_is_free() {
    let (mut scene, _) = Scene::with_call();
    for _ in 0..2 {
        scene.call(wish(Mode::Listen)).expect("there are two ports");
        scene.bench.heard(PBX);
    }
    assert_eq!(scene.call(wish(Mode::Listen)), Err(NotCalled::Denied(Denial::NoRoom)));
    assert_eq!(scene.dial("007100").status(), 503);
    assert_eq!(scene.desk.counters().refused.of(Denial::NoRoom), 2);
}

/// Another call to 100.
fn second_call(scene: &mut Scene) {
    scene.send(CARRIER, Draft { call: "call-2", body: sdp("198.51.100.7:4010"), ..invite("b1") }.text());
    let invite = scene.bench.request(PBX);
    scene.send(PBX, reply(&invite, 200, "bob-2", PBX, &sdp("203.0.113.7:6010")));
    let answer = scene.bench.response(CARRIER);
    let to = "<sip:100@undertone.example>;tag=bob-2".into();
    scene.send(CARRIER, Draft { call: "call-2", to, ..within("ACK", "b2", 1, &answer) }.text());
    assert_eq!(scene.bench.request(PBX).method(), &Method::Ack);
}

#[test]
fn whisper_needs_somebody_from_outside() {
    let (mut scene, _) = Scene::with_call();
    let mut trunks = scene.bench.element.trunks().clone();
    trunks.peers[0].side = Side::OnNet;
    scene.bench.element.set_trunks(Arc::new(trunks), crate::element::Limits::default(), scene.bench.now);
    second_call(&mut scene);
    let (id, _) = scene.monitors();
    assert_eq!(scene.switch(id, Mode::WhisperToAgent), Err(Denial::WhisperOnOneSide));
    assert_eq!(scene.switch(id, Mode::Barge), Ok(()));
}

#[test]
fn rights_that_are_withdrawn_end_a_session_or_its_mode() {
    let (mut scene, _) = Scene::with_call();
    let (id, _) = scene.monitors();
    scene.switch(id, Mode::Barge).expect("it is permitted");
    scene.written();
    let mut less = monitoring();
    less.rules[0].modes = [Mode::Listen].into_iter().collect();
    scene.desk.set_monitoring(Arc::new(less), NOON, &scene.bench.element);
    scene.turn();
    assert_eq!(scene.states(), [(State::Up, Mode::Listen)]);
    assert_eq!(scene.written(), [(What::RightsWithdrawn, Some(Mode::Barge), "mode-not-permitted".into())]);
    scene.desk.set_monitoring(Arc::new(Monitoring { rules: Vec::new(), ..monitoring() }), NOON, &scene.bench.element);
    scene.turn();
    assert_eq!(scene.bench.request(PBX).method(), &Method::Bye);
    let withdrawn = (What::RightsWithdrawn, Some(Mode::Listen), "no-rule".to_owned());
    let ended = (What::SessionEnded, Some(Mode::Listen), Denial::NoRule.sip_phrase().to_owned());
    assert_eq!(scene.written(), [withdrawn, ended]);
    scene.assert_idle();
}
