//! Reading SIP messages, and changing what a proxy changes in them.

use undertone_control_core::sip::message::{Answer, Framer, Message, Request, Response};

/// Reads a message.
///
/// What is not changed leaves as it came; whatever is changed, the message can be read again, and is still the same one.
/// A stream of the same bytes makes as much of them.
pub fn sip(bytes: &[u8]) {
    let _ = Framer::default().push(bytes);
    match Message::parse(bytes) {
        Ok(Message::Request(request)) => {
            assert_lossless(bytes, &request.to_bytes());
            change_request(&request);
        }
        Ok(Message::Response(response)) => {
            assert_lossless(bytes, &response.to_bytes());
            change_response(response);
        }
        Err(malformed) => {
            let answer = malformed.answer.unwrap_or_else(|| b"SIP/2.0 400 ".into());
            assert!(answer.starts_with(b"SIP/2.0 400 "), "no answer: {}", answer.escape_ascii());
        }
    }
}

/// Everything behind the first line is as it came, but for what follows the message in its datagram.
fn assert_lossless(bytes: &[u8], again: &[u8]) {
    let behind = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n').expect("a line");
    let (line, rest) = bytes.split_at(behind(bytes));
    let (line_again, rest_again) = again.split_at(behind(again));
    assert!(line.eq_ignore_ascii_case(line_again), "{} became {}", line.escape_ascii(), line_again.escape_ascii());
    assert!(rest.starts_with(rest_again), "{} became {}", rest.escape_ascii(), rest_again.escape_ascii());
}

fn change_request(request: &Request) {
    let mut changed = request.clone();
    changed.note_source("203.0.113.5:40000".parse().expect("an address"));
    let noted = read_again(&changed, request);
    assert_eq!((&noted.via.branch, &noted.via.sent_by), (&request.via.branch, &request.via.sent_by));

    changed.forward("SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKus", &["<sip:192.0.2.1;lr>".to_owned()]);
    assert_eq!(read_again(&changed, request).via.branch, b"z9hG4bKus"[..]);
    changed.set_body(b"v=0\r\n".to_vec());
    assert_eq!(read_again(&changed, request).body(), b"v=0\r\n");
    changed.obey_strict_router();
    changed = read_again(&changed, request);
    changed.pop_route();
    changed = read_again(&changed, request);
    changed.uri_from_last_route();
    read_again(&changed, request);

    for own in [request.cancel(Some("SIP;cause=200")), request.cancel(None)] {
        assert!(matches!(Message::parse(&own), Ok(Message::Request(own)) if own.call_id == request.call_id));
    }
    let answer = request.answer(&Answer::new(486).with("Warning", "399 u \"\r\n\""), "tag");
    let Ok(Message::Response(answer)) = Message::parse(&answer) else { panic!("{}", answer.escape_ascii()) };
    assert_eq!((answer.cseq, &answer.method), (request.cseq, request.method()));
    assert!(answer.to_tag.is_some(), "an answer without a tag");
    let ack = request.ack(&answer);
    assert!(matches!(Message::parse(&ack), Ok(Message::Request(_))), "{}", ack.escape_ascii());
    change_response(answer);
}

fn change_response(mut response: Response) {
    let (call, number) = (response.call_id.clone(), response.cseq);
    response.set_body(b"v=0\r\n".to_vec());
    if response.is_passable() && response.pop_via() {
        let bytes = response.to_bytes();
        match Message::parse(&bytes) {
            Ok(Message::Response(again)) => assert_eq!((again.call_id, again.cseq), (call, number)),
            other => panic!("{other:?}: {}", bytes.escape_ascii()),
        }
    }
}

fn read_again(changed: &Request, request: &Request) -> Request {
    let bytes = changed.to_bytes();
    match Message::parse(&bytes) {
        Ok(Message::Request(again)) => {
            assert_eq!((&again.call_id, again.cseq), (&request.call_id, request.cseq));
            assert_eq!((&again.from_tag, &again.to_tag), (&request.from_tag, &request.to_tag));
            again
        }
        other => panic!("{other:?}: {}", bytes.escape_ascii()),
    }
}
