//! Recordings of a call between a carrier and a PBX, under a virtual clock.

use undertone_core::mixer::Codec;

use super::*;
use crate::{
    config::PortRange,
    directory::{Directory, User},
    element::tests::{
        Bench, CARRIER, Draft, PBX,
        calls::{call_up, from_pbx, within},
        reply, sdp, socket, trunks,
    },
    permission::Via,
    sip::message::Response,
    trunk::{Route, Trunks},
};

fn set<const N: usize>(words: [&str; N]) -> std::collections::BTreeSet<String> {
    words.map(Into::into).into()
}

/// Both recorders, and Bob's calls, who has 100.
fn settings() -> Settings {
    let files = Files { directory: "/rec".into(), name: Pattern::default(), keep_days: None, group_readable: false };
    Settings {
        everyone: false,
        always: set(["bob"]),
        never: set([]),
        at_once_max: 2,
        files: Some(files),
        copies: Some(Copies { address: [203, 0, 113, 9].into(), ports: PortRange { first: 30_000, last: 30_007 } }),
    }
}

fn stamp() -> Stamp {
    Stamp { date: "2026-11-27".into(), time: "08-30-00".into() }
}

fn operator() -> By {
    By { via: Via::Cli, ..By::node() }
}

struct Scene {
    bench: Bench,
    recordings: Recordings,
    can_audit: bool,
    /// What was to be done, audit and news left out.
    done: Vec<Output>,
    audit: Vec<Event>,
    told: Vec<Told>,
    seen: (usize, usize),
}

impl Scene {
    fn new(settings: Settings) -> Self {
        Self::with(settings, Monitoring::default(), trunks())
    }

    fn with(settings: Settings, monitoring: Monitoring, trunks: Trunks) -> Self {
        let bob = User { name: "bob".into(), extensions: vec!["100".into()], ..User::default() };
        let directory = Directory::new(vec![bob], Vec::new(), Vec::new());
        Self {
            bench: Bench::with(Trunks { directory, ..trunks }),
            recordings: Recordings::new(Some(Arc::new(settings)), Arc::new(monitoring)),
            can_audit: true,
            done: Vec::new(),
            audit: Vec::new(),
            told: Vec::new(),
            seen: (0, 0),
        }
    }

    fn with_call(settings: Settings) -> (Self, Response) {
        let mut scene = Self::new(settings);
        let answer = scene.call();
        (scene, answer)
    }

    fn call(&mut self) -> Response {
        let (_, answer) = call_up(&mut self.bench);
        self.turn();
        answer
    }

    fn id(&self) -> CallId {
        self.bench.element.calls().next().expect("a call").id
    }

    fn at_this_moment<T>(&mut self, act: impl FnOnce(&mut Recordings, Moment<'_>, &Bench) -> T) -> T {
        let moment = Moment { at: self.bench.now, stamp: &stamp, can_audit: self.can_audit };
        let outcome = act(&mut self.recordings, moment, &self.bench);
        while let Some(output) = self.recordings.poll() {
            match output {
                Output::Begin(_, event) | Output::Audit(event) => self.audit.push(event),
                Output::Tell(told) => self.told.push(told),
                output => self.done.push(output),
            }
        }
        outcome
    }

    /// Tells of calls that have changed or are over.
    fn turn(&mut self) {
        let kept = self.bench.kept[self.seen.0..].iter().filter_map(|kept| kept.id.parse().ok());
        let over = self.bench.records[self.seen.1..].iter().map(|record| record.id);
        let changed: Vec<CallId> = kept.chain(over).collect();
        self.seen = (self.bench.kept.len(), self.bench.records.len());
        for call in changed {
            self.at_this_moment(|recordings, moment, bench| recordings.call_changed(call, moment, &bench.element));
        }
    }

    fn ask(&mut self, target: &str) -> Result<CallId, Refusal> {
        self.at_this_moment(|recordings, moment, bench| recordings.ask(target, operator(), moment, &bench.element))
    }

    fn stop(&mut self) -> bool {
        let id = self.id();
        self.at_this_moment(|recordings, _, _| recordings.stop(id, operator()))
    }

    fn report(&mut self, id: CallId, report: FileReport) {
        self.at_this_moment(|recordings, _, _| recordings.file(id, report));
    }

    fn bye(&mut self, answer: &Response) {
        self.bench.send(CARRIER, within("BYE", "b", 9, answer).text());
        let bye = self.bench.request(PBX);
        self.bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
        self.turn();
    }

    fn audited(&self) -> Vec<(&'static str, &str)> {
        self.audit.iter().map(|event| (event.what.key(), event.reason.as_str())).collect()
    }

    fn done(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.done)
    }
}

const CALLER: &str = "192.0.2.10:20000";
const AGENT: &str = "192.0.2.10:20002";

#[test]
fn a_call_of_whom_the_rules_name_is_recorded_from_its_answer_to_its_end() {
    let (mut scene, answer) = Scene::with_call(settings());
    let id = scene.id();
    let track = |at: &str| Track { at: socket(at), codecs: vec![(0, Codec::Pcmu), (8, Codec::Pcma)] };
    let [caller, agent] = ["203.0.113.9:30000", "203.0.113.9:30002"].map(|to| To::Port(socket(to)));
    let writing = Writing {
        path: format!("/rec/2026-11-27/08-30-00-+4930-100-{id}.wav").into(),
        rate: SampleRate::Hz8000,
        group_readable: false,
        since: scene.bench.now,
        goes_on: false,
    };
    let expected = [
        Output::Open(id, writing),
        Output::Follow(id, [track(CALLER), track(AGENT)]),
        Output::Copy(socket(CALLER), To::File),
        Output::Copy(socket(CALLER), caller),
        Output::Copy(socket(AGENT), To::File),
        Output::Copy(socket(AGENT), agent),
        Output::Keep(id),
    ];
    assert_eq!(scene.done(), expected);
    assert!(matches!(&scene.told[..], [Told::Started(recording)] if recording.begun.why == Why::Rule));

    scene.bye(&answer);
    let ended = scene.done();
    assert!(ended.contains(&Output::EndCopy(socket(AGENT), agent)) && ended.contains(&Output::Close(id)));
    assert_eq!(scene.told.len(), 1, "the file is not whole yet");
    scene.report(id, FileReport::Finished);
    assert!(matches!(&scene.told[1..], [Told::Ended(_, "call-ended")]));
    assert_eq!(scene.done(), [Output::Forget(id)]);
    assert_eq!(scene.audited(), [("recording-started", "rule"), ("recording-ended", "call-ended")]);
}

#[test]
fn a_route_or_somebody_may_have_it_recorded_and_nobody_else() {
    let nobody = || Settings { always: set([]), ..settings() };
    let (mut scene, _) = Scene::with_call(nobody());
    assert_eq!(scene.done(), []);
    assert_eq!(scene.ask("999"), Err(Refusal::NoCall));
    let id = scene.id();
    assert_eq!((scene.ask("100"), scene.ask(&id.to_string())), (Ok(id), Err(Refusal::Already)));
    assert_eq!(scene.recordings.counters().refused.each().map(|(_, count)| count).sum::<u64>(), 2);
    let told = [("recording-refused", "no-call"), ("recording-started", "asked"), ("recording-refused", "already")];
    assert_eq!(scene.audited(), told);

    let trunks = trunks();
    let routes = trunks.routes.iter().map(|route| Route { record: true, ..route.clone() }).collect();
    let mut scene = Scene::with(nobody(), Monitoring::default(), Trunks { routes, ..trunks });
    scene.call();
    assert_eq!(scene.audited(), [("recording-started", "route")]);
}

#[test]
fn emergency_calls_and_the_protected_are_never_recorded() {
    let emergency = Monitoring { emergency_numbers: set(["100"]), ..Monitoring::default() };
    let protected = Monitoring { never: set(["bob"]), ..Monitoring::default() };
    let everyone = Settings { everyone: true, ..settings() };
    for (settings, monitoring, refusal) in [
        (settings(), emergency, Refusal::Emergency),
        (settings(), protected, Refusal::Protected),
        (Settings { never: set(["100"]), ..settings() }, Monitoring::default(), Refusal::Protected),
        (Settings { never: set(["+4930"]), ..everyone }, Monitoring::default(), Refusal::Protected),
    ] {
        let mut scene = Scene::with(settings, monitoring, trunks());
        scene.call();
        assert_eq!(scene.done(), []);
        assert_eq!(scene.ask("100"), Err(refusal));
        let reason = refusal.key();
        assert_eq!(scene.audited(), [("recording-refused", reason); 2]);
        assert!(matches!(scene.told[0], Told::Refused(_, told) if told == refusal));
    }
}

#[test]
fn who_may_be_recorded_no_longer_is_not() {
    let (mut scene, _) = Scene::with_call(settings());
    let id = scene.id();
    let new = Arc::new(Settings { never: set(["bob"]), ..settings() });
    scene.at_this_moment(|recordings, moment, bench| {
        recordings.set_settings(Some(new), Arc::default(), moment, &bench.element);
    });
    assert_eq!(scene.audited()[1..], [("recording-ended", "protected")]);
    assert!(scene.done().contains(&Output::Close(id)));
    assert_eq!(scene.recordings.running().count(), 0);
    let old = Arc::new(settings());
    scene.at_this_moment(|recordings, moment, bench| {
        recordings.set_settings(Some(old), Arc::default(), moment, &bench.element);
    });
    assert_eq!(scene.recordings.running().count(), 1, "the rules hold for calls that are up");
}

#[test]
fn a_recording_that_was_stopped_stays_so_until_somebody_asks() {
    let (mut scene, answer) = Scene::with_call(settings());
    let id = scene.id();
    assert!(scene.stop() && !scene.stop());
    scene.report(id, FileReport::Finished);
    scene.done();
    let hold = Draft { body: sdp("203.0.113.7:6000") + "a=sendonly\r\n", ..from_pbx("INVITE", "h", 1, &answer) };
    scene.bench.send(PBX, hold.text());
    let offer = scene.bench.request(CARRIER);
    scene.bench.send(CARRIER, reply(&offer, 200, "ann", CARRIER, &(sdp("198.51.100.7:4100") + "a=recvonly\r\n")));
    scene.turn();
    assert_eq!(scene.done(), []);
    assert_eq!(scene.ask("100"), Ok(id));
    let again = format!("/rec/2026-11-27/08-30-00-+4930-100-{id}-2.wav");
    let opened = scene.done();
    assert!(matches!(&opened[0], Output::Open(_, writing) if writing.path.to_str() == Some(&again)), "{opened:?}");
}

#[test]
fn another_codec_is_announced_and_the_file_keeps_its_rate() {
    let (mut scene, answer) = Scene::with_call(settings());
    scene.done();
    let wide = |at: &str| sdp(at).replace("0 8\r\na=rtpmap:0 PCMU/8000", "9 101\r\na=rtpmap:101 telephone-event/8000");
    scene.bench.send(PBX, Draft { body: wide("203.0.113.7:6000"), ..from_pbx("INVITE", "w", 1, &answer) }.text());
    let offer = scene.bench.request(CARRIER);
    scene.bench.send(CARRIER, reply(&offer, 200, "ann", CARRIER, &wide("198.51.100.7:4000")));
    scene.turn();
    let [Told::Started(_), Told::Changed(recording)] = &scene.told[..] else { panic!("{:?}", scene.told) };
    let formats = recording.streams.map(|stream| stream.format.map(|format| (format.codec, format.telephone_event)));
    assert_eq!(formats, [Some((Codec::G722, Some(101))); 2]);
    assert_eq!(recording.begun.file.as_ref().map(|file| file.rate), Some(SampleRate::Hz8000));
    let done = scene.done();
    assert!(matches!(&done[..], [Output::Follow(_, [track, _])] if track.codecs == [(9, Codec::G722)]), "{done:?}");
}

#[test]
fn what_cannot_be_read_goes_to_the_operators_recorder_alone() {
    let secret = |settings: Settings| {
        let mut scene = Scene::new(settings);
        let strange = |at: &str| sdp(at).replace("0 8\r\na=rtpmap:0 PCMU/8000", "18");
        let invite = crate::element::tests::invite("1");
        scene.bench.send(CARRIER, Draft { body: strange("198.51.100.7:4000"), ..invite }.text());
        let invite = scene.bench.request(PBX);
        scene.bench.send(PBX, reply(&invite, 200, "bob", PBX, &strange("203.0.113.7:6000")));
        scene.turn();
        scene
    };
    let mut scene = secret(settings());
    let done = scene.done();
    assert!(done.iter().all(|output| matches!(output, Output::Copy(_, To::Port(_)) | Output::Keep(_))), "{done:?}");
    let scene = secret(Settings { copies: None, ..settings() });
    assert_eq!(scene.audited(), [("recording-refused", "unreadable")]);
}

#[test]
fn a_full_disk_ends_the_file_and_not_the_copies() {
    let (mut scene, answer) = Scene::with_call(settings());
    let id = scene.id();
    scene.done();
    scene.report(id, FileReport::Failed(Fault::DiskFull));
    let ended = [CALLER, AGENT].map(|at| Output::EndCopy(socket(at), To::File));
    assert_eq!(scene.done(), [&ended[..], &[Output::Keep(id)]].concat());
    assert!(matches!(&scene.told[1..], [Told::Failed(recording, Fault::DiskFull)] if !recording.is_written()));
    scene.bye(&answer);
    assert!(matches!(&scene.told[2..], [Told::Ended(..)]), "no file is waited for");

    let (mut scene, _) = Scene::with_call(Settings { copies: None, ..settings() });
    let id = scene.id();
    scene.report(id, FileReport::Failed(Fault::DiskFull));
    let expected = [("recording-started", "rule"), ("recording-failed", "disk-full"), ("recording-ended", "disk-full")];
    assert_eq!(scene.audited(), expected);
    assert_eq!(
        (scene.recordings.running().count(), scene.recordings.counters().failed.each().next()),
        (0, Some((Fault::DiskFull, 1)))
    );
}

#[test]
fn there_is_a_limit_and_the_audit_has_to_work() {
    let (mut scene, _) = Scene::with_call(Settings { at_once_max: 0, ..settings() });
    assert_eq!((scene.ask("100"), scene.done()), (Err(Refusal::NoRoom), vec![]));
    let mut scene = Scene::new(settings());
    scene.can_audit = false;
    scene.call();
    assert_eq!((scene.ask("100"), scene.done()), (Err(Refusal::Unaudited), vec![]));
    scene.can_audit = true;
    let id = scene.ask("100").expect("it may");
    scene.at_this_moment(|recordings, _, _| recordings.unwritten(id));
    assert_eq!(scene.recordings.running().count(), 0);
}

#[test]
fn a_recording_goes_on_in_the_next_daemon() {
    let (mut scene, _) = Scene::with_call(settings());
    let (id, began) = (scene.id(), scene.bench.now);
    let kept = scene.recordings.kept(id).expect("it is up");
    let kept: Kept = serde_json::from_str(&serde_json::to_string(&kept).expect("JSON")).expect("the same");
    assert!(kept.path().is_some());
    let before: Vec<_> = scene.done();
    scene.recordings = Recordings::new(Some(Arc::new(settings())), Arc::default());
    scene.bench.now = scene.bench.now + std::time::Duration::from_secs(5);
    assert!(scene.at_this_moment(|recordings, _, bench| recordings.restore(&kept, &bench.element)));
    let after = scene.done();
    let Output::Open(_, writing) = &after[0] else { panic!("{after:?}") };
    assert_eq!((writing.goes_on, writing.since), (true, began));
    assert_eq!(after[1..], before[1..], "the same ports");
    assert!(scene.stop());
    scene.report(id, FileReport::Finished);
    let kept = scene.recordings.kept(id).expect("that it was stopped");
    scene.recordings = Recordings::new(Some(Arc::new(settings())), Arc::default());
    assert!(scene.at_this_moment(|recordings, _, bench| recordings.restore(&kept, &bench.element)));
    scene.at_this_moment(|recordings, moment, bench| recordings.call_changed(id, moment, &bench.element));
    assert_eq!(scene.recordings.running().count(), 0);
    scene.bench = Bench::with(trunks());
    assert!(!scene.at_this_moment(|recordings, _, bench| recordings.restore(&kept, &bench.element)), "it is over");
}
