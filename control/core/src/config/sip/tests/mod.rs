mod monitoring;
mod names;
mod problems;

use std::net::SocketAddr;

use undertone_core::{Dscp, Policy};

use super::*;
use crate::{
    config::Config,
    directory::{Queue, User, UserGroup, UserIndex, UserRole},
    identity::{Rule, Rules, Source},
    sdp::MediaKind,
    trunk::{Group, Member, Pattern, Peer, PeerIndex, Route, Routed, Side, Target, Way, Ways},
};

const EXAMPLE: &str = include_str!("../../../../../undertone.example.toml");

/// Five lines.
const FRONT: &str =
    "[media]\naddresses = [\"10.0.0.1\", \"fd00::1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n[sip]\n";
/// The sixth.
const LISTEN: &str = "listen = [\"udp:10.0.0.1:5060\", \"tcp:10.0.0.1:5060\", \"udp:[fd00::1]:5060\"]\n";
/// Four more each.
const CARRIER: &str = "[[peer]]\nname = \"carrier\"\nside = \"off-net\"\naddresses = [\"10.9.0.1\"]\n";
const PBX: &str = "[[peer]]\nname = \"pbx\"\nside = \"on-net\"\naddresses = [\"10.9.0.2\"]\n";

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// What a text below `[sip]` with `listen` is read as.
fn sip(text: &str) -> Sip {
    let config = Config::parse(&format!("{FRONT}{LISTEN}{text}")).unwrap_or_else(|error| panic!("{text}\n{error}"));
    config.sip.expect("a section")
}

/// The listener and the media address of the one target that a peer has.
fn only_way(peer: &Peer) -> (u8, u8, SocketAddr) {
    let [target] = &peer.targets[..] else { panic!("{:?}", peer.targets) };
    let way = peer.ways.way(target.address.ip());
    (way.listener, way.media, target.address)
}

fn member(peer: u16, priority: u16, weight: u16) -> Member {
    Member { peer: PeerIndex(peer), priority, weight }
}

#[test]
fn the_example_has_every_key() {
    let sip = Config::parse(EXAMPLE).unwrap_or_else(|error| panic!("{error}")).sip.expect("a section");
    assert_eq!((sip.trunks.calls_max, sip.limits), (Some(20_000), Limits::default()));
    let trust = Some("/etc/undertone/roots.pem".into());
    let tls = Tls { certificate: "/etc/undertone/tls.pem".into(), key: "/etc/undertone/tls.key".into(), trust };
    assert_eq!(sip.tls, Some(tls));
    let carrier = Peer {
        name: "carrier".into(),
        side: Side::OffNet,
        sources: vec![[198, 51, 100, 1].into(), [198, 51, 100, 2].into()],
        past_sources: Vec::new(),
        targets: vec![Target::new(socket("198.51.100.1:5060"))],
        transport: Transport::Udp,
        certificate: None,
        ways: Ways::to(socket("198.51.100.1:5060").ip(), Way::default()),
        names: None,
        learn: Policy::Latch,
        dscp: Dscp::new(46),
        media_types: vec![MediaKind::Audio, MediaKind::Image],
        codecs: vec!["PCMA".into(), "PCMU".into()],
        calls_max: Some(100),
        calls_per_second_max: Some(10),
        options_interval_s: Some(30),
        identity: Rules::of(Side::OffNet),
    };
    let [first, second, pbx] = &sip.trunks.peers[..] else { panic!("{:#?}", sip.trunks.peers) };
    assert_eq!(first, &carrier);
    assert_eq!(only_way(second), (3, 1, socket("[2001:db8:1::1]:5060")));
    assert_eq!(only_way(pbx), (2, 0, socket("203.0.113.20:5061")));
    assert_eq!(pbx.certificate.as_deref(), Some("pbx.example"));
    let groups = [
        Group { name: "carriers".into(), members: vec![member(0, 1, 10), member(1, 1, 5)] },
        Group { name: "pbx".into(), members: vec![member(2, 1, 1)] },
    ];
    assert_eq!(sip.trunks.groups, groups);
    let out = sip.trunks.route(PeerIndex(2), "004420", 0, |_| true).expect("a route");
    assert_eq!(out, Routed { number: "+4420".into(), peers: vec![PeerIndex(0), PeerIndex(1)], record: false });
    assert_eq!(sip.trunks.route(PeerIndex(2), "030123", 0, |_| true).expect("a route").number, "+4930123");
    let inside = sip.trunks.route(PeerIndex(1), "100", 0, |_| true).expect("a route");
    assert_eq!((inside.number.as_str(), inside.peers), ("100", vec![PeerIndex(2)]));
    assert_eq!(pbx.identity.extension, Rule::expression(r"\+4930123(\d{3})").ok());
    let extensions = ["+4930123000", "4930123255", "+4930123300"].map(|number| sip.trunks.dids.extension(number));
    assert_eq!(extensions, [Some("800".into()), Some("255".into()), None]);
}

#[test]
fn the_example_has_everybody_in_it() {
    let directory = Config::parse(EXAMPLE).expect("the example").sip.expect("a section").trunks.directory;
    let ann = User {
        name: "ann".into(),
        extensions: vec!["200".into(), "201".into()],
        display_name: Some("Ann Miller".into()),
        role: UserRole::CallCenterSupervisor,
        site: Some("berlin".into()),
        ..User::default()
    };
    let bob = User { name: "bob".into(), extensions: vec!["204".into()], ..User::default() };
    assert_eq!(directory.users(), [ann, bob]);
    let [ann, bob] = [0, 1].map(UserIndex);
    let support = UserGroup { name: "support".into(), extensions: vec!["700".into()], members: vec![bob] };
    assert_eq!(directory.groups(), [support]);
    let sales =
        Queue { name: "sales".into(), extensions: vec!["800".into()], agents: vec![bob], supervisors: vec![ann] };
    assert_eq!(directory.queues(), [sales], "an agent that is named twice is one");
}

#[test]
fn identity_is_read_from_where_the_peer_says() {
    let rules = |side: &str, more: &str| {
        let peer = CARRIER.replace("off-net", side);
        sip(&format!("{peer}{more}\n")).trunks.peers.remove(0).identity
    };
    assert_eq!([rules("on-net", ""), rules("off-net", "")], [Rules::of(Side::OnNet), Rules::of(Side::OffNet)]);
    let named = rules(
        "on-net",
        "caller-identity = [\"header:X-Agent\", \"diversion\"]\ncallee-identity = [\"contact\", \"to\"]\nextension-prefix = \"+49\"",
    );
    let expected = Rules {
        caller: vec![Source::Header("X-Agent".into()), Source::Diversion],
        callee: vec![Source::Contact, Source::To],
        extension: Some(Rule::Prefix("+49".into())),
    };
    assert_eq!(named, expected);
}

#[test]
fn what_the_example_says_of_defaults_is_so() {
    let Sip { trunks, limits, tls, resolvers, monitoring, recording } = sip(CARRIER);
    assert_eq!((monitoring, recording), (Monitoring::default(), None));
    assert_eq!((limits, trunks.calls_max, tls, resolvers), (Limits::default(), None, None, Vec::new()));
    let example = Config::parse(EXAMPLE).expect("the example").sip.expect("a section").trunks.peers.remove(0);
    let [peer] = &trunks.peers[..] else { panic!("{trunks:#?}") };
    assert_eq!((peer.learn, peer.options_interval_s), (example.learn, example.options_interval_s));
    assert_eq!((peer.transport, only_way(peer)), (example.transport, (0, 0, socket("10.9.0.1:5060"))));
    assert_eq!((peer.dscp, peer.codecs.len()), (None, 0));
    assert_eq!((peer.calls_max, peer.calls_per_second_max), (None, None));
    assert!(Config::parse(&FRONT.replace("[sip]", "")).expect("without SIP").sip.is_none());
}

#[test]
fn zero_is_never() {
    let Sip { trunks, limits, .. } = sip(&format!("media-timeout = 0\n{CARRIER}options = 0\n"));
    assert_eq!((limits.media_timeout_s, trunks.peers[0].options_interval_s), (None, None));
}

#[test]
fn a_peer_leaves_from_where_it_can_be_reached() {
    let table = [
        ("", 0, 0, "10.9.0.1:5060"),
        ("target = \"10.9.0.7\"", 0, 0, "10.9.0.7:5060"),
        ("target = \"fd00::7\"", 2, 1, "[fd00::7]:5060"),
        ("target = \"[fd00::7]:5080\"", 2, 1, "[fd00::7]:5080"),
        ("transport = \"tcp\"", 1, 0, "10.9.0.1:5060"),
        ("transport = \"tcp\"\nlisten = \"tcp:10.0.0.1:5060\"", 1, 0, "10.9.0.1:5060"),
        ("media = \"fd00::1\"", 0, 1, "10.9.0.1:5060"),
    ];
    for (more, listener, media, target) in table {
        let trunks = sip(&format!("{CARRIER}{more}\n")).trunks;
        assert_eq!(only_way(&trunks.peers[0]), (listener, media, socket(target)), "{more}");
    }
}

#[test]
fn names_in_a_group_are_tried_in_their_order() {
    let group = |peers: &str| {
        let text = format!("{CARRIER}{PBX}[[group]]\nname = \"all\"\npeers = {peers}\n");
        sip(&text).trunks.groups.remove(0).members
    };
    assert_eq!(group(r#"["pbx", "carrier"]"#), [member(1, 1, 1), member(0, 2, 1)]);
    assert_eq!(group(r#"[{ peer = "pbx" }, { peer = "carrier", weight = 3 }]"#), [member(1, 1, 1), member(0, 1, 3)]);
    assert_eq!(group(r#"[{ peer = "pbx", priority = 0, weight = 65535 }]"#), [member(1, 0, 65_535)]);
}

#[test]
fn a_peer_that_routes_go_to_is_one_group() {
    let route = "[[route]]\nto = \"pbx\"\n";
    let text = format!("{CARRIER}{PBX}[[group]]\nname = \"all\"\npeers = [\"carrier\"]\n");
    let trunks =
        sip(&format!("{text}{route}[[route]]\nprefix = \"1\"\nfrom = [\"carrier\"]\nto = \"all\"\n{route}")).trunks;
    assert_eq!(trunks.groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["all", "pbx"]);
    let any =
        |to| Route { from: Vec::new(), number: Pattern::Any, strip: 0, prepend: String::new(), to, record: false };
    let inside = Route { from: vec![PeerIndex(0)], number: Pattern::Prefix("1".into()), ..any(0) };
    assert_eq!(trunks.routes, [any(1), inside, any(1)]);
}

#[test]
fn only_addresses_and_certificates_of_sip_take_a_restart() {
    let keys = |new: &str, old: &str| {
        let parse = |text: &str| Config::parse(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
        let problems = parse(new).needs_restart(&parse(old));
        problems.into_iter().map(|it| (it.line, it.key)).collect::<Vec<_>>()
    };
    let old = format!("{FRONT}{LISTEN}tls = {{ certificate = \"/a\", key = \"/b\" }}\n{CARRIER}");
    let all = ["sip.listen", "sip.tls.certificate", "sip.tls.key", "sip.tls.trust"];
    assert_eq!(keys(&old.replace(", \"udp:[fd00::1]:5060\"", ""), &old), [(6, "sip.listen".into())]);
    let other = old.replace("\"/a\"", "\"/c\"").replace("\"/b\"", "\"/d\", trust = \"/e\"");
    assert_eq!(keys(&other, &old), all[1..].iter().map(|key| (7, (*key).to_owned())).collect::<Vec<_>>());
    let without = FRONT.replace("[sip]\n", "");
    let old = other;
    assert_eq!(keys(&without, &old), all.map(|key| (1, key.to_owned())));
    let more = old.replace("[[peer]]", "ring = 200\ncalls = 3\nmedia-timeout = 9\n[[peer]]");
    let more = format!("{more}options = 5\n{PBX}[[route]]\nto = \"pbx\"\n");
    assert_eq!(keys(&more, &old), []);
}

#[test]
fn a_configuration_succeeds_another_with_its_peers_in_their_places() {
    let old = sip(&format!("{CARRIER}{PBX}")).trunks;
    let next = sip(&format!("calls = 5\n{PBX}[[route]]\nto = \"pbx\"\n")).trunks.succeed(&old);
    assert_eq!(next.calls_max, Some(5));
    let names: Vec<_> = next.peers.iter().map(|peer| (peer.name.as_str(), peer.is_former())).collect();
    assert_eq!(names, [("carrier", true), ("pbx", false)]);
    assert_eq!(next.groups[0].members, [member(1, 1, 1)]);
    assert_eq!(old.succeed(&old), old);
}
