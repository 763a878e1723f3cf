//! Transactions under a virtual clock.

use std::time::Duration;

use super::*;
use crate::{
    sip::{
        Transport,
        message::{Answer, Message, Method, Request, Response},
    },
    time::Nanos,
};

const START: Nanos = Nanos(1_000_000_000_000);

fn flow(transport: Transport) -> Flow {
    Flow { listener: 0, transport, remote: "192.0.2.2:5060".parse().expect("an address"), connection: 0 }
}

fn request(method: &str, branch: &str) -> Request {
    let text = format!(
        "{method} sip:b@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch}\r\nFrom: <sip:a@x>;tag=1\r\n\
         To: <sip:b@x>\r\nCall-ID: c\r\nCSeq: 7 {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    );
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("a request, not {other:?}"),
    }
}

fn response(request: &Request, status: u16) -> Response {
    match Message::parse(&request.answer(&Answer::new(status), "2")) {
        Ok(Message::Response(response)) => response,
        other => panic!("a response, not {other:?}"),
    }
}

/// The seconds at which something is sent until nothing more is, after what was sent at once.
fn times(mut deadline: impl FnMut() -> Option<Nanos>, mut timeout: impl FnMut(Nanos) -> usize) -> Vec<f64> {
    let mut times = Vec::new();
    while let Some(at) = deadline() {
        let sent = timeout(at);
        times.extend(std::iter::repeat_n((at - START).as_secs_f64(), sent));
    }
    times
}

/// A transaction of ours: its request, and when that is repeated until it is given up.
fn asked(method: &str, transport: Transport, provisional: bool) -> (Vec<f64>, Option<f64>) {
    let (mut clients, mut out) = (Clients::default(), Vec::new());
    let id = clients.reserve(START, 99, flow(transport), request(method, "x").method(), ());
    let request = request(method, &clients.branch(id));
    clients.begin(START, id, request.to_bytes(), &mut out);
    assert_eq!(out.len(), 1);
    if provisional {
        assert_eq!(clients.receive(START, &response(&request, 100), &mut out), Heard::Owner(id, ()));
    }
    let clients = std::cell::RefCell::new(clients);
    let mut given_up = None;
    let times = times(
        || clients.borrow().deadline().filter(|at| *at < Nanos(u64::MAX)),
        |now| {
            let mut out = Vec::new();
            if clients.borrow_mut().timeout(now, &mut out).is_some() {
                given_up = Some((now - START).as_secs_f64());
            }
            out.len()
        },
    );
    (times, given_up)
}

#[test]
fn an_invite_is_repeated_at_growing_intervals_until_something_is_heard() {
    assert_eq!(asked("INVITE", Transport::Udp, false), (vec![0.5, 1.5, 3.5, 7.5, 15.5, 31.5], Some(32.0)));
    assert_eq!(asked("INVITE", Transport::Tcp, false), (vec![], Some(32.0)));
    assert_eq!(asked("INVITE", Transport::Udp, true), (vec![], None), "then it waits, and its owner has timer C");
}

#[test]
fn another_request_is_repeated_until_it_is_answered_in_the_end() {
    let every_four = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5];
    assert_eq!(asked("BYE", Transport::Udp, false), (every_four.to_vec(), Some(32.0)));
    let (times, given_up) = asked("BYE", Transport::Udp, true);
    assert_eq!(
        (times, given_up),
        (vec![4.0, 8.0, 12.0, 16.0, 20.0, 24.0, 28.0], Some(32.0)),
        "slower, once it is heard of"
    );
}

/// A transaction of ours that is under way.
fn begun(method: &str) -> (Clients<()>, ClientId, Request) {
    let (mut clients, mut out) = (Clients::default(), Vec::new());
    let id = clients.reserve(START, 99, flow(Transport::Udp), request(method, "x").method(), ());
    let request = request(method, &clients.branch(id));
    clients.begin(START, id, request.to_bytes(), &mut out);
    (clients, id, request)
}

#[test]
fn a_failure_is_acknowledged_each_time_it_comes_and_told_once() {
    let (mut clients, id, request) = begun("INVITE");
    let (busy, mut out) = (response(&request, 486), Vec::new());
    assert_eq!(clients.receive(START, &busy, &mut out), Heard::Owner(id, ()));
    assert_eq!(clients.receive(START, &busy, &mut out), Heard::Absorbed);
    // One that was overtaken is no failure.
    assert_eq!(clients.receive(START, &response(&request, 180), &mut out), Heard::Absorbed);
    let [first, second] = &out[..] else { panic!("two ACKs, not {}", out.len()) };
    assert_eq!(first, second);
    let Ok(Message::Request(ack)) = Message::parse(&first.bytes) else { panic!("an ACK") };
    assert_eq!((ack.method(), ack.cseq, &ack.via.branch), (&Method::Ack, 7, &request.via.branch));
    assert_eq!(ack.to_tag.as_deref(), Some(&b"2"[..]));
    assert!(clients.timeout(START + PATIENCE, &mut out).is_none());
    assert!(clients.is_empty());
}

#[test]
fn every_success_is_told_also_after_a_failure() {
    let (mut clients, id, request) = begun("INVITE");
    let mut out = Vec::new();
    for status in [200, 200, 202] {
        assert_eq!(clients.receive(START, &response(&request, status), &mut out), Heard::Owner(id, ()));
    }
    let (mut clients, id, request) = begun("INVITE");
    clients.receive(START, &response(&request, 600), &mut out);
    out.clear();
    assert_eq!(clients.receive(START, &response(&request, 200), &mut out), Heard::Owner(id, ()));
    assert_eq!(out, [], "a 200 is acknowledged by whoever called");
}

#[test]
fn responses_to_nothing_are_strays() {
    let (mut clients, _, request) = begun("INVITE");
    let mut out = Vec::new();
    for branch in ["", "z9hG4bK", "z9hG4bK0.0.0", "z9hG4bKffffffffffffffffff.0.63", "z9hG4bK0.0.63.9", "\u{e9}.0.63"] {
        let mut other = response(&request, 200);
        other.via.branch = branch.to_owned().into();
        let stray = clients.receive(START, &other, &mut out) == Heard::Stray;
        assert!(stray || branch == "z9hG4bK0.0.63.9", "{branch}");
    }
    let mut other = response(&request, 200);
    other.method = Method::Bye;
    assert_eq!(clients.receive(START, &other, &mut out), Heard::Stray);
}

#[test]
fn a_cancel_waits_for_a_provisional_response_and_is_repeated_until_it_is_answered() {
    let (mut clients, id, request) = begun("INVITE");
    let mut out = Vec::new();
    clients.cancel(START, id, &mut out);
    assert_eq!(out, [], "it could overtake the INVITE");
    clients.receive(START, &response(&request, 180), &mut out);
    clients.cancel(START, id, &mut out);
    assert_eq!(out.len(), 1);
    assert!(clients.timeout(START + T1, &mut out).is_none());
    assert_eq!((out.len(), &out[0]), (2, &out[1]));
    let Ok(Message::Request(cancel)) = Message::parse(&out[0].bytes) else { panic!("a CANCEL") };
    assert_eq!((cancel.method(), cancel.cseq, &cancel.via.branch), (&Method::Cancel, 7, &request.via.branch));
    assert_eq!(clients.receive(START, &response(&cancel, 200), &mut out), Heard::Absorbed);
    assert!(clients.timeout(START + Duration::from_secs(20), &mut out).is_none());
    assert_eq!(out.len(), 2);
    // A callee that never answers the INVITE is given up.
    assert_eq!(clients.timeout(START + Duration::from_secs(33), &mut out), Some(Expired(())));
    assert!(clients.is_empty());
}

#[test]
fn a_request_that_comes_again_is_answered_as_before() {
    for (method, statuses) in [("INVITE", [100, 180, 486]), ("OPTIONS", [100, 182, 200])] {
        let (mut servers, mut out) = (Servers::default(), Vec::new());
        let request = request(method, "z9hG4bKa");
        let from = flow(Transport::Udp);
        assert_eq!(servers.receive(&request, from, START, &mut out), Arrived::New);
        let id = servers.begin(&request, from, ());
        assert_eq!(servers.receive(&request, from, START, &mut out), Arrived::Absorbed);
        assert_eq!(out, [], "there is nothing to say yet");
        for status in statuses {
            servers.respond(START, id, status, request.answer(&Answer::new(status), "2"), &mut out);
            let sent = out.pop();
            assert_eq!(servers.receive(&request, from, START, &mut out), Arrived::Absorbed);
            assert_eq!(out.pop(), sent, "{method} {status}");
        }
        servers.respond(START, id, 200, request.answer(&Answer::new(200), "2"), &mut out);
        assert_eq!(out, [], "one final response is enough");
    }
}

#[test]
fn a_failure_is_repeated_until_it_is_acknowledged() {
    let (mut servers, mut out) = (Servers::default(), Vec::new());
    let invite = request("INVITE", "z9hG4bKa");
    let from = flow(Transport::Udp);
    let id = servers.begin(&invite, from, ());
    servers.respond(START, id, 486, invite.answer(&Answer::new(486), "2"), &mut out);
    servers.timeout(START + Duration::from_millis(500), &mut out);
    servers.timeout(START + Duration::from_millis(1500), &mut out);
    assert_eq!(out.len(), 3);
    assert_eq!(servers.receive(&request("ACK", "z9hG4bKa"), from, START, &mut out), Arrived::Absorbed);
    servers.timeout(START + Duration::from_millis(4500), &mut out);
    assert_eq!((out.len(), servers.len()), (3, 1), "a straggler of the INVITE would still find it");
    servers.timeout(START + Duration::from_secs(10), &mut out);
    assert!(servers.is_empty());
}

#[test]
fn a_failure_that_nobody_acknowledges_is_forgotten() {
    let servers = std::cell::RefCell::new(Servers::default());
    let invite = request("INVITE", "z9hG4bKa");
    let id = servers.borrow_mut().begin(&invite, flow(Transport::Udp), ());
    servers.borrow_mut().respond(START, id, 486, invite.answer(&Answer::new(486), "2"), &mut Vec::new());
    let times = times(
        || servers.borrow().deadline(),
        |now| {
            let mut out = Vec::new();
            servers.borrow_mut().timeout(now, &mut out);
            out.len()
        },
    );
    assert_eq!(times, [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]);
    assert!(servers.borrow().is_empty());
}

#[test]
fn an_accepted_invite_passes_every_success_and_no_failure() {
    let (mut servers, mut out) = (Servers::default(), Vec::new());
    let invite = request("INVITE", "z9hG4bKa");
    let from = flow(Transport::Udp);
    let id = servers.begin(&invite, from, ());
    for (status, sent) in [(200, 1), (200, 2), (486, 2), (180, 2), (200, 3)] {
        servers.respond(START, id, status, invite.answer(&Answer::new(status), "2"), &mut out);
        assert_eq!(out.len(), sent, "{status}");
    }
    assert_eq!(servers.receive(&invite, from, START, &mut out), Arrived::Absorbed);
    assert_eq!(out.len(), 3, "its callee repeats the answer, we do not");
    assert_eq!(servers.receive(&request("ACK", "z9hG4bKb"), from, START, &mut out), Arrived::Ack);
    servers.timeout(START + PATIENCE, &mut out);
    assert!(servers.is_empty());
}

#[test]
fn a_cancel_finds_its_invite_and_no_other_peers() {
    let (mut servers, mut out) = (Servers::default(), Vec::new());
    let invite = request("INVITE", "z9hG4bKa");
    let from = flow(Transport::Udp);
    let id = servers.begin(&invite, from, ());
    let cancel = request("CANCEL", "z9hG4bKa");
    assert_eq!(servers.receive(&cancel, from, START, &mut out), Arrived::Cancel(id, ()));
    let other = Flow { remote: "192.0.2.3:5060".parse().expect("an address"), ..from };
    assert_eq!(servers.receive(&cancel, other, START, &mut out), Arrived::New);
    assert_eq!(servers.receive(&request("CANCEL", "z9hG4bKb"), from, START, &mut out), Arrived::New);
    servers.respond(START, id, 200, invite.answer(&Answer::new(200), "2"), &mut out);
    assert_eq!(servers.receive(&cancel, from, START, &mut out), Arrived::LateCancel);
}

#[test]
fn a_branch_of_the_old_kind_is_told_apart_by_the_call() {
    let (mut servers, mut out) = (Servers::default(), Vec::new());
    let invite = request("INVITE", "1");
    let from = flow(Transport::Udp);
    let id = servers.begin(&invite, from, ());
    let mut other = request("INVITE", "1");
    other.call_id = "d".into();
    assert_eq!(servers.receive(&other, from, START, &mut out), Arrived::New);
    servers.respond(START, id, 486, invite.answer(&Answer::new(486), "2"), &mut out);
    let mut ack = request("ACK", "1");
    ack.to_tag = Some("2".into());
    assert_eq!(servers.receive(&ack, from, START, &mut out), Arrived::Absorbed, "with a tag that its INVITE had not");
}
