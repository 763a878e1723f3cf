//! Peers that are known by DNS names.

use super::{problems::all_problems, *};
use crate::trunk::Names;

const NAMED: &str = "[[peer]]\nname = \"carrier\"\nside = \"off-net\"\naddresses = [\"SIP.carrier.example\"]\n";
const TLS: &str = "tls = { certificate = \"/a\", key = \"/b\" }\n";

/// The peer in a text.
fn peer(text: &str) -> Peer {
    sip(text).trunks.peers.remove(0)
}

#[test]
fn a_name_stands_for_the_addresses_and_the_target_of_a_peer() {
    let named = peer(NAMED);
    let name = || "sip.carrier.example".to_owned();
    let names = Names { sources: vec![name()], target: Some((name(), None)), prefers_v6: false };
    assert_eq!(named.names.as_deref(), Some(&names), "in lower case");
    assert_eq!((named.sources.len(), named.targets.len(), named.certificate), (0, 0, None));
    let [v4, v6] = [(0, 0), (2, 1)].map(|(listener, media)| Some(Way { listener, media }));
    assert_eq!(named.ways, Ways { v4, v6 }, "we have both IP versions");
}

#[test]
fn names_and_addresses_stand_beside_each_other() {
    let mixed = peer(&NAMED.replace("[\"SIP", "[\"10.9.0.1\", \"sip"));
    assert_eq!(
        (&mixed.sources[..], only_way(&mixed)),
        (&[socket("10.9.0.1:0").ip()][..], (0, 0, socket("10.9.0.1:5060")))
    );
    let names = mixed.names.expect("names");
    assert_eq!((names.sources, names.target), (vec!["sip.carrier.example".to_owned()], None));
    let target = peer(&format!("{CARRIER}target = \"pbx.example:5062\"\n"));
    let names = target.names.expect("names");
    assert_eq!((names.sources.len(), names.target), (0, Some(("pbx.example".into(), Some(5062)))));
    assert_eq!((target.sources.len(), target.targets.len()), (1, 0));
}

#[test]
fn a_listener_that_is_named_decides_the_ip_version_that_a_name_is_reached_over() {
    let v6 = peer(&format!("{NAMED}listen = \"udp:[fd00::1]:5060\"\n"));
    assert_eq!(v6.ways, Ways { v4: None, v6: Some(Way { listener: 2, media: 1 }) });
    assert!(v6.names.expect("names").prefers_v6);
    let tcp = peer(&format!("{NAMED}transport = \"tcp\"\nmedia = \"fd00::1\"\n"));
    assert_eq!(tcp.ways, Ways { v4: Some(Way { listener: 1, media: 1 }), v6: None }, "the only one of TCP");
}

#[test]
fn an_ip_version_without_media_is_none_that_a_name_is_reached_over() {
    let text = format!("{FRONT}{LISTEN}{NAMED}").replace(", \"fd00::1\"]\nports", "]\nports");
    let trunks = Config::parse(&text).expect("a configuration").sip.expect("SIP").trunks;
    assert_eq!(trunks.peers[0].ways, Ways { v4: Some(Way::default()), v6: None });
}

#[test]
fn who_is_known_by_name_shows_a_certificate_of_that_name() {
    let text = format!("{FRONT}listen = [\"tls:10.0.0.1:5061\"]\n{TLS}");
    let certificate = |peer: &str| {
        let config = Config::parse(&format!("{text}{peer}transport = \"tls\"\n")).expect("a configuration");
        config.sip.expect("SIP").trunks.peers.remove(0).certificate
    };
    assert_eq!(certificate(NAMED).as_deref(), Some("sip.carrier.example"));
    assert_eq!(certificate(&format!("{NAMED}certificate = \"other.example\"\n")).as_deref(), Some("other.example"));
    assert_eq!(certificate(&format!("{NAMED}target = \"10.9.0.1\"\n")), None, "an address has to be in it then");
}

#[test]
fn resolvers_have_port_53_unless_the_configuration_says_otherwise() {
    let resolvers = sip("resolvers = [\"192.0.2.53\", \"127.0.0.1:5353\", \"[fd00::53]:54\"]\n").resolvers;
    assert_eq!(resolvers, ["192.0.2.53:53", "127.0.0.1:5353", "[fd00::53]:54"].map(socket));
}

#[test]
fn wrong_names_are_told_with_line_and_key() {
    let like = r#"write it like "192.0.2.10", "2001:db8::10" or "sip.carrier.example""#;
    let no_host = |found: &str| {
        format!(
            "line 10, `peer.addresses`: expected an IP address or a DNS name, without port, found \"{found}\"; {like}"
        )
    };
    let named = |name: &str| CARRIER.replace("10.9.0.1", name);
    let way_out = "where a message comes from says whose it is: remove one, or give it another transport";
    let no_resolver = |found: &str| {
        let like = r#"write it like "192.0.2.53" or "[2001:db8::53]:5353""#;
        format!(
            "line 7, `sip.resolvers`: expected the IP address of a DNS server, with or without a port, found {found}; {like}"
        )
    };
    all_problems(
        LISTEN,
        &[
            (&named("10.9.0.300"), &no_host("10.9.0.300")),
            (&named("sip.carrier.example:5060"), &no_host("sip.carrier.example:5060")),
            (&named("-sip.example"), &no_host("-sip.example")),
            (&named("sip.example."), &no_host("sip.example.")),
            (
                &format!("{NAMED}{}", named("sip.CARRIER.example").replace("\"carrier\"", "\"other\"")),
                &format!(
                    "line 14, `peer.addresses`: sip.carrier.example over udp is a peer's already, on line 10; {way_out}"
                ),
            ),
            (
                &format!("{NAMED}transport = \"tls\""),
                "line 7, `peer.listen`: nothing in `sip.listen` is tls, to reach sip.carrier.example; add an address of this host there, like \"tls:192.0.2.10:5061\"",
            ),
            ("resolvers = [\"dns.example\"]", &no_resolver("\"dns.example\"")),
            ("resolvers = [\"192.0.2.53:0\"]", &no_resolver("\"192.0.2.53:0\"")),
            (
                "resolvers = []",
                "line 7, `sip.resolvers`: this list is empty; leave the key out to ask those of the system",
            ),
        ],
    );
}

#[test]
fn a_wrong_target_is_told_with_line_and_key() {
    let no_target = |expected: &str, found: &str| {
        let like = r#"write it like "198.51.100.1:5060", "[2001:db8::1]:5060", "sip.carrier.example" or "sip.carrier.example:5060""#;
        format!("line 11, `peer.target`: expected {expected}, found \"{found}\"; {like}")
    };
    all_problems(
        &format!("{LISTEN}{CARRIER}"),
        &[
            (
                "target = \"10.9.0.256\"",
                &no_target("an IP address or a DNS name, with or without a port", "10.9.0.256"),
            ),
            (
                "target = \"a..example\"",
                &no_target("an IP address or a DNS name, with or without a port", "a..example"),
            ),
            (
                "target = \"sip.example:99999\"",
                &no_target("an IP address or a DNS name, with or without a port", "sip.example:99999"),
            ),
            ("target = \"10.9.0.1:0\"", &no_target("the address of one host, and a port other than 0", "10.9.0.1:0")),
            (
                "target = \"sip.example:0\"",
                &no_target("the address of one host, and a port other than 0", "sip.example:0"),
            ),
        ],
    );
}
