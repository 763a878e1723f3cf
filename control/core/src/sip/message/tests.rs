//! Messages are read, and edited where they have to be.

use super::*;

/// What a carrier might send: odd, and allowed.
const INVITE: &str = "INVITE sip:+49%2030@192.0.2.1;user=phone SIP/2.0\r\n\
    v:   SIP/2.0/udp 198.51.100.1:5070 ;branch=z9hG4bKa;rport;x=\"a;b\" , SIP/2.0/TCP [2001:DB8::1] ; branch=z9hG4bKb\r\n\
    MAX-forwards: 9\r\n\
    Record-Route: <sip:198.51.100.9;lr>, \"Two, three\" <sip:198.51.100.8;lr>\r\n\
    f: \"J\u{f6}rg, \\\"the\\\" one\" <sip:+4930@carrier.example>;x;tag=ann\r\n\
    To: <sip:100@undertone.example>\r\n\
    Contact: <sip:ann@198.51.100.1:5070>\r\n\
    i: call-1@x\r\n\
    CSeq: 0007   INVITE\r\n\
    Supported: timer,\r\n \t100rel\r\n\
    X-Kept:  as it is \r\n\
    c: application/sdp\r\n\
    l: 4\r\n\r\nv=0\n";

fn request(text: &str) -> Request {
    match Message::parse(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("a request, not {other:?}"),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn what_is_needed_is_read_and_the_rest_is_left_alone() {
    let request = request(INVITE);
    assert_eq!((request.method(), request.cseq, request.max_forwards), (&Method::Invite, 7, Some(9)));
    assert_eq!(
        (text(&request.call_id), text(&request.from_tag), request.to_tag.clone()),
        ("call-1@x".into(), "ann".into(), None)
    );
    assert_eq!(
        (text(&request.via.branch), text(&request.via.sent_by)),
        ("z9hG4bKa".into(), "198.51.100.1:5070".into())
    );
    assert!(request.via.rport && request.via.has_cookie() && request.has_token("Supported", "100REL"));
    assert_eq!(request.record_routes(), ["sip:198.51.100.9;lr", "sip:198.51.100.8;lr"]);
    assert_eq!(text(&request.to_bytes()), INVITE);
}

#[test]
fn a_name_beyond_the_grammar_does_not_hide_a_tag() {
    for (from, tag) in [
        ("J\u{f6}rg <sip:a@b>;tag=1", "1"),
        ("(Bob) <sip:a@b>;x=y; TAG=2", "2"),
        ("+49 30/12 <sip:a@b>", ""),
        ("<sip:a@b>;tag=", ""),
    ] {
        let request =
            request(&INVITE.replace(
                "f: \"J\u{f6}rg, \\\"the\\\" one\" <sip:+4930@carrier.example>;x;tag=ann",
                &format!("f: {from}"),
            ));
        assert_eq!(text(&request.from_tag), tag, "{from}");
    }
}

#[test]
fn where_a_request_came_from_is_noted_in_its_top_via_only() {
    let mut request = request(INVITE);
    request.note_source("203.0.113.5:40000".parse().expect("an address"));
    let via = request.header("Via").expect("a Via").into_owned();
    assert_eq!(
        text(&via),
        "SIP/2.0/udp 198.51.100.1:5070;branch=z9hG4bKa;x=\"a;b\";received=203.0.113.5;rport=40000, SIP/2.0/TCP [2001:DB8::1] ; branch=z9hG4bKb"
    );
}

#[test]
fn what_a_via_quotes_is_not_taken_for_a_parameter() {
    let mut request = request(&INVITE.replace("x=\"a;b\"", "x=\"a ;received=b\\\";rport\""));
    request.note_source("203.0.113.5:40000".parse().expect("an address"));
    let via = text(&request.header("Via").expect("a Via"));
    assert!(via.contains(";x=\"a ;received=b\\\";rport\";received=203.0.113.5;rport=40000, "), "{via}");
}

#[test]
fn a_request_passed_on_has_one_hop_less_and_our_via_on_top() {
    let mut passed = request(INVITE);
    passed.forward("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKus", &["<sip:192.0.2.1:5060;lr>".to_owned()]);
    let passed = text(&passed.to_bytes());
    let lines: Vec<_> = passed.split("\r\n").collect();
    assert_eq!(lines[1], "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKus");
    assert!(lines.contains(&"Max-Forwards: 8"));
    let route = lines.iter().position(|line| *line == "Record-Route: <sip:192.0.2.1:5060;lr>").expect("our route");
    assert!(lines[route + 1].starts_with("Record-Route: <sip:198.51.100.9;lr>, \"Two"), "{passed}");
    assert_eq!(lines.len(), INVITE.split("\r\n").count() + 2);
}

#[test]
fn a_response_loses_our_via_also_out_of_a_line_of_several() {
    let answer = request(INVITE).answer(&Answer::new(180), "bob");
    let Ok(Message::Response(mut response)) = Message::parse(&answer) else { panic!("a response") };
    assert_eq!((response.status(), text(response.to_tag.as_deref().unwrap_or_default())), (180, "bob".into()));
    assert!(response.pop_via());
    assert_eq!(text(&response.header("Via").expect("the next")), "SIP/2.0/TCP [2001:DB8::1] ; branch=z9hG4bKb");
    assert!(!response.pop_via(), "nobody is left to send it to");
}

#[test]
fn routes_are_taken_one_by_one_and_a_strict_router_is_undone() {
    let routed = INVITE.replace(
        "Record-Route:",
        "Route: <sip:192.0.2.1;lr>, <sip:next.example;lr>\r\nRoute: <sip:100@last.example>\r\nX:",
    );
    let mut request = request(&routed);
    let first = |request: &Request| request.route().expect("readable").map(|route| text(&route.uri.to_bytes()));
    assert_eq!(first(&request).as_deref(), Some("sip:192.0.2.1;lr"));
    assert!(request.pop_route());
    assert_eq!(first(&request).as_deref(), Some("sip:next.example;lr"));
    assert!(request.uri_from_last_route());
    assert_eq!(text(&request.uri().to_bytes()), "sip:100@last.example");
    assert!(request.pop_route());
    assert_eq!(first(&request), None);
    assert!(!request.uri_from_last_route());
}

#[test]
fn a_body_has_its_length() {
    let mut request = request(INVITE);
    request.set_body(b"v=0\r\ns=-\r\n".to_vec());
    let bytes = text(&request.to_bytes());
    assert!(bytes.ends_with("Content-Length: 10\r\n\r\nv=0\r\ns=-\r\n"), "{bytes}");
    assert!(matches!(Message::parse(bytes.as_bytes()), Ok(Message::Request(it)) if it.body().len() == 10));
}

#[test]
fn what_cannot_be_read_is_answered_as_far_as_it_says_to_whom() {
    let refused =
        |from: &str, to: &str| Message::parse(INVITE.replace(from, to).as_bytes()).map(drop).expect_err("malformed");
    for (from, to, cause) in [
        ("CSeq: 0007   INVITE", "CSeq: 0007   BYE", "CSeq of Another Method"),
        ("CSeq: 0007 ", "CSeq: 99999999999 ", "Bad CSeq"),
        ("MAX-forwards: 9", "MAX-forwards: 999", "Bad Max-Forwards"),
        ("sip:+49%2030@", "sip:a b@", "Bad Request Line"),
        ("l: 4", "l: 5", "Bad Content-Length"),
        ("X-Kept:", "X-Kept", "Bad Header"),
    ] {
        let malformed = refused(from, to);
        assert_eq!(malformed.cause, cause);
        let answer = text(&malformed.answer.expect("an answer"));
        assert!(answer.starts_with(&format!("SIP/2.0 400 {cause}\r\nv:   SIP/2.0/udp 198.51.100.1:5070 ")), "{answer}");
        assert!(answer.contains("\r\ni: call-1@x\r\n") && answer.ends_with("Content-Length: 0\r\n\r\n"), "{answer}");
        assert!(!answer.contains("X-Kept") && !answer.contains("Record-Route"));
    }
    assert_eq!(refused("i: call-1@x", "X: y").answer, None);
    let ack = INVITE.replace("INVITE", "ACK").replace("l: 4", "l: 5");
    assert_eq!(Message::parse(ack.as_bytes()).map(drop).expect_err("malformed").answer, None);
}

#[test]
fn a_message_cut_anywhere_is_refused_without_harm() {
    for length in 0..INVITE.len() {
        let cut = &INVITE.as_bytes()[..length];
        assert!(Message::parse(cut).is_err(), "{length}");
    }
}

#[test]
fn a_value_of_ours_cannot_begin_another_line() {
    let mut request = request(INVITE);
    request.set_header("Reason", "SIP ;cause=200\r\nX-Evil: yes");
    assert!(!text(&request.to_bytes()).contains("X-Evil"));
    let answer = request.answer(&Answer::new(488).with("Warning", "399 u \"a\r\nX-Evil: yes\""), "t");
    assert!(!text(&answer).contains("\r\nX-Evil"));
}

#[test]
fn a_route_with_headers_does_not_become_the_request_uri() {
    let routed = INVITE.replace("Record-Route:", "Route: <sip:next.example?Subject=x>\r\nX:");
    let mut request = request(&routed);
    request.obey_strict_router();
    assert!(!request.uri_from_last_route());
    assert_eq!(text(&request.to_bytes()), routed);
}
