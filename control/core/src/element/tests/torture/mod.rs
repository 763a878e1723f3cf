//! The torture messages of RFC 4475: each is sent to the element by a peer, and gets what the RFC says.

mod hostile;
mod messages;

use messages as rfc;

use super::*;

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is routed on.
    Passed,
    /// It is answered with this status.
    Answered(u16),
    /// Nobody hears anything.
    Silence,
}

use Verdict::{Answered, Passed, Silence};

/// A text with the line ends of SIP.
fn lines(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// Section, name, message and verdict of each. Where the RFC leaves a choice, a comment says which one is ours and why.
fn table() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    [valid(), invalid(), transactions_and_applications(), others()].concat()
}

/// Section 3.1.1.
fn valid() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    vec![
        // It has a tag in To, and there is no such dialog (RFC 3261 §12.2.2).
        ("3.1.1.1 wsinv", lines(rfc::WSINV), Answered(481)),
        ("3.1.1.1 wsinv as a new call", lines(&rfc::WSINV.replace(" ;   tag    = 1918181833n", "")), Passed),
        ("3.1.1.2 intmeth", rfc::wide_range(), Passed),
        ("3.1.1.3 esc01", lines(rfc::ESC01), Passed),
        // We are no registrar, and nobody registers through us.
        ("3.1.1.4 escnull", lines(rfc::ESCNULL), Answered(405)),
        ("3.1.1.4 escnull, to another method", lines(&rfc::ESCNULL.replace("REGISTER", "MESSAGE")), Passed),
        ("3.1.1.5 esc02", lines(rfc::ESC02), Passed),
        ("3.1.1.6 lwsdisp", lines(rfc::LWSDISP), Passed),
        ("3.1.1.7 longreq", rfc::longreq(), Passed),
        ("3.1.1.8 dblreq", lines(rfc::DBLREQ), Answered(405)),
        ("3.1.1.9 semiuri", lines(rfc::SEMIURI), Passed),
        ("3.1.1.10 transports", lines(rfc::TRANSPORTS), Passed),
        ("3.1.1.11 mpart01", rfc::multipart(), Passed),
        // Responses to nothing that we asked.
        ("3.1.1.12 unreason", lines(rfc::UNREASON), Silence),
        ("3.1.1.13 noreason", lines(rfc::NOREASON), Silence),
    ]
}

/// Section 3.1.2.
fn invalid() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    vec![
        ("3.1.2.1 badinv01", lines(rfc::BADINV01), Answered(400)),
        ("3.1.2.2 clerr", lines(rfc::CLERR), Answered(400)),
        ("3.1.2.3 ncl", lines(rfc::NCL), Answered(400)),
        ("3.1.2.4 scalar02", lines(rfc::SCALAR02), Answered(400)),
        ("3.1.2.5 scalarlg", lines(rfc::SCALARLG), Silence),
        ("3.1.2.6 quotbal", lines(rfc::QUOTBAL), Answered(400)),
        ("3.1.2.7 ltgtruri", rfc::invite_line("INVITE <sip:user@example.com> SIP/2.0"), Answered(400)),
        ("3.1.2.8 lwsruri", rfc::invite_line("INVITE sip:user@example.com; lr SIP/2.0"), Answered(400)),
        ("3.1.2.9 lwsstart", rfc::invite_line("INVITE  sip:user@example.com  SIP/2.0"), Answered(400)),
        ("3.1.2.10 trws", lines(rfc::TRWS), Answered(400)),
        (
            "3.1.2.11 escruri",
            rfc::invite_line("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"),
            Answered(400),
        ),
        // A proxy has no use for Date, and leaves it to who has.
        ("3.1.2.12 baddate", lines(rfc::BADDATE), Passed),
        // We are no registrar, whatever the Contact.
        ("3.1.2.13 regbadct", lines(rfc::REGBADCT), Answered(405)),
        // Of To and From only the tags are needed, and these are plain. Trunks send such names.
        ("3.1.2.14 badaspec", lines(rfc::BADASPEC), Passed),
        ("3.1.2.15 baddn", lines(rfc::BADDN), Passed),
        ("3.1.2.16 badvers", lines(rfc::BADVERS), Answered(505)),
        ("3.1.2.17 mismatch01", lines(rfc::MISMATCH01), Answered(400)),
        ("3.1.2.18 mismatch02", lines(rfc::MISMATCH02), Answered(400)),
        ("3.1.2.19 bigcode", lines(rfc::BIGCODE), Silence),
    ]
}

/// Sections 3.2, 3.3 and 3.4.
fn transactions_and_applications() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    vec![
        ("3.2.1 badbranch", lines(rfc::BADBRANCH), Passed),
        // An answer without these headers would be malformed itself.
        ("3.3.1 insuf", lines(rfc::INSUF), Silence),
        ("3.3.2 unkscm", lines(rfc::UNKSCM), Answered(416)),
        ("3.3.3 novelsc", lines(rfc::NOVELSC), Answered(416)),
        ("3.3.4 unksm2", lines(rfc::UNKSM2), Answered(405)),
        ("3.3.4 unksm2, to another method", lines(&rfc::UNKSM2.replace("REGISTER", "MESSAGE")), Passed),
        ("3.3.5 bext01", lines(rfc::BEXT01), Answered(420)),
        // What a body is, and what is required of the callee, is the callee's to judge.
        ("3.3.5 bext01, required of the callee", lines(&rfc::BEXT01.replace("Proxy-Require", "X-Require")), Passed),
        ("3.3.6 invut", lines(rfc::INVUT), Passed),
        ("3.3.7 regaut01", lines(rfc::REGAUT01), Answered(405)),
        ("3.3.7 regaut01, to another method", lines(&rfc::REGAUT01.replace("REGISTER", "MESSAGE")), Passed),
        ("3.3.8 multi01", lines(rfc::MULTI01), Answered(400)),
        ("3.3.9 mcl01", lines(rfc::MCL01), Answered(400)),
        ("3.3.10 bcast", lines(rfc::BCAST), Silence),
        // Whoever the last hop is may answer OPTIONS in its own name (RFC 3261 §16.3).
        ("3.3.11 zeromf", lines(rfc::ZEROMF), Answered(200)),
        ("3.3.11 zeromf, of another method", lines(&rfc::ZEROMF.replace("OPTIONS", "MESSAGE")), Answered(483)),
        ("3.3.12 cparam01", rfc::register_contact("sip:+19725552222@gw1.example.net;unknownparam"), Answered(405)),
        ("3.3.13 cparam02", rfc::register_contact("<sip:+19725552222@gw1.example.net;unknownparam>"), Answered(405)),
        (
            "3.3.14 regescrt",
            rfc::register_contact("<sip:user@example.com?Route=%3Csip:x.example.com%3E>"),
            Answered(405),
        ),
        ("3.3.15 sdp01", lines(rfc::SDP01), Passed),
        ("3.4.1 inv2543", lines(rfc::INV2543), Passed),
        // A relay sends media to addresses, and asks nobody what a name means.
        (
            "3.4.1 inv2543 with a name",
            lines(&rfc::INV2543.replace("c=IN IP4 192.0.2.5", "c=IN IP4 m.example.com")),
            Answered(488),
        ),
    ]
}

/// Like them, and not in the RFC.
fn others() -> Vec<(&'static str, Vec<u8>, Verdict)> {
    let text = invite("1").text();
    let invite = |change: fn(String) -> String| change(text.clone()).into_bytes();
    let options = text.replacen("sip:100@", "sip:", 1).replace("INVITE", "OPTIONS");
    vec![
        // RFC 3261 §19.1.1 has each at most once.
        ("a parameter twice in the URI", invite(|text| text.replacen(" SIP/2.0", ";lr;lr SIP/2.0", 1)), Answered(400)),
        ("no Max-Forwards", invite(|text| text.replace("Max-Forwards: 70\r\n", "")), Passed),
        ("no hops left", invite(|text| text.replace("Max-Forwards: 70", "Max-Forwards: 0")), Answered(483)),
        ("Via twice in a line", invite(|text| text.replace(";rport", ";rport , SIP/2.0/TLS [2001:db8::1];x")), Passed),
        ("Via twice in a line, the second none", invite(|text| text.replace(";rport", ";rport,nonsense")), Passed),
        ("an empty Proxy-Require", invite(|text| text.replace("Contact:", "Proxy-Require:\r\nContact:")), Passed),
        ("a header without a name", invite(|text| text.replace("Contact:", ": x\r\nContact:")), Answered(400)),
        ("a tag beyond all measure", invite(|text| text.replace("tag=ann", &"tag=ann".repeat(1000))), Passed),
        ("a number of no request", invite(|text| text.replace("CSeq: 1 ", "CSeq: 4294967296 ")), Answered(400)),
        ("no start", b"\r\n\r\n".to_vec(), Silence),
        ("another protocol", b"GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n".to_vec(), Silence),
        ("OPTIONS for us", options.clone().into_bytes(), Answered(200)),
        (
            "OPTIONS for us with what we do not have",
            options.replace("Contact:", "Require: x\r\nContact:").into_bytes(),
            Answered(420),
        ),
        // How a peer is reached is the operator's choice.
        ("a secure URI", invite(|text| text.replacen("sip:100@", "sips:100@", 1)), Passed),
        (
            "a telephone",
            invite(|text| text.replacen("sip:100@192.0.2.1:5060", "tel:+49-30-100;phone-context=x", 1)),
            Passed,
        ),
    ]
}

/// What the peers hear after one message.
fn verdict(message: &[u8]) -> Result<Verdict, String> {
    let mut bench = Bench::new();
    bench.send(CARRIER, message);
    let mut to_carrier = bench.heard(CARRIER);
    to_carrier.retain(|message| !matches!(message, Message::Response(response) if response.status() == 100));
    let to_pbx = bench.heard(PBX);
    match (&to_carrier[..], &to_pbx[..], bench.echoes.len()) {
        ([], [], 0) => Ok(Silence),
        ([], [], 1) => Ok(Answered(400)),
        ([], [Message::Request(_)], 0) => Ok(Passed),
        ([Message::Response(response)], [], 0) => Ok(Answered(response.status())),
        _ => Err(format!("{} and {}", summary(&to_carrier), summary(&to_pbx))),
    }
}

#[test]
fn every_message_gets_its_verdict() {
    let mut wrong = Vec::new();
    for (name, message, wanted) in table() {
        let got = verdict(&message);
        if got != Ok(wanted) {
            wrong.push(format!("{name}: {got:?}, not {wanted:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_passed_on_keeps_every_byte_that_is_not_ours() {
    for (name, message, _) in table().into_iter().filter(|(_, _, verdict)| *verdict == Passed) {
        let mut bench = Bench::new();
        bench.send(CARRIER, &message);
        let passed = bench.request(PBX).to_bytes();
        for header in headers(&message) {
            let is_kept = passed.windows(header.len()).any(|window| window == header);
            assert!(is_kept, "{name} lost {}", header.escape_ascii());
        }
    }
    let mut bench = Bench::new();
    bench.send(CARRIER, rfc::multipart());
    let (passed, sent) = (bench.request(PBX), rfc::multipart());
    assert!(sent.ends_with(passed.body()) && passed.body().contains(&0xff));
}

/// The headers of a message that are not a proxy's business, each with what is folded below it.
fn headers(message: &[u8]) -> Vec<&[u8]> {
    let end = message.windows(4).position(|window| window == b"\r\n\r\n").expect("an end of the headers");
    let mut headers = Vec::new();
    let mut from = message.iter().position(|byte| *byte == b'\n').expect("a first line") + 1;
    while from < end {
        let is_last = |at: usize| message[at] == b'\n' && !matches!(message.get(at + 1), Some(b' ' | b'\t'));
        let to = (from..end).find(|at| is_last(*at)).map_or(end, |at| at + 1);
        headers.push(message[from..to].trim_ascii_end());
        from = to;
    }
    let ours = ["via", "v", "max-forwards", "content-length", "l", "record-route"];
    headers.retain(|header| {
        let name = header.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
        !ours.iter().any(|ours| name.eq_ignore_ascii_case(ours.as_bytes()))
    });
    headers
}

#[test]
fn a_branch_that_is_only_a_cookie_tells_no_requests_apart() {
    let mut bench = Bench::new();
    bench.send(CARRIER, lines(rfc::BADBRANCH));
    bench.send(CARRIER, lines(&rfc::BADBRANCH.replace("CSeq: 8", "CSeq: 9")));
    assert_eq!(bench.heard(PBX).len(), 2);
    bench.send(CARRIER, lines(rfc::BADBRANCH));
    assert_eq!(bench.heard(PBX).len(), 0, "a repetition is one all the same");
}

#[test]
fn what_no_proxy_has_is_listed() {
    let mut bench = Bench::new();
    bench.send(CARRIER, lines(&rfc::BEXT01.replace("CSeq", "Proxy-Require: third\nCSeq")));
    let refused = bench.response(CARRIER);
    let unsupported = String::from_utf8_lossy(&refused.header("Unsupported").expect("the list")).into_owned();
    assert_eq!(unsupported, "noProxiesSupportThis, norDoAnyProxiesSupportThis, third");
}
