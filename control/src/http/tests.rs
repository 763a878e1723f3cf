//! The server, in front of an appliance that is made up.

use std::{
    cell::RefCell,
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpStream},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

use tokio::task::{JoinSet, LocalSet, spawn_blocking};
use tungstenite::{Message, protocol::CloseFrame};
use undertone_control_core::{permission::Denial, recording};
use undertone_core::mixer::Mode;

use super::{
    Appliance, Measures, News,
    events::{QUEUE, What},
};
use crate::protocol::{
    CallView, Code, MonitorSpec, MonitorView, PeerView, RecordingSpec, RecordingView, Refusal, UserView, not_recorded,
};

const SOON: Duration = Duration::from_secs(10);

/// What the appliance says of itself.
#[derive(Default)]
struct MadeUp {
    unready: RefCell<Vec<String>>,
    has_sip: bool,
}

impl MadeUp {
    fn sip<T>(&self, answer: T) -> Result<T, Refusal> {
        let none = || Refusal::new(Code::Refused, "this daemon takes no calls").with_way_out("add [sip]");
        self.has_sip.then_some(answer).ok_or_else(none)
    }
}

impl Appliance for MadeUp {
    fn unready(&self) -> Vec<String> {
        self.unready.borrow().clone()
    }

    fn measures(&self) -> Measures {
        Measures {
            uptime_s: 1,
            is_ready: true,
            streams: 0,
            paths: Vec::new(),
            reasons: Vec::new(),
            tables: Vec::new(),
            sip: None,
            monitoring: None,
            recording: None,
            storage: None,
        }
    }

    fn calls(&self) -> Result<Vec<CallView>, Refusal> {
        self.sip(Vec::new())
    }

    fn call(&self, id: &str) -> Result<CallView, Refusal> {
        Err(Refusal::new(Code::NotFound, format!("there is no call {id}")))
    }

    fn peers(&self) -> Result<Vec<PeerView>, Refusal> {
        self.sip(Vec::new())
    }

    fn users(&self) -> Result<Vec<UserView>, Refusal> {
        self.sip(vec![UserView { name: "ann".into(), ..UserView::default() }])
    }

    fn hang_up(&self, id: &str) -> Result<Vec<String>, Refusal> {
        self.call(id).map(|_| Vec::new())
    }

    fn monitors(&self) -> Result<Vec<MonitorView>, Refusal> {
        self.sip(Vec::new())
    }

    fn monitor(&self, id: &str) -> Result<MonitorView, Refusal> {
        Err(Refusal::new(Code::NotFound, format!("there is no monitor session {id}")))
    }

    fn begin_monitor(&self, _: MonitorSpec, _: IpAddr) -> Result<MonitorView, Refusal> {
        Err(Denial::NoRule.into())
    }

    fn switch_monitor(&self, id: &str, mode: Mode, _: IpAddr) -> Result<MonitorView, Refusal> {
        if mode == Mode::Barge { Err(Denial::ModeNotPermitted.into()) } else { self.monitor(id) }
    }

    fn end_monitor(&self, id: &str, from: IpAddr) -> Result<Vec<String>, Refusal> {
        self.monitor(id).map(|_| vec![format!("asked from {from}")])
    }

    fn recordings(&self) -> Result<Vec<RecordingView>, Refusal> {
        self.sip(Vec::new())
    }

    fn recording(&self, call: &str) -> Result<RecordingView, Refusal> {
        Err(not_recorded(call))
    }

    fn begin_recording(&self, _: RecordingSpec, _: IpAddr) -> Result<RecordingView, Refusal> {
        Err(recording::Refusal::Emergency.into())
    }

    fn end_recording(&self, call: &str, _: IpAddr) -> Result<Vec<String>, Refusal> {
        self.recording(call).map(|_| Vec::new())
    }

    fn database(&self) -> Result<PathBuf, Refusal> {
        self.sip("/nowhere/undertone.db".into())
    }
}

/// Starts a server, and does something with its address.
fn with_server<F: Future<Output = ()>>(made_up: Rc<MadeUp>, act: impl FnOnce(SocketAddr, News) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let (news, mut tasks) = (News::new(), JoinSet::new());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = super::start(any, made_up, news.clone(), &mut tasks).expect("a free port");
        act(address, news).await;
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("a time to wait");
    stream
}

/// Everything that comes back for some bytes.
async fn say(address: SocketAddr, bytes: impl Into<Vec<u8>>) -> String {
    let bytes = bytes.into();
    let saying = spawn_blocking(move || {
        let mut stream = connect(address);
        stream.write_all(&bytes).expect("sent");
        let mut answer = Vec::new();
        // A connection that is reset has said all it had to say.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).expect("text")
    });
    saying.await.expect("an answer")
}

/// The status and the body of the answer to a request without a body.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let answer = say(address, format!("{request} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.contains("\r\ncache-control: no-store"), "{head}");
    (head[9..12].parse().expect("a status"), body.into())
}

#[test]
fn health_and_readiness_are_told_with_reasons() {
    let made_up = Rc::new(MadeUp::default());
    with_server(Rc::clone(&made_up), |address, _| async move {
        assert_eq!(ask(address, "GET /healthz").await, (200, r#"{"healthy":true}"#.into()));
        assert_eq!(ask(address, "GET /readyz").await, (200, r#"{"ready":true,"reasons":[]}"#.into()));
        made_up.unready.borrow_mut().push("draining".into());
        assert_eq!(ask(address, "GET /readyz").await, (503, r#"{"ready":false,"reasons":["draining"]}"#.into()));
        assert_eq!(ask(address, "HEAD /healthz").await, (200, String::new()));
    });
}

#[test]
fn whatever_cannot_be_served_is_told_with_the_way_out() {
    with_server(Rc::default(), |address, _| async move {
        let table = [
            ("GET /", 404, "there is nothing at /"),
            ("GET /api/v1/nothing", 404, "there is nothing at /api/v1/nothing"),
            ("POST /healthz", 405, "POST is not taken at /healthz"),
            ("DELETE /api/v1/calls", 405, "DELETE is not taken at /api/v1/calls"),
            ("GET /api/v1/calls", 409, "this daemon takes no calls"),
            ("GET /api/v1/users", 409, "this daemon takes no calls"),
            ("GET /api/v1/monitors", 409, "this daemon takes no calls"),
            ("GET /api/v1/monitors/x", 404, "there is no monitor session x"),
            ("DELETE /api/v1/monitors/x", 404, "there is no monitor session x"),
            ("PUT /api/v1/monitors/x", 405, "PUT is not taken at /api/v1/monitors/x"),
            ("PATCH /api/v1/monitors/x", 415, "does not say that it is JSON"),
            ("GET /api/v1/calls/x", 404, "there is no call x"),
            ("DELETE /api/v1/calls/x", 404, "there is no call x"),
            ("GET /api/v1/records/x", 404, "there is no record of a call x"),
            ("GET /api/v1/records?since=yesterday", 400, "`since` is no time"),
            ("GET /api/v1/records?limit=10001", 400, "an answer has at most 10000 records"),
            ("GET /api/v1/records?limit=-1", 400, "limit"),
            ("GET /api/v1/records?from=carrier", 400, "from"),
            ("GET /api/v1/events", 426, "upgrade"),
        ];
        for (request, status, error) in table {
            let (told, body) = ask(address, request).await;
            let json: serde_json::Value = serde_json::from_str(&body).expect(&body);
            assert!(
                told == status && json["error"].as_str().is_some_and(|told| told.contains(error)),
                "{request}: {body}"
            );
            assert!(json["try"].is_string(), "{request}: {body}");
        }
    });
}

#[test]
fn what_stands_in_a_body_is_read_or_told_what_is_wrong_with_it() {
    with_server(Rc::default(), |address, _| async move {
        let long = format!("{{\"mode\":\"{}\"}}", "x".repeat(5000));
        for (kind, body, status, told) in [
            ("application/json", r#"{"mode":"barge"}"#, "403", "the rules that permit it are for other modes"),
            ("application/json; charset=utf-8", r#"{"mode":"listen"}"#, "404", "there is no monitor session x"),
            ("text/plain", r#"{"mode":"listen"}"#, "415", "does not say that it is JSON"),
            ("application/json", r#"{"mode":"loud"}"#, "400", "is not a mode: it is"),
            ("application/json", r#"{"mode":"listen","x":1}"#, "400", "unknown field"),
            ("application/json", "{", "400", "EOF"),
            ("application/json", &long, "413", "more than 4096 bytes"),
        ] {
            let request = format!(
                "PATCH /api/v1/monitors/x HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
                 Connection: close\r\n\r\n{body}",
                body.len()
            );
            let answer = say(address, request).await;
            assert!(answer.get(9..12) == Some(status) && answer.contains(told), "{body}: {answer}");
        }
    });
}

#[test]
fn users_are_listed() {
    with_server(Rc::new(MadeUp { has_sip: true, ..MadeUp::default() }), |address, _| async move {
        let (status, body) = ask(address, "GET /api/v1/users").await;
        let users: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!((status, &users[0]["name"], &users[0]["calls"]), (200, &"ann".into(), &serde_json::json!([])));
    });
}

#[test]
fn a_database_that_is_not_there_is_told() {
    with_server(Rc::new(MadeUp { has_sip: true, ..MadeUp::default() }), |address, _| async move {
        let (status, body) = ask(address, "GET /api/v1/records").await;
        assert!(status == 503 && body.contains("/nowhere/undertone.db is not there"), "{status} {body}");
    });
}

#[test]
fn bodies_and_foreign_pages_and_long_heads_are_turned_away() {
    with_server(Rc::default(), |address, _| async move {
        let body =
            format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
        let foreign = "GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
        let origin = format!(
            "DELETE /api/v1/calls/x HTTP/1.1\r\nHost: {address}\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"
        );
        let long = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(32 << 10));
        let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(65));
        let table = [
            (body.as_str(), "413"),
            (foreign, "403"),
            (&origin, "403"),
            (&long, "431"),
            (&many, "431"),
            ("\0\r\n\r\n", "400"),
        ];
        for (request, status) in table {
            let answer = say(address, request).await;
            let told = answer.get(9..12);
            // A client that is still talking may be cut off before it can read.
            assert!(told == Some(status) || answer.is_empty() && request.len() > 1000, "{status}: {answer}");
        }
        assert_eq!(ask(address, "GET /healthz").await.0, 200);
    });
}

#[test]
fn one_connection_too_many_is_told_and_the_others_go_on() {
    with_server(Rc::default(), |address, _| async move {
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
        let open = spawn_blocking(move || {
            let mut open: Vec<_> = (0..128).map(|_| connect(address)).collect();
            let mut answer = String::new();
            let _ = connect(address).read_to_string(&mut answer);
            assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with('}'), "{answer}");
            let last = open.last_mut().expect("many");
            last.write_all(request.as_bytes()).expect("sent");
            let mut answer = [0; 12];
            last.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"HTTP/1.1 200");
        });
        open.await.expect("no failure");
    });
}

#[test]
fn what_cannot_be_asked_of_the_audit_is_told() {
    with_server(Rc::new(MadeUp { has_sip: true, ..MadeUp::default() }), |address, _| async move {
        for (query, status, told) in [
            ("?since=yesterday", 400, "`since` is no time"),
            ("?limit=10001", 400, "an answer has at most 10000 rows"),
            (
                "?number=1",
                400,
                "the parameters are since, until, who, user, extension, what, call, session, before and limit",
            ),
            ("?user=a&user=b", 400, "each at most once"),
            ("", 503, "is not there"),
        ] {
            let (was, body) = ask(address, &format!("GET /api/v1/audit{query}")).await;
            assert!(was == status && body.contains(told), "{query}: {was} {body}");
        }
    });
}

#[test]
fn a_follower_gets_the_snapshot_and_then_what_happens() {
    with_server(Rc::new(MadeUp { has_sip: true, ..MadeUp::default() }), |address, news| async move {
        let (mut follower, _) = follow(address).await;
        for peer in ["a", "b", "c"] {
            news.tell(What::PeerDown { peer: peer.into() });
        }
        let heard = spawn_blocking(move || {
            let texts: Vec<_> = (0..3).map(|_| follower.read().expect("an event").into_text().expect("text")).collect();
            texts.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect::<Vec<serde_json::Value>>()
        });
        for (event, peer) in heard.await.expect("three").iter().zip(["a", "b", "c"]) {
            assert_eq!((&event["event"], &event["peer"]), (&"peer-down".into(), &peer.into()));
            assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{event}");
        }
    });
}

#[test]
fn a_follower_that_does_not_keep_up_is_told_and_counted() {
    with_server(Rc::new(MadeUp { has_sip: true, ..MadeUp::default() }), |address, news| async move {
        let (mut follower, _) = follow(address).await;
        // The server has no turn meanwhile.
        for _ in 0..=QUEUE {
            news.tell(What::PeerUp { peer: "a".into() });
        }
        let heard = spawn_blocking(move || follower.read());
        let Ok(Message::Close(Some(CloseFrame { code, reason }))) = heard.await.expect("heard") else {
            panic!("no reason was told")
        };
        assert_eq!(u16::from(code), 1008);
        assert!(reason.contains("do not keep up"), "{reason}");
        let (_, page) = ask(address, "GET /metrics").await;
        assert!(page.contains("\nundertone_http_followers 0\n"), "{page}");
        assert!(page.contains("\nundertone_http_followers_dropped_total 1\n"), "{page}");
    });
}

#[test]
fn one_follower_too_many_is_told() {
    with_server(Rc::new(MadeUp { has_sip: true, ..MadeUp::default() }), |address, _| async move {
        let mut followers = Vec::new();
        for _ in 0..super::follow::FOLLOWERS_MAX {
            followers.push(follow(address).await);
        }
        let one_more = spawn_blocking(move || {
            let refusal = tungstenite::client(url(address), connect(address)).map(drop);
            refusal.expect_err("no room").to_string()
        });
        let refusal = one_more.await.expect("an answer");
        assert!(refusal.contains("503"), "{refusal}");
    });
}

type Follower = tungstenite::WebSocket<TcpStream>;

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/api/v1/events")
}

/// A follower, and the snapshot that it has got.
async fn follow(address: SocketAddr) -> (Follower, serde_json::Value) {
    let following = spawn_blocking(move || {
        let (mut follower, _) = tungstenite::client(url(address), connect(address)).expect("an upgrade");
        let snapshot = follower.read().expect("the snapshot").into_text().expect("text");
        let snapshot: serde_json::Value = serde_json::from_str(&snapshot).expect("JSON");
        assert_eq!((&snapshot["event"], &snapshot["calls"]), (&"snapshot".into(), &serde_json::json!([])));
        (follower, snapshot)
    });
    following.await.expect("a follower")
}
