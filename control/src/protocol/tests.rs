use std::net::SocketAddr;

use undertone_core::{Clock, CopyId, Dscp, Kind, MonitorPort, Policy, StreamReport, mixer::Mode};
use undertone_dataplane::Statistics;

use super::*;

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

fn relay() -> RelaySpec {
    let end = |local: &str, peer: &str| EndSpec {
        local: socket(local),
        peer: socket(peer),
        learn: Policy::SameHost,
        sends: false,
        dscp: Dscp::new(46),
    };
    RelaySpec {
        a: end("192.0.2.10:20000", "198.51.100.7:4000"),
        b: end("[2001:db8::10]:20002", "[2001:db8::7]:4000"),
        kind: Kind::RtpMux,
        clock: Clock::Hz48000,
    }
}

fn monitor_spec() -> MonitorSpec {
    let (extension, supervisor, peer) = ("100".into(), "200".into(), Some("pbx".into()));
    MonitorSpec { extension, supervisor, mode: Mode::WhisperToAgent, peer, auto_answer: true }
}

fn requests() -> Vec<Request> {
    let port = PortName { ip: None, port: 20_000 };
    let exact = PortName::from(socket("[2001:db8::10]:20002"));
    let to = socket("203.0.113.5:9000");
    vec![
        Request::Status,
        Request::Streams { ports: Vec::new() },
        Request::Streams { ports: vec![port, exact] },
        Request::AddRelay { relay: relay(), rtcp: true },
        Request::ChangeRelay { relay: relay(), rtcp: false },
        Request::RemoveRelay { port: exact, rtcp: true },
        Request::AddCopy { port, to },
        Request::RemoveCopy { port, to },
        Request::Divert { port, on: true },
        Request::Calls,
        Request::Peers,
        Request::Users,
        Request::HangUp { call: "00c0ffee00c0ffee".into() },
        Request::Monitors,
        Request::Monitor { monitor: monitor_spec() },
        Request::SwitchMonitor { monitor: "0190".into(), mode: Mode::WhisperToCaller },
        Request::EndMonitor { monitor: "0190".into() },
        Request::Recordings,
        Request::Record { recording: RecordingSpec { call: "100".into() } },
        Request::EndRecording { call: "00c0ffee00c0ffee".into() },
        Request::Drain { on: true },
        Request::Reload,
        Request::Capture { port, both: true },
    ]
}

#[test]
fn every_request_survives_its_line() {
    for request in requests() {
        let line = encode_request(&request).expect("it can be written");
        assert!(!line.contains('\n') && line.len() < REQUEST_BYTES_MAX, "{line}");
        assert_eq!(decode_request(line.as_bytes()), Ok(request), "{line}");
    }
}

#[test]
fn a_request_by_hand_is_short() {
    let line = br#"{"version":1,"request":"add-relay","relay":{
        "a":{"local":"192.0.2.10:20000","peer":"198.51.100.7:4000"},
        "b":{"local":"192.0.2.10:20002","peer":"198.51.100.8:4000","learn":"latch"}}}"#;
    let Ok(Request::AddRelay { relay, rtcp: false }) = decode_request(line) else { panic!("not understood") };
    assert_eq!((relay.kind, relay.clock, relay.b.learn), (Kind::Rtp, Clock::Hz8000, Policy::Latch));
    assert_eq!((relay.a.learn, relay.a.sends, relay.a.dscp), (Policy::Strict, true, None));
}

#[test]
fn what_is_no_request_is_refused_with_its_reason() {
    let table: [(&[u8], Code, &str); 8] = [
        (b"", Code::BadRequest, "EOF"),
        (b"status", Code::BadRequest, "expected value"),
        (b"[]", Code::BadRequest, "does not say its version"),
        (br#"{"request":"status"}"#, Code::BadRequest, "does not say its version"),
        (br#"{"version":2,"request":"status"}"#, Code::OtherVersion, "version 2, and this daemon speaks version 1"),
        (
            br#"{"version":1,"request":"listen"}"#,
            Code::BadRequest,
            "unknown variant `listen`, expected one of `status`",
        ),
        (br#"{"version":1,"request":"divert","port":"0","on":true}"#, Code::BadRequest, "names no media port"),
        (
            br#"{"version":1,"request":"divert","port":"20000","on":true,"level":3}"#,
            Code::BadRequest,
            "unknown field `level`",
        ),
    ];
    for (line, code, reason) in table {
        let refusal = decode_request(line).expect_err("no request");
        assert!(refusal.code == code && refusal.error.contains(reason), "{refusal:?}");
        assert!(refusal.way_out.is_some());
    }
}

#[test]
fn every_answer_survives_its_line() {
    let status = Status {
        program_version: "0.1.0".into(),
        pid: 7,
        uptime_s: 60,
        config: "/etc/undertone/undertone.toml".into(),
        pins: Some("/sys/fs/bpf/undertone".into()),
        interfaces: vec![InterfaceStatus {
            interface: "eth0".into(),
            path: "xdp-native".into(),
            reason: "it can".into(),
        }],
        adopted: Adoption { tables: true, streams: 2 },
        relays_configured: 1,
        captures: 0,
        problems: vec!["nothing works".into()],
        capacity: vec![Usage { what: "streams".into(), used: 1, max: 4, refused: 0 }],
        reasons: vec![ReasonCount {
            reason: "forwarded".into(),
            fate: "sent".into(),
            packets: u64::MAX,
            help: "Forwarded.".into(),
        }],
    };
    let answers = [
        Answer::Done { did: vec!["it".into()] },
        Answer::Status(Box::new(status)),
        Answer::Streams(vec![Stream::new(&report(), 0)]),
        Answer::Users(vec![UserView { name: "ann".into(), ..UserView::default() }]),
        Answer::Capture { ports: vec![socket("192.0.2.10:20000")] },
        Answer::Error(Refusal::new(Code::NotFound, "no such\nstream").with_way_out("look again")),
    ];
    for answer in answers {
        let line = encode_answer(&answer);
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        assert_eq!(decode_answer(line.as_bytes()), Ok(answer), "{line}");
    }
}

#[test]
fn an_answer_of_another_version_is_told() {
    let error = decode_answer(br#"{"version":9,"answer":"done","data":{"did":[]}}"#).expect_err("another version");
    assert_eq!(error, "it speaks version 9, this program version 1");
}

fn report() -> StreamReport {
    StreamReport {
        at: socket("192.0.2.10:20000"),
        peer: socket("198.51.100.7:4000"),
        from: socket("192.0.2.10:20002"),
        to: socket("198.51.100.8:4000"),
        kind: Kind::Rtp,
        clock: Clock::Hz8000,
        forward: true,
        divert: false,
        sequence_offset: 0,
        copies: vec![
            (CopyId(1), MonitorPort::Network(socket("203.0.113.5:9000"))),
            (CopyId(2), MonitorPort::Mixer(5004)),
        ],
        statistics: Statistics { packets: 95, lost: 10, duplicates: 5, jitter_ns: 2_500_000, ..Statistics::default() },
    }
}

#[test]
fn a_stream_says_what_share_was_lost_and_how_it_sounds() {
    let stream = Stream::new(&report(), 0);
    assert!((stream.loss_percent - 10.0).abs() < 1e-9 && (stream.jitter_ms - 2.5).abs() < 1e-9, "{stream:?}");
    assert!(stream.mos.is_some_and(|mos| (1.0..4.4).contains(&mos)), "{stream:?}");
    let copies: Vec<_> = stream.copies.iter().map(|copy| copy.to.as_str()).collect();
    assert_eq!(copies, ["203.0.113.5:9000", "mixer:5004"]);
}

#[test]
fn a_stream_that_never_came_has_no_score_and_no_loss() {
    let silent = StreamReport { statistics: Statistics::default(), ..report() };
    let stream = Stream::new(&silent, 1 << 40);
    assert_eq!((stream.mos, stream.ssrc, stream.idle_ms), (None, None, None));
    assert!(stream.loss_percent.abs() < f64::EPSILON);
}

#[test]
fn a_port_is_named_by_number_or_in_full() {
    let number: PortName = "20000".parse().expect("a number");
    let full: PortName = "[2001:db8::10]:20000".parse().expect("in full");
    let (v4, v6) = (socket("192.0.2.10:20000"), socket("[2001:db8::10]:20000"));
    assert!(number.names(v4) && number.names(v6) && full.names(v6) && !full.names(v4));
    for wrong in ["", "0", "65536", "192.0.2.10", "2001:db8::10:20000", "eth0:20000"] {
        assert!(wrong.parse::<PortName>().is_err(), "{wrong}");
    }
}
