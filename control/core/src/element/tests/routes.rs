//! Where requests go.

use super::{
    calls::{call_up, from_pbx, within},
    *,
};
use crate::{
    sip::message::Method,
    trunk::{Way, Ways},
};

const US_TCP: &str = "192.0.2.1:5070";
const CARRIER_6: &str = "[2001:db8:1::1]:5060";
const US_6: &str = "[2001:db8::1]:5060";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn routes(request: &Request) -> Vec<String> {
    request.header_values("Route").iter().map(|value| text(value)).collect()
}

/// The same with a PBX that speaks TCP.
fn udp_to_tcp() -> Bench {
    let mut trunks = trunks();
    trunks.listeners.push(Listener { transport: Transport::Tcp, address: socket(US_TCP) });
    trunks.peers[1].transport = Transport::Tcp;
    trunks.peers[1].ways = Ways { v4: Some(Way { listener: 1, media: 0 }), v6: None };
    Bench::with(trunks)
}

impl Bench {
    /// A peer sends a message by a connection of its own.
    fn send_by_tcp(&mut self, from: &str, message: impl AsRef<[u8]>) {
        let flow = Flow { listener: 1, transport: Transport::Tcp, remote: socket(from), connection: 9 };
        self.element.receive(self.now, flow, message.as_ref());
        self.drain();
    }
}

#[test]
fn between_two_transports_both_our_addresses_are_in_the_route_and_either_party_finds_the_other() {
    let mut bench = udp_to_tcp();
    bench.send(CARRIER, invite("1").text());
    let asked = bench.request(PBX);
    let ours: Vec<_> = asked.record_routes().iter().map(|uri| text(uri)).collect();
    assert!(ours[0].starts_with(&format!("sip:{US_TCP};transport=tcp;lr;ut=")), "{ours:?}");
    assert!(ours[1].starts_with(&format!("sip:{US};lr;ut=")) && ours.len() == 2, "{ours:?}");
    assert!(
        text(&asked.to_bytes())
            .starts_with("INVITE sip:100@203.0.113.1;transport=tcp SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5070;")
    );
    bench.send_by_tcp(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    let answer = bench.response(CARRIER);
    // The caller has the routes from the last to the first, as the answer has them.
    let reversed = |draft: Draft| {
        let routes: Vec<_> = answer.record_routes().iter().rev().map(|uri| format!("<{}>", text(uri))).collect();
        Draft { headers: vec![format!("Route: {}", routes.join(", "))], ..draft }
    };
    bench.send(CARRIER, reversed(within("ACK", "a", 1, &answer)).text());
    let ack = bench.request(PBX);
    assert_eq!((ack.method(), routes(&ack)), (&Method::Ack, Vec::new()));
    assert!(
        text(&ack.to_bytes()).contains("\r\nVia: SIP/2.0/TCP 192.0.2.1:5070;"),
        "by TCP, though the Contact names none"
    );
    let info = from_pbx("INFO", "i", 1, &answer);
    bench.send_by_tcp("203.0.113.1:41234", info.text());
    let info = bench.request(CARRIER);
    assert!(text(&info.to_bytes()).contains("\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;"));
    bench.send(CARRIER, reversed(within("INFO", "j", 2, &answer)).text());
    assert_eq!(bench.request("203.0.113.1:41234").method(), &Method::Info, "by the connection that it has");
}

#[test]
fn a_strict_router_in_front_of_us_is_undone() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let route = text(&answer.record_routes()[0]);
    let bye =
        Draft { uri: route, headers: vec![format!("Route: <sip:party@{PBX}>")], ..within("BYE", "b", 2, &answer) };
    bench.send(CARRIER, bye.text());
    let bye = bench.request(PBX);
    assert_eq!((text(&bye.uri().to_bytes()), routes(&bye)), (format!("sip:party@{PBX}"), Vec::new()));
}

#[test]
fn a_strict_router_behind_us_gets_what_it_wants() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let mut bye = within("BYE", "b", 2, &answer);
    bye.headers[0].push_str(", <sip:203.0.113.9>, <sip:203.0.113.8;lr>");
    bench.send(CARRIER, bye.text());
    let bye = bench.request("203.0.113.9:5060");
    assert_eq!(text(&bye.uri().to_bytes()), "sip:203.0.113.9");
    assert_eq!(routes(&bye), ["<sip:203.0.113.8;lr>".to_owned(), format!("<sip:party@{PBX}>")]);
}

#[test]
fn our_own_requests_obey_a_strict_router_too() {
    let mut bench = Bench::new();
    let first = "Record-Route: <sip:198.51.100.9>\r\nContact:";
    bench.send(CARRIER, invite("1").text().replace("Contact:", first));
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    bench.heard(CARRIER);
    let id = bench.element.calls().next().expect("a call").id;
    bench.element.end_call(bench.now, id, crate::call::Cause::by_us(480, "The End"));
    bench.drain();
    let bye = bench.request(CARRIER);
    assert_eq!(
        (text(&bye.uri().to_bytes()), routes(&bye)),
        ("sip:198.51.100.9".into(), vec![format!("<sip:party@{CARRIER}>")])
    );
}

#[test]
fn a_party_without_a_contact_is_found_where_it_was_heard_of() {
    let mut bench = Bench::new();
    bench.send(CARRIER, invite("1").text().replace("Contact:", "X-Contact:"));
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    bench.heard(CARRIER);
    let id = bench.element.calls().next().expect("a call").id;
    bench.element.end_call(bench.now, id, crate::call::Cause::by_us(480, "The End"));
    bench.drain();
    assert_eq!(text(&bench.request(CARRIER).uri().to_bytes()), format!("sip:{CARRIER}"));
}

#[test]
fn a_call_between_the_two_families_goes_both_ways() {
    let mut trunks = trunks();
    trunks.listeners.push(Listener { transport: Transport::Udp, address: socket(US_6) });
    let carrier = &mut trunks.peers[0];
    (carrier.sources, carrier.targets) = (vec![socket(CARRIER_6).ip()], vec![Target::new(socket(CARRIER_6))]);
    carrier.ways = Ways::to(socket(CARRIER_6).ip(), Way { listener: 1, media: 0 });
    let mut bench = Bench::with(trunks);
    let from_6 = |bench: &mut Bench, message: &str| {
        let flow = Flow { listener: 1, transport: Transport::Udp, remote: socket(CARRIER_6), connection: 0 };
        bench.element.receive(bench.now, flow, message.as_bytes());
        bench.drain();
    };
    let invite = Draft { at: CARRIER_6, uri: format!("sip:100@{US_6}"), ..invite("1") };
    from_6(&mut bench, &Draft { body: sdp("[2001:db8:1::7]:4000"), ..invite }.text());
    let asked = bench.request(PBX);
    assert!(text(asked.body()).contains("c=IN IP4 192.0.2.10\r\n"), "{}", text(asked.body()));
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    let answer = bench.response(CARRIER_6);
    let bye = from_pbx("BYE", "b", 1, &answer);
    bench.send(PBX, Draft { uri: format!("sip:party@{CARRIER_6}"), ..bye }.text());
    let bye = bench.request(CARRIER_6);
    assert!(text(&bye.to_bytes()).contains(&format!("\r\nVia: SIP/2.0/UDP {US_6};")));
}

#[test]
fn a_telephone_number_is_called_as_one() {
    for (uri, called) in [
        ("tel:+49-30-100", "+49-30-100"),
        ("tel:100;phone-context=undertone.example", "100"),
        ("sip:+4930%2A100@192.0.2.1;user=phone", "+4930*100"),
        ("sips:100@[2001:db8::1]", "100"),
    ] {
        let mut bench = Bench::new();
        bench.send(CARRIER, Draft { uri: uri.into(), ..invite("1") }.text());
        assert_eq!(text(&bench.request(PBX).uri().to_bytes()), format!("sip:{called}@203.0.113.1"), "{uri}");
        assert_eq!(bench.element.calls().next().map(|call| call.dialled.as_str()), Some(called));
    }
}

#[test]
fn what_would_come_back_to_us_is_a_loop_and_ends_the_call_if_it_should_have() {
    let mut bench = Bench::new();
    let (_, answer) = call_up(&mut bench);
    let to_us = |method, branch, cseq| Draft { uri: format!("sip:x@{US}"), ..within(method, branch, cseq, &answer) };
    bench.send(CARRIER, to_us("INFO", "i", 2).text());
    assert_eq!((bench.response(CARRIER).status(), bench.element.calls().count()), (482, 1));
    bench.send(CARRIER, to_us("BYE", "b", 3).text());
    assert_eq!((bench.response(CARRIER).status(), bench.element.calls().count()), (482, 0));
    let bye = bench.request(PBX);
    assert_eq!(bye.method(), &Method::Bye, "the other party is told");
    bench.send(PBX, reply(&bye, 200, "bob", PBX, ""));
    bench.assert_idle();
}
