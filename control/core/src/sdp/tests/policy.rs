use super::*;
use crate::sdp::policy::{Destinations, Where, check, check_line};

fn ours() -> Vec<IpAddr> {
    ["192.0.2.10", "2001:db8::10"].map(ip).to_vec()
}

#[test]
fn hosts_are_sent_to() {
    for text in ["198.51.100.7:4000", "10.0.0.1:1024", "[2001:db8::7]:65535", "[fd00::1]:4000"] {
        assert_eq!(check(socket(text), &ours()), Ok(Where::To(socket(text))));
    }
}

#[test]
fn the_null_address_is_nowhere_at_any_port() {
    for text in ["0.0.0.0:4000", "0.0.0.0:9", "[::]:0"] {
        assert_eq!(check(socket(text), &ours()), Ok(Where::Nowhere));
    }
}

#[test]
fn what_media_must_not_be_sent_to_is_refused() {
    let table = [
        ("192.0.2.10:4000", SdpError::Loop),
        ("[2001:db8::10]:4000", SdpError::Loop),
        ("[::ffff:192.0.2.10]:4000", SdpError::Loop),
        ("127.0.0.1:4000", SdpError::NotReachable),
        ("127.255.0.1:4000", SdpError::NotReachable),
        ("[::1]:4000", SdpError::NotReachable),
        ("[::ffff:127.0.0.1]:4000", SdpError::NotReachable),
        ("[::ffff:198.51.100.7]:4000", SdpError::NotReachable),
        ("[fe80::1]:4000", SdpError::NotReachable),
        ("169.254.64.1:4000", SdpError::NotReachable),
        ("224.0.0.1:4000", SdpError::NotAHost),
        ("[ff02::1]:4000", SdpError::NotAHost),
        ("255.255.255.255:4000", SdpError::NotAHost),
        ("240.0.0.1:4000", SdpError::NotAHost),
        ("0.0.0.1:4000", SdpError::NotAHost),
        ("198.51.100.7:0", SdpError::Port),
        ("198.51.100.7:53", SdpError::Port),
        ("198.51.100.7:1023", SdpError::Port),
    ];
    for (text, error) in table {
        assert_eq!(check(socket(text), &ours()), Err(error), "{text}");
    }
}

#[test]
fn loopback_is_reachable_from_loopback() {
    let lab = [ip("127.0.0.1")];
    assert_eq!(check(socket("127.0.0.2:4000"), &lab), Ok(Where::To(socket("127.0.0.2:4000"))));
    assert_eq!(check(socket("127.0.0.1:4000"), &lab), Err(SdpError::Loop));
}

#[test]
fn a_line_has_a_place_for_rtcp_too() {
    let destinations = check_line(&line(samples::PBX), &ours());
    let media = Where::To(socket("198.51.100.20:14962"));
    assert_eq!(destinations, Ok(Destinations { media, rtcp: Some(Where::To(socket("198.51.100.20:14963"))) }));
    let hold = check_line(&line(samples::HOLD), &ours());
    assert_eq!(hold, Ok(Destinations { media: Where::Nowhere, rtcp: Some(Where::Nowhere) }));
}

#[test]
fn a_line_of_a_name_or_of_several_ports_is_refused() {
    let name = "m=audio 4000 RTP/AVP 0\nc=IN IP4 media.example.com\n";
    assert_eq!(check_line(&line(name), &ours()), Err(SdpError::NotAnAddress));
    let pairs = "m=audio 4000/2 RTP/AVP 0\nc=IN IP4 198.51.100.7\n";
    assert_eq!(check_line(&line(pairs), &ours()), Err(SdpError::PortCount));
}

#[test]
fn rtcp_leads_nowhere_that_media_may_not_go() {
    let body = "m=audio 4000 RTP/AVP 0\nc=IN IP4 198.51.100.7\na=rtcp:4001 IN IP4 192.0.2.10\n";
    assert_eq!(check_line(&line(body), &ours()), Err(SdpError::Loop));
    let muxed = format!("{body}a=rtcp-mux\n");
    let media = Where::To(socket("198.51.100.7:4000"));
    assert_eq!(check_line(&line(&muxed), &ours()), Ok(Destinations { media, rtcp: None }));
}

#[test]
fn texts_fit_a_warning() {
    let all = [
        SdpError::TooLarge,
        SdpError::Line,
        SdpError::MediaLine,
        SdpError::Connection,
        SdpError::NoConnection,
        SdpError::Rtcp,
        SdpError::PortCount,
        SdpError::NotAnAddress,
        SdpError::Loop,
        SdpError::NotAHost,
        SdpError::NotReachable,
        SdpError::Port,
        SdpError::Multipart,
        SdpError::Encoded,
    ];
    for error in all {
        let text = error.to_string();
        assert!(text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) && !text.contains(['"', '\\']));
    }
}
