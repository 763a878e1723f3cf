use super::*;
use crate::trunk::{Listener, Side, Source, Sources, Way, Ways};

const US: [u8; 4] = [192, 0, 2, 1];

fn ip(host: u8) -> IpAddr {
    [198, 51, 100, host].into()
}

fn at(host: u8, port: u16) -> SocketAddr {
    (ip(host), port).into()
}

/// A peer that is known by one name alone.
fn named(name: &str) -> Peer {
    let names = Names { sources: vec![name.into()], target: Some((name.into(), None)), prefers_v6: false };
    let it = Peer::new(name, Side::OffNet, at(0, 0));
    Peer { sources: Vec::new(), targets: Vec::new(), names: Some(Box::new(names)), ..it }
}

fn trunks(peers: Vec<Peer>) -> Trunks {
    let listeners = vec![Listener { transport: Transport::Udp, address: (US, 5060).into() }];
    Trunks { listeners, peers, ..Trunks::default() }
}

fn service(name: &str) -> Lookup {
    Lookup { name: name.into(), service: Some(Transport::Udp) }
}

fn addresses(hosts: &[u8]) -> Answer {
    Answer { servers: Vec::new(), addresses: hosts.iter().copied().map(ip).collect() }
}

fn server(priority: u16, weight: u16, port: u16, host: u8) -> Server {
    Server { priority, weight, port, addresses: vec![ip(host)] }
}

fn targets(peer: &Peer) -> Vec<(SocketAddr, u16, u16)> {
    peer.targets.iter().map(|it| (it.address, it.priority, it.weight)).collect()
}

#[test]
fn records_of_the_transport_are_looked_up_unless_a_port_is_named() {
    let mut peer = named("a.example");
    let srv = |peer: &Peer| peer.lookups().map(|it| it.srv()).collect::<Vec<_>>();
    for (transport, name) in
        [(Transport::Udp, "_sip._udp"), (Transport::Tcp, "_sip._tcp"), (Transport::Tls, "_sips._tcp")]
    {
        peer.transport = transport;
        assert_eq!(srv(&peer), vec![Some(format!("{name}.a.example")); 2]);
    }
    peer.names.as_mut().expect("names").target = Some(("b.example".into(), Some(5062)));
    assert_eq!(srv(&peer)[1], None);
    let two = trunks(vec![named("a.example"), named("b.example")]);
    assert_eq!(two.lookups(), ["a.example", "b.example"].map(service), "each once");
}

#[test]
fn a_peer_of_which_nothing_is_known_has_no_place_and_is_no_former_one() {
    let (resolved, unused) = trunks(vec![named("a.example")]).resolved(&Known::new());
    let peer = &resolved.peers[0];
    assert_eq!((peer.sources.len(), peer.targets.len(), peer.is_former(), unused.len()), (0, 0, false, 0));
}

#[test]
fn without_service_records_requests_go_to_the_addresses_of_the_name() {
    let mut trunks = trunks(vec![named("a.example")]);
    let known = Known::from([(service("a.example"), addresses(&[1, 2]))]);
    let peer = trunks.resolved(&known).0.peers.remove(0);
    assert_eq!(targets(&peer), [(at(1, 5060), 0, 1), (at(2, 5060), 0, 1)]);
    assert_eq!(peer.sources, [ip(1), ip(2)]);
    trunks.peers[0].names.as_mut().expect("names").target = Some(("b.example".into(), Some(5062)));
    let host = Lookup { name: "b.example".into(), service: None };
    let peer = trunks.resolved(&Known::from([(host, addresses(&[3]))])).0.peers.remove(0);
    assert_eq!((targets(&peer), peer.sources.len()), (vec![(at(3, 5062), 0, 1)], 0));
}

#[test]
fn service_records_say_where_requests_go_and_every_address_is_a_source() {
    let servers = vec![server(20, 1, 5060, 3), server(10, 7, 5080, 2), server(10, 3, 0, 4)];
    let answer = Answer { servers, addresses: vec![ip(1)] };
    let known = Known::from([(service("a.example"), answer)]);
    let peer = trunks(vec![named("a.example")]).resolved(&known).0.peers.remove(0);
    assert_eq!(targets(&peer), [(at(2, 5080), 10, 7), (at(3, 5060), 20, 1)], "by priority; none without a port");
    assert_eq!(peer.sources.len(), 4);
}

#[test]
fn of_a_host_with_both_ip_versions_the_preferred_one_is_taken_where_we_reach_it() {
    let v6: IpAddr = "2001:db8::5".parse().expect("an address");
    let both = Answer { servers: Vec::new(), addresses: vec![ip(1), v6] };
    let known = |answer: Answer| Known::from([(service("a.example"), answer)]);
    let way = Some(Way::default());
    let reached = |ways: Ways, prefers_v6: bool, answer: Answer| {
        let mut peer = Peer { ways, ..named("a.example") };
        peer.names.as_mut().expect("names").prefers_v6 = prefers_v6;
        let (trunks, unused) = trunks(vec![peer]).resolved(&known(answer));
        (trunks.peers[0].targets.iter().map(|it| it.address.ip()).collect::<Vec<_>>(), unused)
    };
    let (v4_only, all) = (Ways { v4: way, v6: None }, Ways { v4: way, v6: way });
    assert_eq!(reached(all, false, both.clone()).0, [ip(1)]);
    assert_eq!(reached(all, true, both.clone()).0, [v6]);
    assert_eq!(reached(all, true, addresses(&[1])).0, [ip(1)], "the other where there is no choice");
    assert_eq!(reached(v4_only, true, both).0, [ip(1)]);
    let only_v6 = Answer { servers: Vec::new(), addresses: vec![v6] };
    let unreachable = vec![Unused::Unreachable { peer: "a.example".into() }];
    assert_eq!(reached(v4_only, false, only_v6), (Vec::new(), unreachable));
}

#[test]
fn an_address_belongs_to_who_has_it_written_down_and_then_to_who_comes_first() {
    let literal = Peer::new("literal", Side::OffNet, at(2, 5060));
    let tcp = Peer { transport: Transport::Tcp, ..named("tcp.example") };
    let peers = vec![named("a.example"), named("b.example"), literal, tcp];
    let tcp = Lookup { name: "tcp.example".into(), service: Some(Transport::Tcp) };
    let known = Known::from([
        (service("a.example"), addresses(&[1, 2])),
        (service("b.example"), addresses(&[1, 3])),
        (tcp, addresses(&[1])),
    ]);
    let (resolved, unused) = trunks(peers).resolved(&known);
    let sources: Vec<_> = resolved.peers.iter().map(|peer| peer.sources.clone()).collect();
    assert_eq!(sources, [vec![ip(1)], vec![ip(3)], vec![ip(2)], vec![ip(1)]]);
    let taken = |peer: &str, host, by: &str| Unused::Taken {
        peer: peer.into(),
        address: ip(host),
        transport: Transport::Udp,
        by: by.into(),
    };
    assert_eq!(unused, [taken("a.example", 2, "literal"), taken("b.example", 1, "a.example")]);
    assert_eq!(
        unused[1].to_string(),
        "a name of peer b.example leads to 198.51.100.1, and udp from there is a.example's"
    );
}

#[test]
fn nothing_is_sent_to_ourselves_or_to_no_host() {
    let mapped: IpAddr = "::ffff:198.51.100.1".parse().expect("an address");
    let useless = [US.into(), [0; 4].into(), [255; 4].into(), [224, 0, 0, 1].into(), mapped];
    let answer = Answer { servers: Vec::new(), addresses: useless.to_vec() };
    let (resolved, unused) = trunks(vec![named("a.example")]).resolved(&Known::from([(service("a.example"), answer)]));
    assert_eq!((resolved.peers[0].targets.len(), resolved.peers[0].sources.len()), (0, 1));
    let no_host = |address: &IpAddr| Unused::NoHost { peer: "a.example".into(), address: *address };
    let mut expected: Vec<_> = useless[1..].iter().map(no_host).collect();
    expected.push(Unused::Ours { peer: "a.example".into(), address: (US, 5060).into() });
    assert_eq!(unused, expected);
}

#[test]
fn an_answer_cannot_have_a_peer_take_more_than_there_is_room_for() {
    let many: Vec<IpAddr> = (0..1000_u16).map(|it| IpAddr::from([10, 1, (it >> 8) as u8, it as u8])).collect();
    let answer = Answer { servers: Vec::new(), addresses: many };
    let peer =
        trunks(vec![named("a.example")]).resolved(&Known::from([(service("a.example"), answer)])).0.peers.remove(0);
    assert_eq!((peer.sources.len(), peer.targets.len()), (ADDRESSES_MAX, TARGETS_MAX));
}

#[test]
fn an_address_that_a_name_no_longer_leads_to_is_one_of_before() {
    let configured = trunks(vec![named("a.example")]);
    let resolved = |hosts: &[u8]| configured.resolved(&Known::from([(service("a.example"), addresses(hosts))])).0;
    let first = resolved(&[1, 2]).succeed(&configured);
    assert_eq!(first, resolved(&[1, 2]));
    let second = resolved(&[2, 3]).succeed(&first);
    assert_eq!((&second.peers[0].sources[..], &second.peers[0].past_sources[..]), (&[ip(2), ip(3)][..], &[ip(1)][..]));
    let source = |host| Sources::of(&second).peer(ip(host), Transport::Udp).map(|Source { is_past, .. }| is_past);
    assert_eq!([1, 2, 3, 4].map(source), [Some(true), Some(false), Some(false), None]);
    let gone = trunks(Vec::new()).succeed(&second);
    assert!(gone.peers[0].is_former() && gone.peers[0].is_at(ip(3)), "it is where it was");
    assert_eq!(gone.lookups(), []);
}

#[test]
fn places_of_before_do_not_pile_up() {
    let configured = trunks(vec![named("a.example")]);
    let mut now = configured.clone();
    for round in 0..1200_u16 {
        let address = IpAddr::from([10, 1, (round >> 8) as u8, round as u8]);
        let answer = Answer { servers: Vec::new(), addresses: vec![address] };
        now = configured.resolved(&Known::from([(service("a.example"), answer)])).0.succeed(&now);
    }
    let past = &now.peers[0].past_sources;
    assert_eq!(past.len(), 1024);
    assert!(past.contains(&[10, 1, 4, 174].into()), "the latest are kept");
}

#[test]
fn answers_that_differ_in_their_order_are_the_same() {
    let mut one = Answer { servers: vec![server(2, 1, 5060, 2), server(1, 1, 5060, 1)], addresses: vec![ip(2), ip(1)] };
    let mut other =
        Answer { servers: vec![server(1, 1, 5060, 1), server(2, 1, 5060, 2)], addresses: vec![ip(1), ip(2)] };
    one.sort();
    other.sort();
    assert_eq!(one, other);
    assert!(!one.is_empty() && Answer::default().is_empty());
}
