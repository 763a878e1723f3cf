//! A supervisor dials 007 on a real telephone, and everybody hears whom they should.

mod attacks;
mod changes;
mod codes;
mod consent;
mod following;
mod handset;
mod phones;
mod recorded;
mod refusals;
mod restarts;
mod rights;
mod scene;
mod sound;
mod transfers;
mod unaudited;
mod verify;

use std::net::SocketAddr;

use serde_json::{Value, json};
use undertone_core::mixer::{Mode, Person};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    phone::{Codec, Phone},
    speech::{SAMPLE_RATE, hears, strength, tone},
};

use super::{
    exchange::{Exchange, Over, Plan},
    ground::{Ground, Who},
};
use crate::daemon::{
    http::client::Http,
    operator::{SOON, other},
};

/// Ann, who has 200, may monitor Bob, who has 100, and nobody may monitor Eve.
const MONITORING: &str = r#"
[[user]]
name = "ann"
extensions = ["200"]
role = "call-center-supervisor"
[[user]]
name = "bob"
extensions = ["100"]
[[user]]
name = "eve"
extensions = ["300"]
[monitoring]
never = ["eve"]
[[monitoring.rule]]
who = { users = ["ann"] }
whom = { users = ["bob", "eve"] }
"#;

/// Each person's tone, in hertz, and how much of it there is.
pub(super) const TONES: [(Person, f64); 3] =
    [(Person::Agent, 700.0), (Person::Caller, 1_100.0), (Person::Supervisor, 1_700.0)];
pub(super) const TONE: usize = 120 * SAMPLE_RATE as usize;
/// How long everybody is listened to at a time after a change.
pub(super) const LISTENED: usize = SAMPLE_RATE as usize / 2;
/// How often as long it may take on a busy machine until everybody hears whom they should.
const WINDOWS: usize = 20;
/// How often as long it has to stay so.
const STEADY: usize = 2;

/// A call between a carrier's telephone and Bob's, with Ann's telephone beside.
///
/// The telephones end before what they speak through, which answers their BYEs, and has their addresses until it ends too.
pub(super) struct Floor {
    pub(super) agent: Phone,
    pub(super) caller: Phone,
    pub(super) supervisor: Phone,
    pub(super) exchange: Exchange,
}

/// Somebody of whom it is known what they hear.
pub(super) trait Ear {
    /// What was heard so far.
    fn heard_so_far(&self) -> Result<Vec<i16>>;
}

impl Ear for Phone {
    fn heard_so_far(&self) -> Result<Vec<i16>> {
        self.heard_so_far()
    }
}

impl Floor {
    fn new(plan: Plan) -> Result<Self> {
        Self::with(plan, [Codec::Pcmu; 2])
    }

    /// One on which parties and supervisor have these codecs.
    fn with(plan: Plan, codecs: [Codec; 2]) -> Result<Self> {
        Self::speaking(plan, codecs, TONES.map(|(_, hz)| tone(hz, TONE)))
    }

    /// One on which they say this, in the order of [`TONES`].
    pub(super) fn speaking(mut plan: Plan, codecs: [Codec; 2], sounds: [Vec<i16>; 3]) -> Result<Self> {
        plan.sip.insert_str(0, MONITORING);
        Self::on(plan, codecs, sounds)
    }

    /// By a plan that says who may monitor.
    pub(super) fn of(plan: Plan) -> Result<Self> {
        Self::on(plan, [Codec::Pcmu; 2], TONES.map(|(_, hz)| tone(hz, TONE)))
    }

    fn on(plan: Plan, [parties, supervisors]: [Codec; 2], [agent, caller, supervisor]: [Vec<i16>; 3]) -> Result<Self> {
        let exchange = plan.with_spare().start()?;
        let mut agent = exchange.phone_with(parties, Who::Pbx, "100", &agent, "")?;
        let mut caller = exchange.phone_with(parties, Who::Carrier, "100", &caller, "")?;
        let supervisor = exchange.phone_with(supervisors, Who::Spare, "200", &supervisor, "")?;
        caller.call(&exchange.extension(Who::Carrier))?;
        caller.established()?;
        agent.established()?;
        exchange.wait_for_calls(1)?;
        Ok(Self { agent, caller, supervisor, exchange })
    }

    /// On loopback, with HTTP.
    fn with_http() -> Result<(Self, Http)> {
        let mut plan = Plan::loopback()?;
        let at = SocketAddr::new(plan.ground.ours(Who::Carrier, Family::V4), 8080);
        let route = "[[route]]\nfrom = [\"carrier\"]\nprefix = \"200\"\nto = \"spare\"\n";
        plan.sip = format!("[http]\nlisten = \"{at}\"\n{route}");
        Ok((Self::new(plan)?, Http::new(at)))
    }

    /// The one session that there is, as soon as it is in a state.
    pub(super) fn session(&self, state: &str) -> Result<Value> {
        wait_for(&format!("a session that is {state}"), SOON, || match self.sessions().ok()?.as_slice() {
            [session] if session["state"] == state => Some(session.clone()),
            _ => None,
        })
    }

    /// Waits until the one session that there is has this mode.
    pub(super) fn session_in(&self, mode: Mode) -> Result<()> {
        wait_for(&format!("a session in mode {}", mode.key()), SOON, || {
            self.sessions().ok()?.iter().any(|session| session["mode"] == mode.key()).then_some(())
        })
    }

    pub(super) fn sessions(&self) -> Result<Vec<Value>> {
        Ok(self.exchange.operator.ask(&["monitors"])?.as_array().cloned().unwrap_or_default())
    }

    /// The supervisor listens to the call.
    fn monitor(&mut self) -> Result<Value> {
        self.dial("007100")?;
        self.supervisor.established()?;
        // What is pressed before is a moment too early for anybody but a program.
        self.session("up")
    }

    pub(super) fn dial(&self, number: &str) -> Result<()> {
        self.supervisor.call(&format!("sip:{number}@{}", self.exchange.address_for(Who::Spare)))
    }

    /// Everybody hears whom the table says, and nobody else.
    pub(super) fn assert_heard(&self, mode: Option<Mode>) -> Result<()> {
        assert_heard(mode, [&self.agent, &self.caller, &self.supervisor])
    }

    /// What the audit says, the oldest first.
    fn audit(&self) -> Result<Vec<Value>> {
        audit(&self.exchange)
    }
}

/// What the audit says, the oldest first.
pub(super) fn audit(exchange: &Exchange) -> Result<Vec<Value>> {
    let config = exchange.operator.config();
    let out = exchange
        .operator
        .say(&["audit", "export", "--format", "jsonl", "--config", &config.to_string_lossy()])?
        .done()?;
    out.lines().map(|line| serde_json::from_str(line).map_err(other)).collect()
}

/// Agent, caller and supervisor hear whom the table says, and nobody else. Without a mode, there is no supervisor.
fn assert_heard(mode: Option<Mode>, ears: [&dyn Ear; 3]) -> Result<()> {
    let listening = if mode.is_some() { 3 } else { 2 };
    let from: Result<Vec<_>> = ears.iter().take(listening).map(|ear| Ok(ear.heard_so_far()?.len())).collect();
    for ((listener, _), (ear, from)) in TONES.iter().zip(ears.into_iter().zip(from?)) {
        let hears = |person| mode.unwrap_or(Mode::Listen).hears(*listener, person);
        assert_hears(&format!("{mode:?}: {listener:?}"), ear, from, hears)?;
    }
    Ok(())
}

/// Somebody hears from a sample on whom they should and none of the others: at once, or as soon as a busy machine lets it
/// happen, and then it stays so. What was heard before that may be of the mode before: a telephone that did not run for a
/// moment comes late to what was sent meanwhile.
pub(super) fn assert_hears(what: &str, ear: &dyn Ear, from: usize, is_heard: impl Fn(Person) -> bool) -> Result<()> {
    let mut steady = 0;
    let mut last = Vec::new();
    for window in 0..WINDOWS {
        let from = from + window * LISTENED;
        let sound = wait_for(&format!("{what} to hear more"), SOON, || {
            ear.heard_so_far().ok().filter(|sound| sound.len() >= from + LISTENED)
        })?;
        let sound = &sound[from..from + LISTENED];
        last = TONES.iter().map(|(person, hz)| (*person, strength(sound, *hz) as i32)).collect();
        let is_right = |(person, hz): &(Person, f64)| hears(sound, *hz) == Some(is_heard(*person));
        let leaks = |(person, hz): &(Person, f64)| !is_heard(*person) && hears(sound, *hz) != Some(false);
        assert!(steady == 0 || !TONES.iter().any(leaks), "{what} hears somebody again: {last:?}");
        steady += usize::from(TONES.iter().all(is_right));
        if steady > STEADY {
            return Ok(());
        }
    }
    panic!("{what} does not hear whom they should, and nobody else: {last:?}");
}

fn everybody_hears_whom_they_should(plan: Plan, codecs: [Codec; 2]) -> Result<()> {
    let mut floor = Floor::with(plan, codecs)?;
    floor.assert_heard(None)?;
    floor.monitor()?;
    floor.assert_heard(Some(Mode::Listen))?;
    for (code, mode) in
        [("*83", Mode::WhisperToAgent), ("*82", Mode::Barge), ("*81", Mode::WhisperToCaller), ("*80", Mode::Listen)]
    {
        floor.supervisor.press(code)?;
        floor.session_in(mode)?;
        floor.assert_heard(Some(mode))?;
    }
    floor.supervisor.press("*82")?;
    floor.assert_heard(Some(Mode::Barge))?;
    floor.supervisor.hang_up()?;
    floor.assert_heard(None)?;
    floor.caller.hang_up()?;
    floor.exchange.assert_idle(1)?;

    let audit = wait_for("the audit", SOON, || {
        let rows = floor.audit().ok()?;
        let rows: Vec<_> =
            rows.into_iter().filter(|row| row["session"].as_str().is_some_and(|id| !id.is_empty())).collect();
        rows.iter().any(|row| row["what"] == "session-ended").then_some(rows)
    })?;
    let told: Vec<_> = audit.iter().map(|row| (row["what"].as_str().unwrap(), row["mode"].as_str().unwrap())).collect();
    let expected = [
        ("session-started", "listen"),
        ("mode-changed", "whisper"),
        ("mode-changed", "barge"),
        ("mode-changed", "whisper-caller"),
        ("mode-changed", "listen"),
        ("mode-changed", "barge"),
        ("session-ended", "barge"),
    ];
    assert_eq!(told, expected);
    Ok(())
}

#[test]
fn everybody_hears_whom_they_should_without_privilege() -> Result<()> {
    everybody_hears_whom_they_should(Plan::loopback()?, [Codec::Pcmu; 2])
}

#[test]
fn who_may_not_is_refused_and_that_is_written_down() -> Result<()> {
    let mut floor = Floor::new(Plan::loopback()?)?;
    for (number, status, reason) in
        [("007300", "403", "protected"), ("007200", "403", "own-call"), ("007999", "404", "unknown-extension")]
    {
        floor.dial(number)?;
        floor.supervisor.refused(status)?;
        let row = wait_for("the refusal in the audit", SOON, || {
            floor.audit().ok()?.into_iter().find(|row| row["what"] == "refused" && row["reason"] == reason)
        })?;
        assert_eq!(row["user"], "ann", "{row}");
    }
    floor.assert_heard(None)
}

#[test]
fn a_session_ends_with_its_call() -> Result<()> {
    let mut floor = Floor::new(Plan::loopback()?)?;
    floor.monitor()?;
    floor.supervisor.press("*82")?;
    floor.assert_heard(Some(Mode::Barge))?;
    floor.caller.hang_up()?;
    floor.supervisor.heard()?;
    floor.exchange.assert_idle(1)?;
    Ok(())
}

#[test]
fn who_may_no_longer_is_out() -> Result<()> {
    let mut floor = Floor::new(Plan::loopback()?)?;
    floor.monitor()?;
    floor.assert_heard(Some(Mode::Listen))?;
    let file = floor.exchange.operator.config();
    let text = std::fs::read_to_string(&file).expect("the configuration");
    std::fs::write(&file, text.replace("never = [\"eve\"]", "never = [\"bob\"]")).expect("written");
    floor.exchange.operator.say(&["reload"])?.done()?;
    floor.supervisor.heard()?;
    let row =
        wait_for("the audit", SOON, || floor.audit().ok()?.into_iter().find(|row| row["what"] == "rights-withdrawn"))?;
    assert_eq!((row["user"].as_str(), row["reason"].as_str()), (Some("ann"), Some("protected")), "{row}");
    floor.assert_heard(None)
}

/// In the middle of a barge the daemon dies, and another one takes up what it was at.
fn a_session_outlives_its_daemon(plan: Plan) -> Result<()> {
    let mut floor = Floor::new(plan)?;
    floor.monitor()?;
    floor.supervisor.press("*82")?;
    floor.assert_heard(Some(Mode::Barge))?;
    floor.exchange.daemon().kill9()?;
    floor.exchange.restart()?;
    floor.assert_heard(Some(Mode::Barge))?;
    // It does what it is told, too.
    floor.supervisor.press("*83")?;
    floor.assert_heard(Some(Mode::WhisperToAgent))?;
    floor.supervisor.hang_up()?;
    floor.assert_heard(None)?;
    floor.caller.hang_up()?;
    floor.exchange.assert_idle(1).map(drop)
}

#[test]
fn a_session_is_seen_switched_and_ended_from_the_command_line_and_over_http() -> Result<()> {
    let (mut floor, http) = Floor::with_http()?;
    assert_eq!((floor.sessions()?, http.get("/api/v1/monitors")?), (Vec::new(), (200, json!([]))));
    floor.monitor()?;
    let session = floor.session("up")?;
    let id = session["id"].as_str().unwrap_or_default();
    assert_eq!(session["supervisor"], json!({ "user": "ann", "extension": "200", "via": "phone" }));
    assert_eq!(
        (&session["extension"], &session["mode"], &session["call"]),
        (&json!("100"), &json!("listen"), &floor.exchange.calls()?[0]["id"])
    );
    let path = format!("/api/v1/monitors/{id}");
    let (status, shown) = http.get(&path)?;
    assert_eq!((status, &shown["id"], &shown["state"]), (200, &session["id"], &json!("up")));

    let said = floor.exchange.operator.say(&["monitor", id, "--mode", "barge"])?.done()?;
    assert_eq!(said, format!("the monitor session {id} is in mode barge\n"));
    floor.assert_heard(Some(Mode::Barge))?;
    let (status, switched) = http.patch(&path, &json!({ "mode": "whisper" }))?;
    assert_eq!((status, &switched["mode"]), (200, &json!("whisper")), "{switched}");
    floor.assert_heard(Some(Mode::WhisperToAgent))?;
    let (status, told) = http.delete(&path)?;
    assert_eq!((status, told), (200, json!({ "did": [format!("ended the monitor session {id}")] })));
    floor.supervisor.heard()?;
    wait_for("no session", SOON, || floor.sessions().ok()?.is_empty().then_some(()))?;
    floor.assert_heard(None)?;
    for (status, told) in [http.get(&path)?, http.patch(&path, &json!({ "mode": "listen" }))?, http.delete(&path)?] {
        assert_eq!((status, &told["error"]), (404, &json!(format!("there is no monitor session {id}"))));
    }
    let complaint = floor.exchange.operator.say(&["monitor", id, "--end"])?.failed(1)?;
    assert!(complaint.contains("`undertone monitors` lists all"), "{complaint}");

    let rows = wait_for("the audit", SOON, || {
        let rows: Vec<_> = floor.audit().ok()?.into_iter().filter(|row| row["session"] == *id).collect();
        rows.iter().any(|row| row["what"] == "session-ended").then_some(rows)
    })?;
    let told: Vec<_> =
        rows.iter().map(|row| [&row["what"], &row["via"], &row["mode"]].map(|it| it.as_str().unwrap())).collect();
    let expected = [
        ["session-started", "phone", "listen"],
        ["mode-changed", "cli", "barge"],
        ["mode-changed", "api", "whisper"],
        ["session-ended", "phone", "whisper"],
    ];
    assert_eq!(told, expected);
    let phone = floor.exchange.address_of(Who::Spare).ip().to_string();
    let from: Vec<_> = rows.iter().map(|row| row["address"].as_str().unwrap()).collect();
    assert_eq!((from[0], from[2], from[3]), (phone.as_str(), "127.0.0.1", phone.as_str()));
    assert!(from[1].starts_with("uid "), "{from:?}");
    let details = serde_json::from_str::<Value>(rows[3]["details"].as_str().unwrap_or_default()).expect("details");
    assert_eq!((&details["ended_via"], &details["ended_from"]), (&json!("api"), &json!("127.0.0.1")));

    // The same by HTTP and by the command line, page by page.
    let numbers = |rows: &Value| -> Vec<_> {
        rows.as_array().into_iter().flatten().map(|row| row["number"].as_u64().unwrap_or_default()).collect()
    };
    let mut pages = Vec::new();
    let mut path = format!("/api/v1/audit?session={id}&limit=3");
    loop {
        let (status, page) = http.get(&path)?;
        assert_eq!(status, 200, "{page}");
        let Some(last) = numbers(&page).last().copied() else { break };
        pages.extend(numbers(&page));
        path = format!("/api/v1/audit?session={id}&limit=3&before={last}");
    }
    let all: Vec<_> = rows.iter().rev().map(|row| row["number"].as_u64().unwrap_or_default()).collect();
    assert_eq!(pages, all);
    let config = floor.exchange.operator.config().to_string_lossy().into_owned();
    let list = |more: &[&str]| {
        let listed = floor.exchange.operator.ask(&[&["audit", "list", "--config", &config], more].concat())?;
        Ok::<_, undertone_tests::Error>(numbers(&listed))
    };
    assert_eq!(list(&["--session", id])?, all);
    assert_eq!(list(&["--session", id, "--limit", "2"])?, all[..2]);
    assert_eq!(list(&["--session", id, "--before", &all[1].to_string()])?, all[2..]);
    assert_eq!(list(&["--session", id, "--what", "mode-changed"])?, all[1..3]);
    assert_eq!(list(&["--who", "127.0.0.1"])?, all[1..2], "what was done from there");
    assert_eq!(list(&["--who", "ann", "--since", "1h"])?, all);
    Ok(())
}

#[test]
fn a_supervisor_is_called_and_monitors_when_the_phone_is_answered() -> Result<()> {
    let (mut floor, http) = Floor::with_http()?;
    let mut events = http.follow()?;
    let (snapshot, path) = (events.next()?, "/api/v1/monitors");
    assert_eq!((&snapshot["event"], &snapshot["monitors"]), (&json!("snapshot"), &json!([])));
    let (status, told) = http.post(path, &json!({ "extension": "300", "as": "200" }))?;
    assert!(status == 403 && told["error"].as_str().is_some_and(|it| it.contains("nobody may monitor")), "{told}");
    let complaint = floor.exchange.operator.say(&["monitor", "100", "--as", "100"])?.failed(1)?;
    assert!(complaint.contains("a call that the supervisor is in"), "{complaint}");

    let (status, begun) = http.post(path, &json!({ "extension": "100", "as": "200", "mode": "whisper" }))?;
    assert_eq!(
        (status, &begun["mode"], &begun["supervisor"]["user"]),
        (201, &json!("whisper"), &json!("ann")),
        "{begun}"
    );
    floor.supervisor.established()?;
    assert_eq!(floor.session("up")?["id"], begun["id"]);
    floor.assert_heard(Some(Mode::WhisperToAgent))?;
    let id = begun["id"].as_str().unwrap_or_default();
    floor.exchange.operator.say(&["monitor", id, "--mode", "listen"])?.done()?;
    floor.assert_heard(Some(Mode::Listen))?;
    let metrics = http.metrics()?;
    assert_eq!(metrics.of("undertone_monitor_sessions{mode=\"listen\"}"), 1);
    assert_eq!(metrics.of("undertone_monitor_refused_total{reason=\"protected\"}"), 1);
    floor.exchange.operator.say(&["monitor", id, "--end"])?.done()?;
    floor.supervisor.heard()?;

    let said = floor.exchange.operator.say(&["monitor", "100", "--as", "200", "--auto-answer"])?.done()?;
    assert!(said.starts_with("session ") && said.ends_with(": calling 200, to monitor 100 in mode listen\n"), "{said}");
    floor.supervisor.established()?;
    floor.session("up")?;
    floor.supervisor.hang_up()?;
    let mut told = Vec::new();
    while told.iter().filter(|event| *event == "monitor-ended").count() < 2 {
        told.push(events.next()?["event"].as_str().unwrap_or_default().to_owned());
    }
    let expected = [
        "monitor-refused",
        "monitor-refused",
        "monitor-started",
        "monitor-up",
        "monitor-mode",
        "monitor-ended",
        "monitor-started",
        "monitor-up",
        "monitor-ended",
    ];
    assert_eq!(told, expected);
    floor.assert_heard(None)?;
    let ended: Vec<_> = wait_for("the audit", SOON, || {
        let rows: Vec<_> = floor.audit().ok()?.into_iter().filter(|row| row["what"] == "session-ended").collect();
        (rows.len() == 2).then_some(rows)
    })?;
    let told: Vec<_> = ended.iter().map(|row| [&row["via"], &row["reason"]].map(|it| it.as_str().unwrap())).collect();
    assert_eq!(told, [["api", "Ended by the Operator"], ["cli", "Normal Clearing"]]);
    Ok(())
}

mod privileged {
    use super::*;

    #[test]
    fn a_session_outlives_its_daemon_over_xdp() -> Result<()> {
        a_session_outlives_its_daemon(Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]))
    }

    #[test]
    fn everybody_hears_whom_they_should_over_xdp() -> Result<()> {
        everybody_hears_whom_they_should(
            Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]),
            [Codec::Pcma, Codec::G722],
        )
    }

    #[test]
    fn everybody_hears_whom_they_should_over_xdp_and_ipv6() -> Result<()> {
        everybody_hears_whom_they_should(
            Plan::on(Ground::lab()?, [(Family::V6, Over::Udp); 2]),
            [Codec::G722, Codec::Opus],
        )
    }
}
