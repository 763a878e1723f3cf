use std::net::SocketAddr;

use proptest::prelude::*;
use undertone_core::{Clock, End, Kind, Policy};

use super::*;

const EXAMPLE: &str = include_str!("../../../undertone.example.toml");

const MEDIA: &str = "[media]\naddresses = [\"10.0.0.1\", \"fd00::1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n";

fn socket(text: &str) -> SocketAddr {
    text.parse().expect("an address and a port")
}

/// The problems of a text, one a line.
fn problems(text: &str) -> String {
    Config::parse(text).expect_err(text).to_string()
}

#[test]
fn the_example_is_a_configuration() {
    let config = Config::parse(EXAMPLE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.media.addresses.len(), 2);
    assert_eq!((config.media.ports.first, config.media.ports.last), (20_000, 39_999));
    assert_eq!(config.media.interfaces, ["eth0", "eth1"]);
    assert_eq!(config.media.mixer_address, Some(Ipv4Addr::new(169, 254, 64, 1)));
    assert_eq!(config.media.mixer_threads, Some(2));
    let [speech, rtcp, plain] = &config.relays[..] else { panic!("{:#?}", config.relays) };
    let a = End {
        local: socket("192.0.2.10:20000"),
        peer: socket("198.51.100.7:4000"),
        learn: Policy::SameHost,
        sends: true,
        dscp: undertone_core::Dscp::new(46),
    };
    assert_eq!(speech.relay.a, a);
    assert_eq!((speech.relay.kind, speech.relay.clock), (Kind::Rtp, Clock::Hz8000));
    assert_eq!(speech.from_a.copies, [socket("203.0.113.5:9000"), socket("203.0.113.6:9000")]);
    assert_eq!(speech.from_b, Extras::default());
    assert_eq!(rtcp.relay.kind, Kind::Rtcp);
    assert_eq!(rtcp.relay.a, End { local: socket("192.0.2.10:20001"), peer: socket("198.51.100.7:4001"), ..a });
    let headings = EXAMPLE.lines().zip(1..).filter(|(text, _)| *text == "[[relay]]").map(|(_, line)| line);
    let headings: Vec<usize> = headings.collect();
    assert_eq!([speech.line, rtcp.line, plain.line], [headings[0], headings[0], headings[1]]);
    assert_eq!((plain.relay.a.learn, plain.relay.a.dscp), (Policy::Strict, None));
}

#[test]
fn what_the_example_says_of_defaults_is_so() {
    let config = Config::parse(MEDIA).expect("the shortest configuration");
    let example = Config::parse(EXAMPLE).expect("the example");
    assert_eq!(config.control, example.control);
    assert_eq!((config.media.groups, config.media.pins), (example.media.groups, example.media.pins));
    assert_eq!(example.media.path, PathChoice::default());
    assert!(config.relays.is_empty());
}

#[test]
fn wrong_media_is_told_with_line_and_key() {
    let table = [
        (
            "",
            "line 1, `media`: this is missing; write for example [media] with addresses = [\"192.0.2.10\"] and ports = \"20000-39999\" below",
        ),
        (
            "media = 1",
            "line 1, `media`: expected a section, found 1; write [media] with its keys below, or media = { … }",
        ),
        (
            "[media]\nports = \"20000-20099\"\npath = \"io-uring\"",
            "line 1, `media.addresses`: this is missing; write for example addresses = [\"192.0.2.10\"]",
        ),
        (
            "[media]\naddresses = []\nports = \"20000-20099\"\npath = \"io-uring\"",
            "line 2, `media.addresses`: this list is empty; write for example addresses = [\"192.0.2.10\"]",
        ),
        (
            "[media]\naddresses = \"10.0.0.1\"\nports = \"20000-20099\"\npath = \"io-uring\"",
            "line 2, `media.addresses`: expected a list, found \"10.0.0.1\"; put it in [ ]",
        ),
        (
            "[media]\naddresses = [\"10.0.0.1\",\n  \"10.0.0.256\"]\nports = \"20000-20099\"\npath = \"io-uring\"",
            "line 3, `media.addresses`: expected an IP address without port, found \"10.0.0.256\"; write it like \"192.0.2.10\" or \"2001:db8::10\"",
        ),
        (
            "[media]\naddresses = [\"224.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"",
            "line 2, `media.addresses`: expected an address that one host has and others can reach, found \"224.0.0.1\"; write it like \"192.0.2.10\" or \"2001:db8::10\"",
        ),
        (
            "[media]\naddresses = [\"fd00::1\",\n\"10.0.0.1\",\n\"fd00:0::1\"]\nports = \"20000-20099\"\npath = \"io-uring\"",
            "line 4, `media.addresses`: fd00::1 stands here twice, first on line 2; remove one",
        ),
        (
            "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"",
            "line 1, `media.interfaces`: this is missing; write for example interfaces = [\"eth0\"] for XDP, or path = \"io-uring\" to do without it",
        ),
        (
            "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\ninterfaces = [\"a-name-far-too-long\"]",
            "line 4, `media.interfaces`: expected the name of a network interface, at most 15 characters, found \"a-name-far-too-long\"; `ip link` lists them",
        ),
        (
            "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"xdp\"",
            "line 4, `media.path`: expected a path, found \"xdp\"; it is \"fastest\", \"native\", \"generic\" or \"io-uring\"",
        ),
        (
            "[media]\nadresses = [\"10.0.0.1\"]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"",
            "line 2, `media.adresses`: there is no such key; did you mean `addresses`?",
        ),
        (
            "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n[media.mixer]\nlevel = 3",
            "line 6, `media.mixer.level`: there is no such key; known here: interface, address, ports, threads",
        ),
        (
            "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n[media.mixer]\nports = \"20098-20199\"",
            "line 6, `media.mixer.ports`: some of these are media ports, which are 20000-20099; write others: what comes to media ports is the parties'",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(problems(text), expected, "{text}");
    }
}

#[test]
fn wrong_values_are_told_with_line_and_key() {
    let ports = r#"write the first port, a dash and the last: "20000-39999""#;
    let numbers = "write it in digits, without quotes";
    let table = [
        ("ports = 20000", format!("`media.ports`: expected two ports with a dash between them, found 20000; {ports}")),
        (
            r#"ports = "20000:20099""#,
            format!(r#"`media.ports`: expected two ports with a dash between them, found "20000:20099"; {ports}"#),
        ),
        (
            r#"ports = "20000-70000""#,
            format!(r#"`media.ports`: expected two ports with a dash between them, found "20000-70000"; {ports}"#),
        ),
        (
            r#"ports = "1000-2000""#,
            format!(
                r#"`media.ports`: expected ports above 1023: those below belong to services of the system, found "1000-2000"; {ports}"#
            ),
        ),
        (
            r#"ports = "30000-20000""#,
            format!(r#"`media.ports`: expected a first port below the last, found "30000-20000"; {ports}"#),
        ),
        (
            r#"ports = "20001-20099""#,
            format!(
                r#"`media.ports`: expected an even first port: RTP takes the even one of a pair, RTCP the next, found "20001-20099"; {ports}"#
            ),
        ),
        ("groups = 0", format!("`media.groups`: expected a number from 1 to 65535, found 0; {numbers}")),
        (
            r#"groups = "8192""#,
            format!(r#"`media.groups`: expected a number from 1 to 65535, found "8192"; {numbers}"#),
        ),
        (
            r#"pins = "bpf/undertone""#,
            r#"`media.pins`: expected a folder on a BPF file system, from / on, found "bpf/undertone"; write it like "/sys/fs/bpf/undertone", or "none" to pin nothing"#.into(),
        ),
        (
            r#"mixer.interface = "fifteen-letters""#,
            r#"`media.mixer.interface`: expected the name of a network interface, at most 14 characters, found "fifteen-letters"; `ip link` lists them"#.into(),
        ),
        (
            r#"mixer.address = "10.1.0.7""#,
            r#"`media.mixer.address`: expected the first IPv4 address of a /24 that nothing else uses, found "10.1.0.7"; write it like "169.254.64.1""#.into(),
        ),
        (
            r#"mixer.address = "10.0.0.1""#,
            r#"`media.mixer.address`: media address 10.0.0.1 is in the same /24, which belongs to the mixer alone; write another, like "169.254.64.1""#.into(),
        ),
        (
            "mixer.threads = 17",
            format!("`media.mixer.threads`: expected a number from 1 to 16, found 17; {numbers}"),
        ),
    ];
    for (line, expected) in table {
        let ports = if line.starts_with("ports") { "" } else { r#"ports = "20000-20099""# };
        let text = format!("[media]\naddresses = [\"10.0.0.1\"]\npath = \"io-uring\"\n{line}\n{ports}\n");
        assert_eq!(problems(&text), format!("line 4, {expected}"));
    }
}

#[test]
fn the_other_sections_are_read_as_strictly() {
    let table = [
        (
            "[control]\nsocket = \"undertone.sock\"",
            r#"line 6, `control.socket`: expected the path of a socket, from / on, at most 103 bytes, found "undertone.sock"; write it like "/run/undertone/undertone.sock""#,
        ),
        ("[controls]\nsocket = 1", "line 5, `controls`: there is no such key; did you mean `control`?"),
        (
            "[log]",
            "line 5, `log`: there is no such key; known here: media, control, storage, http, portal, sip, peer, group, route, did, user, user-group, queue, monitoring, recording, relay",
        ),
        (
            "[relay]\na = 1",
            "line 5, `relay`: expected [[relay]] sections, found a section; write [[relay]], in two brackets, above each",
        ),
        (
            "path = \"native\"",
            "line 5: \"path = \\\"native\\\"\" is no TOML: duplicate key; write `key = value` lines below `[section]` headings, texts in double quotes",
        ),
        (
            "groups = ",
            "line 5: \"groups =\" is no TOML: string values must be quoted, expected literal string; write `key = value` lines below `[section]` headings, texts in double quotes",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(problems(&format!("{MEDIA}{text}\n")), expected);
    }
}

#[test]
fn wrong_relays_are_told_with_line_and_key() {
    let like = r#"write it like "192.0.2.10:4000" or "[2001:db8::10]:4000""#;
    let good_a = r#"a = { local = "10.0.0.1:20000", peer = "10.9.0.1:4000" }"#;
    let good_b = r#"b = { local = "10.0.0.1:20002", peer = "10.9.0.2:4000" }"#;
    let table = [
        (
            "a = { local = \"10.0.0.1\", peer = \"10.9.0.1:4000\" }",
            good_b,
            format!(r#"line 6, `relay.a.local`: expected an IP address and a port, found "10.0.0.1"; {like}"#),
        ),
        (
            "a = { local = \"10.0.0.1:20000\", peer = \"10.9.0.1:0\" }",
            good_b,
            format!(r#"line 6, `relay.a.peer`: expected the address of one host, and a port other than 0, found "10.9.0.1:0"; {like}"#),
        ),
        (
            "a = { local = \"10.0.0.2:20000\", peer = \"10.9.0.1:4000\" }",
            good_b,
            "line 6, `relay.a.local`: 10.0.0.2 is not one of the media addresses; take one of 10.0.0.1, fd00::1, or list it there".into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:30000\", peer = \"10.9.0.2:4000\" }",
            "line 7, `relay.b.local`: port 30000 is outside the media ports 20000-20099; take a port inside, or widen `media.ports`".into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20000\", peer = \"10.9.0.2:4000\" }",
            "line 7, `relay.b.local`: media port 10.0.0.1:20000 is used twice: here, and on line 6 by `relay.a.local`; every end of a relay needs a media port of its own (with `rtcp`, two)".into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\", peer = \"[fd00::7]:4000\" }",
            "line 7, `relay.b.peer`: [fd00::7]:4000 cannot talk to 10.0.0.1:20002: one is IPv4, the other IPv6; give both ends of a party the same IP version; `a` and `b` may differ".into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\", peer = \"10.0.0.1:20004\" }",
            "line 7, `relay.b.peer`: 10.0.0.1:20004 is one of this node's own media ports: packets would go in circles; name the address of another host".into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\", peer = \"10.9.0.2:4000\", learn = \"any\" }",
            r#"line 7, `relay.b.learn`: expected a learning policy, found "any"; it is "strict", "same-host" or "latch""#.into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\", peer = \"10.9.0.2:4000\", dscp = 64 }",
            r#"line 7, `relay.b.dscp`: expected a code point from 0 to 63, or a name such as "ef", "af41" or "cs3", found 64; leave the key out to keep each packet's own"#.into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\", peer = \"10.9.0.2:4000\", copies = [\"10.9.0.9:1\", \"10.9.0.9:1\"] }",
            "line 7, `relay.b.copies`: 10.9.0.9:1 stands here twice; remove one".into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\" }",
            r#"line 7, `relay.b.peer`: this is missing; write for example peer = "198.51.100.7:4000""#.into(),
        ),
        (
            good_a,
            "",
            r#"line 5, `relay.b`: this is missing; write for example b = { local = "192.0.2.10:20000", peer = "198.51.100.7:4000" }"#.into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\", peer = \"10.9.0.2:4000\" }\nclock = 8001",
            "line 8, `relay.clock`: expected the clock rate of an RTP payload, in hertz, found 8001; it is one of 8000, 11025, 16000, 22050, 32000, 44100, 48000, 90000".into(),
        ),
        (
            good_a,
            "b = { local = \"10.0.0.1:20002\", peer = \"10.9.0.2:4000\" }\nkind = \"srtp\"",
            r#"line 8, `relay.kind`: expected a kind of media, found "srtp"; it is "rtp", "rtp-mux", "rtcp", "dtls-srtp" or "datagrams""#.into(),
        ),
    ];
    for (a, b, expected) in table {
        assert_eq!(problems(&format!("{MEDIA}[[relay]]\n{a}\n{b}\n")), expected);
    }
}

#[test]
fn rtcp_takes_the_next_port_of_each_end() {
    let relay = |local: &str, more: &str| {
        format!(
            "[[relay]]\n{more}\na = {{ local = \"10.0.0.1:{local}\", peer = \"10.9.0.1:65535\" }}\n\
             b = {{ local = \"[fd00::1]:20002\", peer = \"[fd00::9]:4000\" }}\n"
        )
    };
    let table = [
        (
            relay("20001", "rtcp = true"),
            "line 7, `relay.a.local`: port 20001 leaves no room for RTCP on the next port, which is odd and a media port too; take an even port with the next one free",
        ),
        (relay("20000", "rtcp = true"), "line 7, `relay.a.peer`: there is no next port for RTCP; leave `rtcp` out"),
        (
            relay("20000", "rtcp = true\nkind = \"rtp-mux\""),
            "line 6, `relay.rtcp`: only a relay of kind \"rtp\" has RTCP on the next ports; leave `rtcp` out: \"rtp-mux\" carries RTCP on the same port",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(problems(&format!("{MEDIA}{text}")), expected);
    }
    let pair = |first: u16| {
        format!(
            "[[relay]]\nrtcp = true\na = {{ local = \"10.0.0.1:{first}\", peer = \"10.9.0.1:4000\" }}\n\
             b = {{ local = \"10.0.0.1:{}\", peer = \"10.9.0.2:4000\" }}\n",
            first + 2
        )
    };
    let overlap = format!("{MEDIA}{}{}", pair(20_000), pair(20_002));
    assert!(problems(&overlap).contains("media port 10.0.0.1:20003 is used twice"), "{}", problems(&overlap));
    let config = Config::parse(&format!("{MEDIA}{}{}", pair(20_000), pair(20_004))).expect("four pairs apart");
    assert_eq!(config.relays.len(), 4);
}

#[test]
fn a_stream_has_a_bounded_number_of_copies() {
    let copies: Vec<_> = (1..=9).map(|port| format!("\"10.9.0.9:{port}\"")).collect();
    let text = |count: usize| {
        format!(
            "{MEDIA}[[relay]]\na = {{ local = \"10.0.0.1:20000\", peer = \"10.9.0.1:4000\", copies = [{}] }}\n\
             b = {{ local = \"10.0.0.1:20002\", peer = \"10.9.0.2:4000\" }}\n",
            copies[..count].join(", ")
        )
    };
    assert_eq!(Config::parse(&text(8)).expect("eight").relays[0].from_a.copies.len(), 8);
    assert_eq!(problems(&text(9)), "line 6, `relay.a.copies`: 9 copies, and a stream has at most 8; remove some");
}

#[test]
fn every_problem_is_told_at_once() {
    let text =
        "[media]\naddresses = [\"nowhere\"]\nports = \"all\"\ngroups = 0\nspeed = 9\n[[relay]]\nkind = \"tcp\"\n";
    let keys: Vec<_> =
        Config::parse(text).expect_err("all wrong").problems.into_iter().map(|it| (it.line, it.key)).collect();
    let keys: Vec<_> = keys.iter().map(|(line, key)| (*line, key.as_str())).collect();
    let expected = [
        (1, "media.interfaces"),
        (2, "media.addresses"),
        (3, "media.ports"),
        (4, "media.groups"),
        (5, "media.speed"),
        (6, "relay.a"),
        (6, "relay.b"),
        (7, "relay.kind"),
    ];
    assert_eq!(keys, expected);
}

#[test]
fn what_only_a_restart_changes_is_told() {
    let running = Config::parse(MEDIA).expect("a configuration");
    let new = MEDIA.replace("20099", "20199").replace(", \"fd00::1\"", "");
    let new = Config::parse(&format!("{new}groups = 7\n")).expect("a configuration");
    let keys: Vec<_> = new.needs_restart(&running).into_iter().map(|it| (it.line, it.key)).collect();
    let expected = [(2, "media.addresses"), (3, "media.ports"), (5, "media.groups")];
    assert_eq!(keys, expected.map(|(line, key)| (line, key.to_owned())));
    assert_eq!(running.needs_restart(&running), []);
}

#[test]
fn many_problems_are_told_in_a_bounded_message() {
    let keys: Vec<_> = (0..100).map(|number| format!("key-{number} = 1")).collect();
    let text = keys.join("\n");
    let shown = problems(&text);
    assert_eq!(shown.lines().count(), 21);
    assert!(shown.ends_with("and 81 more"), "{shown}");
}

#[test]
fn long_and_unprintable_values_are_quoted_in_short() {
    let text = MEDIA.replace("20000-20099", &format!("\\u0007{}", "x".repeat(100)));
    let expected = format!("\"\\u{{7}}{}…\"", "x".repeat(47));
    assert!(problems(&text).contains(&expected), "{}", problems(&text));
}

#[test]
fn a_huge_file_is_refused_in_no_time() {
    let addresses: Vec<_> = (0..20_000).map(|number| format!("\"fd00::{number:x}\"")).collect();
    let relay = "[[relay]]\na = { local = \"10.0.0.1:1\", peer = \"10.9.0.1:1\" }\n";
    let text = format!(
        "[media]\naddresses = [{}]\nports = \"20000-20099\"\npath = \"io-uring\"\n{}",
        addresses.join(", "),
        relay.repeat(20_000)
    );
    let error = Config::parse(&text).expect_err("far too much");
    let expected =
        "line 2, `media.addresses`: 20000 media addresses, and a node has at most 16; give the rest to another node";
    assert_eq!(error.problems[0].to_string(), expected);
}

#[test]
fn no_depth_of_nesting_breaks_the_reader() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("media = {}{}", open.repeat(100_000), close.repeat(100_000));
        assert!(Config::parse(&text).is_err());
    }
    assert!(Config::parse(&format!("{} = 1", vec!["a"; 100_000].join("."))).is_err());
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = Config::parse(&text);
    }

    #[test]
    fn no_change_of_the_example_panics(at in any::<prop::sample::Index>(), length in 0_usize..20, new in ".{0,8}") {
        let start = EXAMPLE.floor_char_boundary(at.index(EXAMPLE.len()));
        let end = EXAMPLE.floor_char_boundary((start + length).min(EXAMPLE.len()));
        let text = [&EXAMPLE[..start], &new, &EXAMPLE[end..]].concat();
        if let Err(error) = Config::parse(&text) {
            prop_assert!(!error.problems.is_empty());
            prop_assert!(error.problems.iter().all(|problem| problem.line <= text.lines().count().max(1)));
        }
    }
}

#[test]
fn ports_of_supervisors_lie_beside_the_media_ports() {
    let config = |ports: &str, more: &str| {
        let text = format!("[media]\naddresses = [\"10.0.0.1\"]\nports = \"{ports}\"\npath = \"io-uring\"\n{more}");
        Config::parse(&text).expect("a configuration").media.monitor_ports()
    };
    assert_eq!(config("20000-39999", ""), (40_000, 49_999));
    assert_eq!(config("40000-65535", ""), (30_000, 39_999));
    assert_eq!(config("20000-39999", "[media.mixer]\nports = \"50000-50999\""), (50_000, 50_999));
}
