//! Calls are recorded: into a file with the caller left and the agent right, and packet by packet to a recorder of the
//! operator's.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    phone::Phone,
    rtp::{Endpoint, Packet, Stream},
    speech::{SAMPLE_RATE, hears, read_stereo_wav, strength, tone},
};

use super::{
    exchange::{Exchange, Plan},
    ground::{Ground, Who},
    monitor::audit,
    scenarios::CALL,
};
use crate::daemon::{
    http::client::Http,
    operator::{SOON, other},
};

/// What the caller and the agent say, in hertz.
const TONES: [f64; 2] = [1_100.0, 700.0];
const TONE: usize = 120 * SAMPLE_RATE as usize;
/// How long the parties speak before something happens to their recording.
const TALK: Duration = Duration::from_secs(4);
/// Samples that are listened to at a time.
const WINDOW: usize = SAMPLE_RATE as usize / 2;
/// The part of a recording in which its tone has to be heard, on a machine that may be busy.
const HEARD: f64 = 0.8;
/// How long a caller waits before it goes on with its call, in milliseconds: long enough to be stopped meanwhile, also where a
/// look at the calls takes seconds.
const PAUSE_MS: &str = "6000";
/// How long media may be set up, and torn down.
const AROUND: Duration = Duration::from_millis(1500);

/// A call between a carrier's telephone and Bob's, who has 100, and a folder for its recording.
struct Talk {
    // They end before somebody else has their addresses.
    caller: Phone,
    agent: Phone,
    exchange: Exchange,
    _folder: Option<tempfile::TempDir>,
}

/// What is configured of recording. `more` stands in [recording].
fn configuration(folder: &Path, more: &str) -> String {
    format!(
        "[[user]]\nname = \"bob\"\nextensions = [\"100\"]\n[recording]\nat-once = 2\n{more}\n[recording.files]\n\
         directory = \"{}\"\nname = \"calls/{{caller}}-{{agent}}-{{call}}\"\n",
        folder.display()
    )
}

impl Talk {
    fn new(plan: Plan, more: &str) -> Result<Self> {
        let folder = tempfile::tempdir().map_err(other)?;
        let place = folder.path().join("recordings");
        Self::in_folder(plan, more, Some(folder), &place)
    }

    fn in_folder(mut plan: Plan, more: &str, folder: Option<tempfile::TempDir>, place: &Path) -> Result<Self> {
        plan.sip.push_str(&configuration(place, more));
        let exchange = plan.start()?;
        let [caller, agent] = TONES.map(|hz| tone(hz, TONE));
        let mut agent = exchange.phone(Who::Pbx, &agent, "")?;
        let mut caller = exchange.phone(Who::Carrier, &caller, "")?;
        caller.call(&exchange.extension(Who::Carrier))?;
        caller.established()?;
        agent.established()?;
        exchange.wait_for_calls(1)?;
        Ok(Self { caller, agent, exchange, _folder: folder })
    }

    /// On loopback, with HTTP.
    fn with_http(more: &str) -> Result<(Self, Http)> {
        let mut plan = Plan::loopback()?;
        let at = SocketAddr::new(plan.ground.ours(Who::Carrier, Family::V4), 8080);
        plan.sip = format!("[http]\nlisten = \"{at}\"\n");
        Ok((Self::new(plan, more)?, Http::new(at)))
    }

    fn recordings(&self) -> Result<Vec<Value>> {
        Ok(self.exchange.operator.ask(&["recordings"])?.as_array().cloned().unwrap_or_default())
    }

    /// The file of the one recording that runs.
    fn path(&self) -> Result<PathBuf> {
        let running = self.recordings()?;
        let path = running.first().and_then(|it| it["file"]["path"].as_str()).map(Into::into);
        path.ok_or_else(|| other(format!("no file in {running:?}")))
    }

    /// Both speak for a while, as the agent hears.
    fn speak(&self) -> Result<()> {
        let enough = self.agent.heard_so_far()?.len() + TALK.as_secs() as usize * SAMPLE_RATE as usize;
        wait_for("the parties to speak", 10 * TALK, || (self.agent.heard_so_far().ok()?.len() >= enough).then_some(()))
    }

    /// Ends the call, and waits for its file.
    fn end(&self, path: &Path) -> Result<[Vec<i16>; 2]> {
        self.caller.hang_up()?;
        wait_for("the whole file", SOON, || path.exists().then_some(()))?;
        assert!(!part(path).exists());
        read_stereo_wav(path)
    }

    /// For how long the one call that is over was up.
    fn talked(&self) -> Result<Duration> {
        let records = self.exchange.assert_idle(1)?;
        let ms = |key: &str| records[0][key].as_u64().ok_or_else(|| other(format!("no {key} in {}", records[0])));
        Ok(Duration::from_millis(ms("duration_ms")? - ms("answered_ms")?))
    }

    fn audit(&self) -> Result<Vec<[String; 3]>> {
        let row = |row: &Value| ["what", "via", "reason"].map(|key| row[key].as_str().unwrap_or_default().to_owned());
        Ok(self.rows()?.iter().map(row).collect())
    }

    /// What the audit says of recordings, the oldest first.
    fn rows(&self) -> Result<Vec<Value>> {
        let mut rows = audit(&self.exchange)?;
        rows.retain(|row| row["what"].as_str().is_some_and(|what| what.starts_with("recording-")));
        Ok(rows)
    }
}

/// The name of a file as long as it is written.
fn part(path: &Path) -> PathBuf {
    format!("{}.part", path.display()).into()
}

/// A channel has a party's tone nearly all the time, and never the other's.
fn assert_channels(channels: &[Vec<i16>; 2]) {
    for (side, channel) in channels.iter().enumerate() {
        let (own, other) = (TONES[side], TONES[1 - side]);
        let windows: Vec<_> = channel.chunks_exact(WINDOW).collect();
        for window in &windows {
            assert_eq!(hears(window, other), Some(false), "channel {side} has {other} Hz: {}", strength(window, other));
        }
        let heard = windows.iter().filter(|window| hears(window, own) == Some(true)).count();
        assert!(heard as f64 >= HEARD * (windows.len() as f64 - 3.0), "channel {side}: {heard} of {}", windows.len());
    }
}

fn recorded(plan: Plan) -> Result<()> {
    let talk = Talk::new(plan, "always = [\"bob\"]")?;
    let path = talk.path()?;
    talk.speak()?;
    let running = talk.recordings()?.remove(0);
    assert_eq!((&running["why"], &running["file"]["state"]), (&json!("rule"), &json!("writing")), "{running}");
    let streams: Vec<_> = ["party", "extension", "codec", "payload_type", "clock_hz", "forwarded"]
        .iter()
        .map(|key| [&running["streams"][0][key], &running["streams"][1][key]])
        .collect();
    assert_eq!(streams[0], [&json!("caller"), &json!("agent")]);
    assert_eq!((streams[1][1], streams[2]), (&json!("100"), [&json!("PCMU/8000"); 2]), "{running}");
    assert_eq!((streams[3], streams[4], streams[5]), ([&json!(0); 2], [&json!(8000); 2], [&json!(true); 2]));
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).map(|it| it.permissions().mode() & 0o777).map_err(other)
    };
    assert_eq!((mode(&part(&path))?, mode(path.parent().expect("a folder"))?), (0o600, 0o700));
    let channels = talk.end(&path)?;
    assert_channels(&channels);
    let talked = talk.talked()?;
    let lasts = Duration::from_secs_f64(channels[0].len() as f64 / f64::from(SAMPLE_RATE));
    assert!(lasts.abs_diff(talked) < AROUND, "{lasts:?} of {talked:?}");
    let told = wait_for("the audit", SOON, || talk.audit().ok().filter(|rows| rows.len() == 2))?;
    assert_eq!(told, [["recording-started", "node", "rule"], ["recording-ended", "node", "call-ended"]]);
    Ok(())
}

#[test]
fn a_file_has_the_caller_left_and_the_agent_right_without_privilege() -> Result<()> {
    recorded(Plan::loopback()?)
}

#[test]
fn a_recorder_of_the_operators_gets_every_packet_as_it_was_sent() -> Result<()> {
    copied(Plan::loopback()?, Family::V4, false)
}

/// Two parties send packets to each other, and what a recorder gets is what they have sent; also where the daemon dies meanwhile.
fn copied(mut plan: Plan, family: Family, dies: bool) -> Result<()> {
    let at = plan.ground.theirs(Who::Stranger, family);
    let bind = |plan: &Plan, who, port| {
        let at: SocketAddr = (plan.ground.theirs(who, family), port).into();
        match plan.ground.namespace(who) {
            Some(namespace) => Endpoint::bind(namespace, at),
            None => Endpoint::bind_here(at),
        }
    };
    let recorder = [bind(&plan, Who::Stranger, 30_000)?, bind(&plan, Who::Stranger, 30_002)?];
    let parties = [bind(&plan, Who::Carrier, 7000)?, bind(&plan, Who::Pbx, 7000)?];
    plan.sip.push_str(&format!(
        "[recording]\neveryone = true\nat-once = 1\n[recording.copies]\naddress = \"{at}\"\nports = \"30000-30003\"\n"
    ));
    let mut exchange = plan.start()?;
    let pbx = exchange.callee(Who::Pbx, "uas_hold", 1, &[])?;
    let mut carrier = exchange.caller(Who::Carrier, "uac_hold", 1, &["-d", PAUSE_MS])?;
    let call = exchange.wait_for_calls(1)?.remove(0);
    carrier.freeze()?;
    let running = exchange.operator.ask(&["recordings"])?;
    let streams = running[0]["streams"].as_array().cloned().unwrap_or_default();
    let told: Vec<_> = streams.iter().map(|stream| (stream["party"].clone(), stream["to"].clone())).collect();
    let expected = [(json!("caller"), json!(recorder[0].local())), (json!("agent"), json!(recorder[1].local()))];
    assert_eq!((told, &running[0]["call"], &running[0]["file"]), (expected.into(), &call["id"], &Value::Null));
    let ports = streams.iter().filter_map(|stream| stream["port"].as_str()?.parse::<SocketAddr>().ok());
    let ports: Vec<_> = ports.collect();
    for (((party, ssrc), port), recorder) in parties.iter().zip([7, 8]).zip(ports).zip(&recorder) {
        let packets: Vec<_> = Stream::pcmu(ssrc).numbered(101).iter().map(Packet::to_bytes).collect();
        wait_for("a copy", SOON, || {
            party.send(&packets[0], port).ok()?;
            (!recorder.received().is_empty()).then_some(())
        })?;
        recorder.wait_for_silence(Duration::from_millis(200));
        recorder.take_received();
        for (at, packet) in packets.iter().enumerate().skip(1) {
            match at {
                30 if dies => drop(exchange.daemon().kill9()?),
                60 if dies => exchange.restart()?,
                _ => {}
            }
            party.send(packet, port)?;
            std::thread::sleep(Duration::from_millis(2));
        }
        let received = recorder.wait_for_packets(100, SOON)?;
        assert!(received.iter().map(|it| &it.bytes).eq(&packets[1..]), "byte by byte");
    }
    let running = exchange.operator.ask(&["recordings"])?;
    let to = [&running[0]["streams"][0]["to"], &running[0]["streams"][1]["to"]];
    assert_eq!(to, [&json!(recorder[0].local()), &json!(recorder[1].local())]);
    assert_eq!([&running[0]["streams"][0]["ssrc"], &running[0]["streams"][1]["ssrc"]], [&json!(7), &json!(8)]);
    carrier.thaw()?;
    carrier.done(CALL)?;
    pbx.done(CALL)?;
    exchange.assert_idle(1).map(drop)
}

/// In the middle of a recording the daemon dies, and another one goes on with it.
fn a_recording_outlives_its_daemon(plan: Plan) -> Result<()> {
    let mut talk = Talk::new(plan, "always = [\"bob\"]")?;
    let path = talk.path()?;
    talk.speak()?;
    talk.exchange.daemon().kill9()?;
    let before = read_stereo_wav(&part(&path))?;
    assert!(before[0].len() > SAMPLE_RATE as usize, "{} samples are written", before[0].len());
    assert_channels(&before);
    talk.exchange.restart()?;
    assert_eq!(talk.path()?, path, "the same file");
    talk.speak()?;
    talk.speak()?;
    let whole = talk.end(&path)?;
    for (side, channel) in whole.iter().enumerate() {
        let (old, new) = (&before[side], &channel[channel.len() - 3 * WINDOW..channel.len() - WINDOW]);
        assert!(channel.len() > old.len() && channel[..old.len()] == old[..], "what was written stays");
        assert_eq!((hears(new, TONES[side]), hears(new, TONES[1 - side])), (Some(true), Some(false)), "channel {side}");
    }
    let talked = talk.talked()?;
    let lasts = Duration::from_secs_f64(whole[0].len() as f64 / f64::from(SAMPLE_RATE));
    assert!(lasts.abs_diff(talked) < AROUND, "{lasts:?} of {talked:?}");
    Ok(())
}

#[test]
fn a_recording_outlives_its_daemon_without_privilege() -> Result<()> {
    a_recording_outlives_its_daemon(Plan::loopback()?)
}

#[test]
fn a_recording_is_begun_seen_and_ended_from_the_command_line_and_over_http() -> Result<()> {
    let (talk, http) = Talk::with_http("never = [\"300\"]")?;
    let mut events = http.follow()?;
    let snapshot = events.next()?;
    assert_eq!((&snapshot["event"], &snapshot["recordings"]), (&json!("snapshot"), &json!([])));
    assert_eq!(http.get("/api/v1/recordings")?, (200, json!([])));
    let call = talk.exchange.calls()?.remove(0)["id"].as_str().unwrap_or_default().to_owned();
    let said = talk.exchange.operator.say(&["record", "100"])?.done()?;
    assert!(said.starts_with(&format!("the call {call} is recorded: ")), "{said}");
    let (status, told) = http.post("/api/v1/recordings", &json!({ "call": call }))?;
    assert_eq!((status, &told["error"]), (409, &json!("the call is recorded already")), "{told}");
    let path = talk.path()?;
    talk.speak()?;
    let (status, told) = http.delete(&format!("/api/v1/recordings/{call}"))?;
    assert_eq!((status, &told["did"][0]), (200, &json!(format!("the call {call} is recorded no longer"))));
    wait_for("the whole file", SOON, || path.exists().then_some(()))?;
    assert_channels(&read_stereo_wav(&path)?);

    let (status, again) = http.post("/api/v1/recordings", &json!({ "call": "100" }))?;
    assert_eq!((status, &again["call"], &again["by"]["via"]), (201, &json!(call), &json!("api")), "{again}");
    assert_ne!(again["file"]["path"].as_str(), path.to_str(), "a file of its own");
    let said = talk.exchange.operator.say(&["record", &call, "--stop"])?.done()?;
    assert_eq!(said, format!("the call {call} is recorded no longer\n"));
    let complaint = talk.exchange.operator.say(&["record", &call, "--stop"])?.failed(1)?;
    assert!(complaint.contains("`undertone recordings` lists all"), "{complaint}");
    assert_eq!(http.get(&format!("/api/v1/recordings/{call}"))?.0, 404);
    let (status, told) = http.post("/api/v1/recordings", &json!({ "call": "999" }))?;
    assert_eq!(status, 404, "{told}");

    let mut told = Vec::new();
    while told.iter().filter(|(event, _)| *event == "recording-ended").count() < 2 {
        let event = events.next()?;
        let name = event["event"].as_str().unwrap_or_default().to_owned();
        if name.starts_with("recording-") && name != "recording-changed" {
            assert_eq!(event["id"], json!(call));
            told.push((name, event["reason"].as_str().unwrap_or_default().to_owned()));
        }
    }
    let told: Vec<_> = told.iter().map(|(event, reason)| (event.as_str(), reason.as_str())).collect();
    let expected = [
        ("recording-started", ""),
        ("recording-refused", "already"),
        ("recording-ended", "stopped"),
        ("recording-started", ""),
        ("recording-ended", "stopped"),
    ];
    assert_eq!(told, expected);
    let metrics = http.metrics()?;
    assert_eq!(metrics.of("undertone_recordings"), 0);
    assert_eq!(metrics.of("undertone_recordings_begun_total"), 2);
    assert_eq!(metrics.of("undertone_recordings_refused_total{reason=\"no-call\"}"), 1);
    let rows = wait_for("the audit", SOON, || talk.audit().ok().filter(|rows| rows.len() == 6))?;
    let expected = [
        ["recording-started", "cli", "asked"],
        ["recording-refused", "api", "already"],
        ["recording-ended", "api", "stopped"],
        ["recording-started", "api", "asked"],
        ["recording-ended", "cli", "stopped"],
        ["recording-refused", "api", "no-call"],
    ];
    assert_eq!(rows, expected);
    for row in talk.rows()?.iter().filter(|row| row["via"] == "api") {
        assert!(row["address"].as_str().is_some_and(|address| address.starts_with("127.")), "{row}");
    }
    Ok(())
}

#[test]
fn an_emergency_call_is_never_recorded() -> Result<()> {
    let folder = tempfile::tempdir().map_err(other)?;
    let mut plan = Plan::loopback()?;
    plan.sip = format!(
        "[monitoring]\nemergency-numbers = [\"100\"]\n[recording]\neveryone = true\n[recording.files]\ndirectory = \"{}\"\n",
        folder.path().display()
    );
    let exchange = plan.start()?;
    let pbx = exchange.callee(Who::Pbx, "uas_hold", 1, &[])?;
    let mut carrier = exchange.caller(Who::Carrier, "uac_hold", 1, &["-d", PAUSE_MS])?;
    exchange.wait_for_calls(1)?;
    carrier.freeze()?;
    assert_eq!(exchange.operator.ask(&["recordings"])?, json!([]));
    let call = exchange.calls()?.remove(0);
    let complaint = exchange.operator.say(&["record", call["id"].as_str().unwrap_or_default()])?.failed(1)?;
    assert!(complaint.contains("emergency number is never recorded"), "{complaint}");
    carrier.thaw()?;
    carrier.done(CALL)?;
    pbx.done(CALL)?;
    assert_eq!(fs::read_dir(folder.path()).map_err(other)?.count(), 0);
    exchange.assert_idle(1).map(drop)
}

mod privileged {
    use undertone_tests::lab::Tmpfs;

    use super::*;
    use crate::calls::exchange::Over;

    fn over_xdp(family: Family) -> Result<Plan> {
        Ok(Plan::on(Ground::lab()?, [(family, Over::Udp); 2]))
    }

    #[test]
    fn a_file_has_the_caller_left_and_the_agent_right_over_xdp() -> Result<()> {
        recorded(over_xdp(Family::V4)?)
    }

    #[test]
    fn a_file_has_the_caller_left_and_the_agent_right_over_xdp_and_ipv6() -> Result<()> {
        recorded(over_xdp(Family::V6)?)
    }

    #[test]
    fn a_recorder_of_the_operators_gets_every_packet_over_xdp() -> Result<()> {
        copied(over_xdp(Family::V4)?, Family::V4, false)
    }

    #[test]
    fn a_recorder_of_the_operators_misses_no_packet_while_the_daemon_is_away() -> Result<()> {
        copied(over_xdp(Family::V4)?, Family::V4, true)
    }

    #[test]
    fn a_recording_outlives_its_daemon_over_xdp() -> Result<()> {
        a_recording_outlives_its_daemon(over_xdp(Family::V4)?)
    }

    #[test]
    fn a_full_disk_ends_a_recording_and_not_its_call() -> Result<()> {
        let disk = Tmpfs::mount(1024)?;
        let mut plan = Plan::loopback()?;
        let at = SocketAddr::new(plan.ground.ours(Who::Carrier, Family::V4), 8080);
        plan.sip = format!("[http]\nlisten = \"{at}\"\n");
        let mut talk = Talk::in_folder(plan, "always = [\"bob\"]", None, disk.path())?;
        let (http, path) = (Http::new(at), talk.path()?);
        talk.speak()?;
        let mut events = http.follow()?;
        disk.fill()?;
        let failed = loop {
            let event = events.next()?;
            if event["event"] == "recording-failed" {
                break event;
            }
        };
        assert_eq!(
            (&failed["reason"], &failed["recording"]["file"]["state"]),
            (&json!("disk-full"), &json!("disk-full"))
        );
        // The call goes on.
        talk.speak()?;
        assert_eq!((talk.recordings()?, talk.exchange.calls()?.len()), (vec![], 1));
        assert_eq!(http.metrics()?.of("undertone_recording_files_failed_total{reason=\"disk-full\"}"), 1);
        let channels = read_stereo_wav(&path)?;
        assert!(channels[0].len() > SAMPLE_RATE as usize);
        assert_channels(&channels);
        let reasons: Vec<_> = talk.audit()?.into_iter().map(|[what, _, reason]| (what, reason)).collect();
        let expected =
            [("recording-started", "rule"), ("recording-failed", "disk-full"), ("recording-ended", "disk-full")];
        assert_eq!(reasons, expected.map(|(what, reason)| (what.to_owned(), reason.to_owned())));
        talk.caller.hang_up()?;
        talk.exchange.assert_idle(1)?;
        // Before the disk goes.
        talk.exchange.daemon().terminate().map(drop)
    }
}
