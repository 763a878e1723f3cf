//! Who may monitor whom, by telephone and over HTTP: one daemon, and a row for each case.

use std::time::{SystemTime, UNIX_EPOCH};

use undertone_control_core::permission::Denial;

use super::{super::peer::Peer, *};

/// Supervisors have extensions from 201, agents from 100. `DAY` is not today.
const PEOPLE: &str = r#"
[[user]]
name = "adam"
extensions = ["201"]
role = "administrator"
[[user]]
name = "cora"
extensions = ["202"]
role = "call-center-supervisor"
[[user]]
name = "otto"
extensions = ["203"]
role = "office-manager"
[[user]]
name = "sita"
extensions = ["204"]
role = "site-manager"
site = "berlin"
[[user]]
name = "paul"
extensions = ["205"]
[[user]]
name = "gina"
extensions = ["206"]
[[user]]
name = "hal"
extensions = ["207"]
[[user]]
name = "tom"
extensions = ["208"]
[[user]]
name = "peg"
extensions = ["209"]
[[user]]
name = "bob"
extensions = ["100"]
site = "berlin"
[[user]]
name = "joe"
extensions = ["101"]
site = "paris"
[[user]]
name = "kim"
extensions = ["102"]
[[user]]
name = "lea"
extensions = ["103"]
[[user]]
name = "eve"
extensions = ["104"]
[[user]]
name = "max"
extensions = ["105"]
[[user]]
name = "ned"
extensions = ["106"]
[[user]]
name = "ida"
extensions = ["107"]
[[user]]
name = "ray"
extensions = ["108"]
[[user]]
name = "sam"
extensions = ["109"]
[[user-group]]
name = "team"
members = ["gina"]
[[user-group]]
name = "support"
members = ["joe"]
[[queue]]
name = "sales"
agents = ["bob"]
supervisors = ["cora"]
[[route]]
from = ["pbx"]
prefix = "103"
to = "spare"
[monitoring]
enabled = true
never = ["eve", "+49555"]
refusals-per-minute = 10000
[[monitoring.rule]]
who = { roles = ["administrator"] }
whom = { everyone = true }
[[monitoring.rule]]
who = { roles = ["call-center-supervisor"] }
whom = { their-queues = true }
modes = ["listen", "whisper"]
[[monitoring.rule]]
who = { roles = ["office-manager"] }
whom = { users = ["joe"] }
modes = ["listen", "barge"]
[[monitoring.rule]]
who = { roles = ["site-manager"] }
whom = { their-site = true }
[[monitoring.rule]]
who = { user-groups = ["team"] }
whom = { user-groups = ["support"] }
modes = ["listen"]
[[monitoring.rule]]
who = { users = ["hal"] }
whom = { everyone = true }
days = ["DAY"]
[[monitoring.rule]]
who = { users = ["tom"] }
whom = { extensions = ["100"] }
modes = ["barge"]
[[monitoring.rule]]
who = { users = ["peg"] }
whom = { queues = ["sales"] }
modes = ["listen"]
"#;

use Mode::{Barge, Listen, WhisperToAgent as Whisper, WhisperToCaller as WhisperCaller};

/// Who, whom, in which mode, and why not.
type Row = (&'static str, &'static str, Mode, Option<Denial>);

/// What holds for telephones and over HTTP.
const ROWS: [Row; 52] = [
    // By role: an administrator everybody, the others whom their rules say.
    ("201", "100", Listen, None),
    ("201", "100", Whisper, None),
    ("201", "100", WhisperCaller, None),
    ("201", "100", Barge, None),
    ("201", "101", Barge, None),
    ("202", "100", Listen, None),
    ("202", "100", Whisper, None),
    ("202", "100", WhisperCaller, Some(Denial::ModeNotPermitted)),
    ("202", "100", Barge, Some(Denial::ModeNotPermitted)),
    ("202", "101", Listen, Some(Denial::NoRule)),
    ("203", "101", Listen, None),
    ("203", "101", Barge, None),
    ("203", "101", Whisper, Some(Denial::ModeNotPermitted)),
    ("203", "101", WhisperCaller, Some(Denial::ModeNotPermitted)),
    ("203", "100", Listen, Some(Denial::NoRule)),
    ("204", "100", Listen, None),
    ("204", "100", Whisper, None),
    ("204", "100", WhisperCaller, None),
    ("204", "100", Barge, None),
    ("204", "101", Listen, Some(Denial::NoRule)),
    ("205", "100", Listen, Some(Denial::NoRule)),
    ("205", "101", Listen, Some(Denial::NoRule)),
    ("205", "107", Listen, Some(Denial::NoRule)),
    // By group, queue, extension and hour.
    ("206", "101", Listen, None),
    ("206", "101", Barge, Some(Denial::ModeNotPermitted)),
    ("206", "100", Listen, Some(Denial::NoRule)),
    ("207", "100", Listen, Some(Denial::OutsideHours)),
    ("207", "107", Listen, Some(Denial::OutsideHours)),
    ("208", "100", Listen, Some(Denial::ModeNotPermitted)),
    ("208", "101", Listen, Some(Denial::NoRule)),
    ("209", "100", Listen, None),
    ("209", "100", Whisper, Some(Denial::ModeNotPermitted)),
    ("209", "101", Listen, Some(Denial::NoRule)),
    // By side: whisper takes one party of each.
    ("201", "102", Listen, None),
    ("201", "102", Barge, None),
    ("201", "102", Whisper, Some(Denial::WhisperOnOneSide)),
    ("201", "102", WhisperCaller, Some(Denial::WhisperOnOneSide)),
    ("201", "103", Listen, None),
    ("201", "103", Barge, None),
    ("201", "103", Whisper, Some(Denial::WhisperOnOneSide)),
    // Whatever a rule says.
    ("201", "104", Listen, Some(Denial::Protected)),
    ("205", "104", Listen, Some(Denial::Protected)),
    ("201", "105", Listen, Some(Denial::Emergency)),
    ("205", "105", Listen, Some(Denial::NoRule)),
    ("201", "106", Listen, Some(Denial::ProtectedParty)),
    ("201", "107", Listen, Some(Denial::NoCall)),
    ("201", "108", Listen, Some(Denial::UnknownCodec)),
    ("201", "109", Listen, Some(Denial::Encrypted)),
    ("201", "201", Listen, Some(Denial::OwnCall)),
    ("201", "999", Listen, Some(Denial::UnknownExtension)),
    ("299", "100", Listen, Some(Denial::UnknownSupervisor)),
    ("100", "101", Listen, Some(Denial::NoRule)),
];

/// What each refusal is on the wire: the SIP status, and the HTTP status.
const SAID: [(Denial, u16, u16); 13] = [
    (Denial::ModeNotPermitted, 403, 403),
    (Denial::NoRule, 403, 403),
    (Denial::OutsideHours, 403, 403),
    (Denial::WhisperOnOneSide, 403, 409),
    (Denial::Protected, 403, 403),
    (Denial::Emergency, 403, 403),
    (Denial::ProtectedParty, 403, 403),
    (Denial::NoCall, 480, 409),
    (Denial::UnknownCodec, 488, 409),
    (Denial::Encrypted, 488, 409),
    (Denial::OwnCall, 403, 403),
    (Denial::UnknownExtension, 404, 404),
    (Denial::UnknownSupervisor, 403, 403),
];

fn said(denial: Denial) -> (u16, u16) {
    let (_, sip, http) = SAID.into_iter().find(|(it, ..)| *it == denial).expect("a refusal of the table");
    (sip, http)
}

/// A daemon with calls of everybody, peers that write their messages themselves, and HTTP.
struct Office {
    // Gone before the exchange, whose addresses are another test's then.
    carrier: Peer,
    pbx: Peer,
    spare: Peer,
    exchange: Exchange,
    http: Http,
    /// Calls that were begun, for names of their own.
    calls: u32,
    /// The newest row of the audit that was looked at.
    row: u64,
}

/// A description of one line of sound.
fn sound(at: SocketAddr, profile: &str, more: &str) -> String {
    let ip = at.ip();
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 {profile}\r\n{more}")
}

const PLAIN: (&str, &str) = ("RTP/AVP 0", "");
const G729: (&str, &str) = ("RTP/AVP 18", "a=rtpmap:18 G729/8000\r\n");
const SRTP: (&str, &str) =
    ("RTP/SAVP 0", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n");

impl Office {
    fn open() -> Result<Self> {
        let mut plan = Plan::loopback()?.with_spare();
        let at = SocketAddr::new(plan.ground.ours(Who::Carrier, Family::V4), 8080);
        plan.sip = format!("{}[http]\nlisten = \"{at}\"\n", PEOPLE.replace("DAY", another_day()));
        let exchange = plan.start()?;
        let peer = |who| Peer::new(&exchange, who);
        let (carrier, pbx, spare) = (peer(Who::Carrier)?, peer(Who::Pbx)?, peer(Who::Spare)?);
        let mut office = Self { carrier, pbx, spare, exchange, http: Http::new(at), calls: 0, row: 0 };
        for (number, caller, sdp) in [
            ("100", "+49301", PLAIN),
            ("101", "+49302", PLAIN),
            ("104", "+49304", PLAIN),
            ("106", "+49555", PLAIN),
            ("108", "+49308", G729),
            ("109", "+49309", SRTP),
        ] {
            office.talk((Who::Carrier, caller), (Who::Pbx, number), sdp)?;
        }
        office.talk((Who::Pbx, "102"), (Who::Spare, "103"), PLAIN)?;
        office.talk((Who::Pbx, "105"), (Who::Carrier, "112"), PLAIN)?;
        office.exchange.wait_for_calls(8)?;
        office.row = office.newest_row()?["number"].as_u64().unwrap_or_default();
        Ok(office)
    }

    fn peer(&self, who: Who) -> &Peer {
        match who {
            Who::Carrier => &self.carrier,
            Who::Pbx => &self.pbx,
            _ => &self.spare,
        }
    }

    /// A call that is answered, with a line of sound like this.
    fn talk(&mut self, from: (Who, &str), to: (Who, &str), (profile, more): (&str, &str)) -> Result<()> {
        let body = |who| sound(self.exchange.address_of(who), profile, more);
        let invite = self.invite(from, to.1, &body(from.0));
        self.peer(from.0).send(&invite.text)?;
        let asked = self.peer(to.0).hear("INVITE")?;
        let callee = self.peer(to.0);
        callee.send(&callee.answer(&asked, "200 OK", "", &body(to.0)))?;
        self.peer(from.0).final_answer(&invite.call)?;
        self.calls += 1;
        Ok(())
    }

    fn invite(&self, (who, from): (Who, &str), number: &str, body: &str) -> Invite {
        let (at, to) = (self.exchange.address_of(who), self.exchange.address_for(who));
        let call = format!("rights-{}", self.calls);
        Invite::new(at, to, from, number, call, body)
    }

    /// Somebody behind the second PBX dials a number: what they are answered in the end, acknowledged.
    fn dial(&mut self, from: &str, number: &str) -> Result<(Invite, String)> {
        self.calls += 1;
        let body = sound(self.exchange.address_of(Who::Spare), "RTP/AVP 0", "");
        let invite = self.invite((Who::Spare, from), number, &body);
        self.spare.send(&invite.text)?;
        let answer = self.spare.final_answer(&invite.call)?;
        self.spare.send(&invite.ack(&answer))?;
        Ok((invite, answer))
    }

    fn newest_row(&self) -> Result<Value> {
        let (status, rows) = self.http.get("/api/v1/audit?limit=1")?;
        assert_eq!(status, 200, "{rows}");
        Ok(rows[0].clone())
    }

    /// The one refusal that was written down since the last time.
    fn refusal(&mut self, what: &str) -> Result<Value> {
        let rows = wait_for(&format!("{what} in the audit"), SOON, || {
            let (_, rows) = self.http.get("/api/v1/audit?limit=5&what=refused").ok()?;
            let rows: Vec<_> =
                rows.as_array()?.iter().filter(|row| row["number"].as_u64() > Some(self.row)).cloned().collect();
            (!rows.is_empty()).then_some(rows)
        })?;
        assert_eq!(rows.len(), 1, "{what}: {rows:?}");
        self.row = rows[0]["number"].as_u64().expect("a number");
        Ok(rows[0].clone())
    }

    fn hang_up(&self, what: &str, call: &Invite, answer: &str) -> Result<()> {
        self.spare.send(&call.bye(answer))?;
        let ended = self.spare.final_answer(&format!("{}\r\nCSeq: 2 BYE", call.call))?;
        assert_eq!(status(&ended), 200, "{what}: {ended}");
        Ok(())
    }

    /// A telephone asks by the prefix, and then by a code.
    fn by_phone(&mut self, (who, whom, mode, denial): Row) -> Result<()> {
        let what = format!("{who} dials 007{whom} for {mode:?}");
        let (session, answer) = self.dial(who, &format!("007{whom}"))?;
        if mode == Listen {
            assert_answered(&what, &answer, denial);
        } else {
            assert_eq!(status(&answer), 200, "{what}: {answer}");
            let code = undertone_control_core::monitor::Code::Mode(mode).usual();
            let (said, switched) = self.dial(who, code)?;
            // It succeeds either way: what came of it is a tone.
            assert_eq!(status(&switched), 200, "{what}: {switched}");
            self.hang_up(&what, &said, &switched)?;
            let (_, sessions) = self.http.get("/api/v1/monitors")?;
            let is = denial.map_or(mode, |_| Listen);
            assert_eq!(
                (sessions.as_array().map(Vec::len), &sessions[0]["mode"]),
                (Some(1), &json!(is.key())),
                "{what}"
            );
        }
        if status(&answer) == 200 {
            self.hang_up(&what, &session, &answer)?;
        }
        if let Some(denial) = denial {
            let row = self.refusal(&what)?;
            let asked = if mode == Listen { Value::from("") } else { mode.key().into() };
            assert_eq!((&row["via"], &row["mode"]), (&json!("phone"), &asked), "{what}: {row}");
            assert_row(&what, &row, (who, whom), denial);
        }
        Ok(())
    }

    /// A program asks over HTTP that the supervisor be called.
    fn over_http(&mut self, (who, whom, mode, denial): Row) -> Result<()> {
        let what = format!("{who} is to be called for {whom} and {mode:?}");
        let wish = json!({ "extension": whom, "as": who, "mode": mode.key() });
        let (status, told) = self.http.post("/api/v1/monitors", &wish)?;
        let Some(denial) = denial else {
            assert_eq!((status, &told["mode"]), (201, &json!(mode.key())), "{what}: {told}");
            let id = told["id"].as_str().unwrap_or_default();
            return self
                .http
                .delete(&format!("/api/v1/monitors/{id}"))
                .map(|(status, told)| assert_eq!(status, 200, "{told}"));
        };
        let expected = json!({ "error": denial.complaint(), "try": denial.way_out() });
        assert_eq!((status, &told), (said(denial).1, &expected), "{what}");
        let row = self.refusal(&what)?;
        assert_eq!((&row["via"], &row["mode"]), (&json!("api"), &json!(mode.key())), "{what}: {row}");
        assert_row(&what, &row, (who, whom), denial);
        Ok(())
    }

    fn reload_with(&self, was: &str, is: &str) -> Result<()> {
        let file = self.exchange.operator.config();
        let text = std::fs::read_to_string(&file).expect("the configuration");
        assert!(text.contains(was), "{text}");
        std::fs::write(&file, text.replace(was, is)).expect("written");
        self.exchange.operator.say(&["reload"])?.done().map(drop)
    }
}

fn assert_answered(what: &str, answer: &str, denial: Option<Denial>) {
    let expected = denial.map_or(200, |denial| said(denial).0);
    let reason = denial.map(Denial::reason_header).unwrap_or_default();
    assert_eq!((status(answer), header(answer, "Reason").unwrap_or_default()), (expected, reason), "{what}: {answer}");
}

fn assert_row(what: &str, row: &Value, (who, whom): (&str, &str), denial: Denial) {
    let told = ["reason", "extension", "target_extension"].map(|field| row[field].as_str().unwrap_or_default());
    assert_eq!(told, [denial.key(), who, whom], "{what}: {row}");
    assert_eq!(row["user"] == "", denial == Denial::UnknownSupervisor, "{what}: {row}");
}

/// A day that is neither today nor tomorrow nor was yesterday, wherever the node's clock is.
fn another_day() -> &'static str {
    let days = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs() / 86_400);
    // The first of them was a Thursday.
    ["thu", "fri", "sat", "sun", "mon", "tue", "wed"][(days as usize + 3) % 7]
}

/// An INVITE, and what else is said in its call.
struct Invite {
    at: SocketAddr,
    to: SocketAddr,
    from: String,
    number: String,
    call: String,
    text: String,
}

impl Invite {
    fn new(at: SocketAddr, to: SocketAddr, from: &str, number: &str, call: String, body: &str) -> Self {
        let mut this = Self { at, to, from: from.into(), number: number.into(), call, text: String::new() };
        this.text = this.request("INVITE", 1, "i", &format!("sip:{number}@{to}"), "", body);
        this
    }

    fn request(&self, method: &str, cseq: u32, branch: &str, uri: &str, tag: &str, body: &str) -> String {
        let Self { at, to, from, number, call, .. } = self;
        let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK-{call}-{branch};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{from}@{at}>;tag={call}\r\nTo: <sip:{number}@{to}>{tag}\r\nCall-ID: {call}\r\n\
             CSeq: {cseq} {}\r\nContact: <sip:{from}@{at}>\r\n{typed}Content-Length: {}\r\n\r\n{body}",
            method,
            body.len()
        )
    }

    fn ack(&self, answer: &str) -> String {
        if status(answer) < 300 {
            self.request("ACK", 1, "a", &contact(answer), &tag(answer), "")
        } else {
            self.request("ACK", 1, "i", &format!("sip:{}@{}", self.number, self.to), &tag(answer), "")
        }
    }

    fn bye(&self, answer: &str) -> String {
        self.request("BYE", 2, "b", &contact(answer), &tag(answer), "")
    }
}

fn status(answer: &str) -> u16 {
    answer.get(8..11).and_then(|status| status.parse().ok()).unwrap_or_default()
}

fn header(answer: &str, name: &str) -> Option<String> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(Into::into)
}

fn contact(answer: &str) -> String {
    let contact = header(answer, "Contact").unwrap_or_default();
    contact.trim_start_matches('<').split('>').next().unwrap_or_default().into()
}

fn tag(answer: &str) -> String {
    header(answer, "To").and_then(|to| to.split_once(";tag=").map(|(_, tag)| format!(";tag={tag}"))).unwrap_or_default()
}

#[test]
fn who_may_monitor_whom_is_one_table_by_telephone_and_over_http() -> Result<()> {
    let mut office = Office::open()?;
    for row in ROWS {
        office.by_phone(row)?;
        office.over_http(row)?;
    }
    // By telephone a session begins to listen, which this one may not.
    office.over_http(("208", "100", Barge, None))?;
    office.exchange.wait_for_calls(8).map(drop)
}

#[test]
fn the_prefix_is_for_whom_it_is_switched_on() -> Result<()> {
    let mut office = Office::open()?;
    office.reload_with("enabled = true", "users = [\"adam\"]\nuser-groups = [\"team\"]")?;
    office.by_phone(("201", "100", Listen, None))?;
    office.by_phone(("206", "101", Listen, None))?;
    let (_, answer) = office.dial("202", "007100")?;
    assert_eq!(
        (status(&answer), header(&answer, "Reason")),
        (403, Some(Denial::NotListed.reason_header())),
        "{answer}"
    );
    assert_row("202", &office.refusal("not listed")?, ("202", "100"), Denial::NotListed);
    office.over_http(("202", "100", Listen, None))?;
    office.over_http(("202", "101", Listen, Some(Denial::NoRule)))?;

    // Switched off it is a number like any other; from outside it always is.
    office.reload_with("users = [\"adam\"]\nuser-groups = [\"team\"]", "enabled = false")?;
    office.calls += 1;
    let body = sound(office.exchange.address_of(Who::Spare), "RTP/AVP 0", "");
    let invite = office.invite((Who::Spare, "201"), "007100", &body);
    office.spare.send(&invite.text)?;
    let asked = office.carrier.hear("INVITE sip:007100@")?;
    office.carrier.send(&office.carrier.answer(&asked, "404 Not Found", "", ""))?;
    assert_eq!(status(&office.spare.final_answer(&invite.call)?), 404);
    office.over_http(("201", "100", Whisper, None))?;

    office.reload_with("enabled = false", "enabled = true")?;
    office.calls += 1;
    let invite = office.invite((Who::Carrier, "201"), "007100", &body);
    office.carrier.send(&invite.text)?;
    let asked = office.pbx.hear("INVITE sip:007100@")?;
    office.pbx.send(&office.pbx.answer(&asked, "404 Not Found", "", ""))?;
    assert_eq!(status(&office.carrier.final_answer(&invite.call)?), 404);
    office.by_phone(("201", "100", Listen, None))
}

#[test]
fn who_tries_number_after_number_learns_nothing_more_and_fills_no_audit() -> Result<()> {
    const TRIES: u16 = 40;
    let mut office = Office::open()?;
    office.reload_with("refusals-per-minute = 10000", "refusals-per-minute = 5")?;
    let waits = |answer: &str| header(answer, "Reason") == Some(Denial::TooMany.reason_header());
    let mut waited = 0;
    for number in 500..500 + TRIES {
        let (_, answer) = office.dial("201", &format!("007{number}"))?;
        let expected = if waits(&answer) { 480 } else { 404 };
        assert_eq!(status(&answer), expected, "{answer}");
        waited += u16::from(waits(&answer));
    }
    // One more each twelve seconds.
    assert!((TRIES - 8..=TRIES - 5).contains(&waited), "{waited} of {TRIES}");
    // One that has a rule and one that has none look the same, and so do users and those who are none.
    for (number, who) in [("104", "201"), ("100", "205"), ("100", "298")] {
        while !waits(&office.dial(who, &format!("007{number}"))?.1) {}
    }
    let (session, answer) = office.dial("201", "007100")?;
    assert_eq!(status(&answer), 200, "what is permitted is done: {answer}");
    office.spare.send(&session.bye(&answer))?;

    let wish = |extension: &str| json!({ "extension": extension, "as": "201" });
    let mut told = Value::Null;
    for _ in 0..TRIES {
        told =
            office.http.post("/api/v1/monitors", &wish("999")).map(|(status, told)| json!([status, told["error"]]))?;
    }
    assert_eq!(told, json!([429, Denial::TooMany.complaint()]));
    let (status, begun) = office.http.post("/api/v1/monitors", &wish("100"))?;
    assert_eq!(status, 201, "{begun}");

    // Of adam, of paul, of whoever is nobody, and of HTTP.
    let rows = wait_for("the rows", SOON, || {
        let (_, rows) = office.http.get("/api/v1/audit?what=refused&limit=1000").ok()?;
        rows.as_array().map(Vec::len).filter(|rows| *rows >= 4 * 5)
    })?;
    assert!(rows <= 4 * 8, "{rows} rows");
    let metrics = office.http.metrics()?;
    assert!(metrics.of("undertone_monitor_refused_total{reason=\"too-many-refusals\"}") >= u64::from(2 * TRIES) - 20);
    Ok(())
}
