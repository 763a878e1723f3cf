//! What is not plain RTP, and what may not be offered.

use undertone_core::Kind;

use super::{
    calls::{call_up, within},
    *,
};
use crate::sdp::MediaKind;

/// A description of one line.
fn line(at: &str, line: &str) -> String {
    let at = socket(at);
    let (ip, port) = (at.ip(), at.port().to_string());
    format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{}\r\n", line.replace("PORT", &port))
}

fn kinds(bench: &Bench) -> Vec<Kind> {
    bench.relays().iter().map(|relay| relay.kind).collect()
}

#[test]
fn a_fax_takes_the_place_of_speech_at_the_same_ports() {
    let fax = |at: &str| line(at, "m=image PORT udptl t38\r\na=T38FaxVersion:0\r\na=T38MaxBitRate:14400");
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    assert_eq!(kinds(&bench), [Kind::Rtp, Kind::Rtcp]);
    bench.send(CARRIER, Draft { body: fax("198.51.100.7:4800"), ..within("INVITE", "f", 2, &answer) }.text());
    let offer = bench.request(PBX);
    let rewritten = fax("192.0.2.10:20002").replacen("IP4 192.0.2.10", "IP4 198.51.100.7", 1);
    assert_eq!(String::from_utf8_lossy(offer.body()), rewritten, "addresses change, and nothing else");
    assert_eq!(kinds(&bench), [Kind::Rtp, Kind::Rtcp], "nobody has answered");
    bench.heard(CARRIER);
    bench.send(PBX, reply(&offer, 200, "bob", PBX, &fax("203.0.113.7:6800")));
    bench.response(CARRIER);
    let [relay] = bench.relays()[..] else { panic!("a fax has no RTCP: {:?}", bench.relays()) };
    assert_eq!((relay.kind, relay.a.local.port(), relay.b.local.port()), (Kind::Datagrams, 20_000, 20_002));
    assert_eq!((relay.a.peer, relay.b.peer), (socket("198.51.100.7:4800"), socket("203.0.113.7:6800")));

    // After the last page they speak again.
    bench.send(CARRIER, within("ACK", "fa", 2, &answer).text());
    bench.request(PBX);
    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4000"), ..within("INVITE", "g", 3, &answer) }.text());
    let offer = bench.request(PBX);
    bench.send(PBX, reply(&offer, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    assert_eq!(kinds(&bench), [Kind::Rtp, Kind::Rtcp]);
    bench.heard(CARRIER);
    bench.send(CARRIER, within("BYE", "b", 4, &answer).text());
    let bye = bench.request(PBX);
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    assert_eq!(bench.response(CARRIER).status(), 200);
    bench.assert_idle();
}

#[test]
fn keys_that_parties_agree_on_beside_their_media_pass_with_it() {
    let keyed = |at: &str, mux: &str| {
        line(at, &format!("m=audio PORT UDP/TLS/RTP/SAVP 0\r\na=setup:actpass\r\na=fingerprint:sha-1 AA{mux}"))
    };
    for (mux, expected) in [("", vec![Kind::DtlsSrtp; 2]), ("\r\na=rtcp-mux", vec![Kind::DtlsSrtp])] {
        let mut bench = Bench::new();
        bench.send(CARRIER, Draft { body: keyed("198.51.100.7:4000", mux), ..invite("1") }.text());
        let invite = bench.request(PBX);
        bench.send(PBX, reply(&invite, 200, "bob", PBX, &keyed("203.0.113.7:6000", mux)));
        assert_eq!(kinds(&bench), expected, "{mux}");
    }
}

#[test]
fn a_peer_is_offered_the_media_that_it_takes() {
    let mut trunks = trunks();
    trunks.peers[1].media_types = vec![MediaKind::Audio, MediaKind::Image];
    let video = format!("{}m=video 4100 RTP/AVP 96\r\n", sdp("198.51.100.7:4000"));
    let mut bench = Bench::with(trunks.clone());
    bench.send(CARRIER, Draft { body: video, ..invite("1") }.text());
    let asked = bench.request(PBX);
    let body = String::from_utf8_lossy(asked.body()).into_owned();
    assert!(body.contains("m=audio 20002 ") && body.contains("m=video 0 RTP/AVP 96"), "{body}");

    for only in ["m=video PORT RTP/AVP 96", "m=message PORT TCP/MSRP *"] {
        let mut bench = Bench::with(trunks.clone());
        bench.send(CARRIER, Draft { body: line("198.51.100.7:4000", only), ..invite("1") }.text());
        assert_eq!(bench.response(CARRIER).status(), 488, "{only}");
        assert!(bench.heard(PBX).is_empty(), "an offer of nothing");
    }
}

#[test]
fn an_offer_that_takes_every_line_back_is_an_offer() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let none = |at: &str| line(at, "m=audio 0 RTP/AVP 0");
    bench.send(CARRIER, Draft { body: none("198.51.100.7:4000"), ..within("INVITE", "n", 2, &answer) }.text());
    let offer = bench.request(PBX);
    assert_eq!(bench.relays().len(), 2, "nobody has answered");
    bench.send(PBX, reply(&offer, 200, "bob", PBX, &none("203.0.113.7:6000")));
    assert_eq!((bench.relays(), bench.element.ports_used().0), (vec![], 0));
}

#[test]
fn a_port_that_was_given_out_by_hand_is_no_calls() {
    let mut bench = Bench::new();
    let mut other = Bench::new();
    call_up(&mut other);
    let mut by_hand = other.relays()[0];
    by_hand.a.local.set_port(20_001);
    by_hand.b.local.set_port(20_006);
    bench.element.media_mut().add(&by_hand).expect("a free port");
    call_up(&mut bench);
    let at = |port| SocketAddr::from((MEDIA, port));
    let of_call: Vec<u16> = (20_000..20_010).filter(|port| bench.element.is_of_call(at(*port))).collect();
    assert_eq!(of_call, [20_002, 20_003, 20_004, 20_005]);
    assert_eq!(bench.relays().len(), 3);
}
