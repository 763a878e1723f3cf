//! What is told of a text that is wrong.

use super::*;

/// The problems of a text below `[sip]`, one a line.
pub(super) fn problems(text: &str) -> String {
    Config::parse(&format!("{FRONT}{text}")).expect_err(text).to_string()
}

pub(super) fn all_problems(text: &str, table: &[(&str, &str)]) {
    for (more, expected) in table {
        assert_eq!(problems(&format!("{text}{more}\n")), *expected, "{more}");
    }
}

#[test]
fn a_wrong_front_is_told_with_line_and_key() {
    let like = r#"write it like "udp:192.0.2.10:5060" or "tls:[2001:db8::10]:5061""#;
    let no_listener = |found: &str| {
        format!(
            "line 6, `sip.listen`: expected a transport, an IP address and a port, with colons between them, found {found}; {like}"
        )
    };
    all_problems(
        "",
        &[
            ("", r#"line 5, `sip.listen`: this is missing; write for example listen = ["udp:192.0.2.10:5060"]"#),
            (
                "listen = []",
                r#"line 6, `sip.listen`: this list is empty; write for example listen = ["udp:192.0.2.10:5060"]"#,
            ),
            (r#"listen = ["10.0.0.1:5060"]"#, &no_listener(r#""10.0.0.1:5060""#)),
            (r#"listen = ["sctp:10.0.0.1:5060"]"#, &no_listener(r#""sctp:10.0.0.1:5060""#)),
            (r#"listen = ["udp:10.0.0.1"]"#, &no_listener(r#""udp:10.0.0.1""#)),
            (
                r#"listen = ["udp:0.0.0.0:5060"]"#,
                &format!(
                    r#"line 6, `sip.listen`: expected an address that this host has and others can reach, and a port other than 0, found "udp:0.0.0.0:5060"; {like}"#
                ),
            ),
            (
                "listen = [\"udp:10.0.0.1:5060\",\n\"udp:10.0.0.1:5060\"]",
                "line 7, `sip.listen`: udp:10.0.0.1:5060 stands here twice, first on line 6; remove one",
            ),
            (
                "listen = [\"tcp:10.0.0.1:5060\",\n\"tls:10.0.0.1:5060\"]\ntls = { certificate = \"/a\", key = \"/b\" }",
                "line 7, `sip.listen`: tls:10.0.0.1:5060 has the port of tcp:10.0.0.1:5060, and both are TCP ports; give one of them another port; TLS has 5061",
            ),
            (
                r#"listen = ["udp:10.0.0.1:20098"]"#,
                "line 6, `sip.listen`: port 20098 is one of the media ports 20000-20099 of 10.0.0.1; take one outside: 5060 is what others expect",
            ),
            (
                r#"listen = ["tls:10.0.0.1:5061"]"#,
                r#"line 5, `sip.tls`: this is missing; write for example [sip.tls] with certificate = "/etc/undertone/tls.pem" and key = "/etc/undertone/tls.key" below: `listen` has tls"#,
            ),
        ],
    );
    all_problems(
        LISTEN,
        &[
            (
                "ring = 180",
                "line 7, `sip.ring`: expected a number from 181 to 3600, found 180; write it in digits, without quotes",
            ),
            (
                "calls = 0",
                "line 7, `sip.calls`: expected a number from 1 to 1000000, found 0; write it in digits, without quotes",
            ),
            (
                "media-timeout = \"5m\"",
                "line 7, `sip.media-timeout`: expected a number from 0 to 86400, found \"5m\"; write it in digits, without quotes",
            ),
            ("media_timeout = 5", "line 7, `sip.media_timeout`: there is no such key; did you mean `media-timeout`?"),
            (
                "tls = { certificate = \"tls.pem\", key = \"/b\" }",
                r#"line 7, `sip.tls.certificate`: expected the path of a file, from / on, found "tls.pem"; write it like "/etc/undertone/tls.pem""#,
            ),
            (
                "[sip.tls]\ncertificate = \"/a\"",
                r#"line 7, `sip.tls.key`: this is missing; write for example key = "/etc/undertone/tls.key""#,
            ),
        ],
    );
    let elsewhere = FRONT.to_owned() + "listen = [\"udp:10.0.0.2:20098\"]\n";
    assert!(Config::parse(&elsewhere).is_ok(), "not a media address");
}

#[test]
fn peers_groups_and_routes_need_the_section() {
    let text = FRONT.replace("[sip]\n", "");
    let text = format!("{text}{CARRIER}{PBX}[[group]]\nname = \"all\"\npeers = [\"pbx\"]\n[[route]]\nto = \"all\"\n");
    let way_out = r#"write [sip] with listen = ["udp:192.0.2.10:5060"] below it, or remove them"#;
    let expected = [(5, "peer"), (13, "group"), (16, "route")].map(|(line, key)| {
        format!(
            "line {line}, `{key}`: there are [[{key}]] sections and no [sip] section, so nobody answers SIP; {way_out}"
        )
    });
    assert_eq!(Config::parse(&text).expect_err("no section").to_string(), expected.join("\n"));
}

#[test]
fn wrong_peers_are_told_with_line_and_key() {
    let numbers = "write it in digits, without quotes";
    let text = format!("{LISTEN}{CARRIER}");
    all_problems(
        &text,
        &[
            (
                "transport = \"sctp\"",
                r#"line 11, `peer.transport`: expected a transport, found "sctp"; it is "udp", "tcp" or "tls""#,
            ),
            (
                "target = \"10.0.0.1\"",
                "line 11, `peer.target`: 10.0.0.1:5060 is this node itself, in `sip.listen`: requests would go in circles; name the address of another host",
            ),
            (
                "certificate = \"pbx.example\"",
                r#"line 11, `peer.certificate`: a peer that is reached over udp shows no certificate; write transport = "tls" as well, or remove it"#,
            ),
            (
                "certificate = \"*.example\"",
                r#"line 11, `peer.certificate`: expected a host name as certificates have it, found "*.example"; write it like "sip.carrier.example", or leave the key out"#,
            ),
            (
                "transport = \"tls\"",
                r#"line 7, `peer.listen`: nothing in `sip.listen` is tls over IPv4, to reach 10.9.0.1:5061; add an address of this host there, like "tls:192.0.2.10:5061""#,
            ),
            (
                "transport = \"tcp\"\ntarget = \"fd00::7\"",
                r#"line 7, `peer.listen`: nothing in `sip.listen` is tcp over IPv6, to reach [fd00::7]:5060; add an address of this host there, like "tcp:[2001:db8::10]:5060""#,
            ),
            (
                "listen = \"udp:10.0.0.1:5080\"",
                "line 11, `peer.listen`: udp:10.0.0.1:5080 is not in `sip.listen`; take one of udp:10.0.0.1:5060, tcp:10.0.0.1:5060, udp:[fd00::1]:5060, or list it there",
            ),
            (
                "listen = \"tcp:10.0.0.1:5060\"",
                "line 11, `peer.listen`: tcp:10.0.0.1:5060 is not udp, which is this peer's transport; write transport = \"tcp\" as well, or take another listener",
            ),
            (
                "listen = \"udp:[fd00::1]:5060\"",
                "line 11, `peer.listen`: 10.9.0.1:5060 cannot be reached from udp:[fd00::1]:5060: one is IPv4, the other IPv6; take a listener of the target's IP version",
            ),
            (
                "media = \"10.0.0.2\"",
                "line 11, `peer.media`: 10.0.0.2 is not one of the media addresses; take one of 10.0.0.1, fd00::1, or list it in `media.addresses`",
            ),
            (
                "learn = \"any\"",
                r#"line 11, `peer.learn`: expected a learning policy, found "any"; it is "strict", "same-host" or "latch""#,
            ),
            ("codecs = []", "line 11, `peer.codecs`: this list is empty; leave the key out to let every codec pass"),
            (
                "codecs = [\"PCMA/8000\"]",
                r#"line 11, `peer.codecs`: expected the name of a codec as SDP has it, without its clock rate, found "PCMA/8000"; write it like "PCMA" or "opus""#,
            ),
            ("calls = 0", &format!("line 11, `peer.calls`: expected a number from 1 to 1000000, found 0; {numbers}")),
            (
                "calls-per-second = 0",
                &format!("line 11, `peer.calls-per-second`: expected a number from 1 to 100000, found 0; {numbers}"),
            ),
            (
                "options = 3601",
                &format!("line 11, `peer.options`: expected a number from 0 to 3600, found 3601; {numbers}"),
            ),
            ("call = 3", "line 11, `peer.call`: there is no such key; did you mean `calls`?"),
            (
                &PBX.replace("pbx", "carrier"),
                "line 12, `peer.name`: \"carrier\" is the name of a peer already, on line 8; each peer and each group needs a name of its own",
            ),
            (
                &PBX.replace("pbx", "call centre"),
                r#"line 12, `peer.name`: expected a name of at most 40 characters: a to z, A to Z, digits, `-`, `_` and `.`, found "call centre"; write it like "carrier-2""#,
            ),
            (
                &PBX.replace("10.9.0.2", "10.9.0.3\", \"10.9.0.1"),
                "line 14, `peer.addresses`: 10.9.0.1 over udp is a peer's already, on line 10; where a message comes from says whose it is: remove one, or give it another transport",
            ),
        ],
    );
    all_problems(
        LISTEN,
        &[(
            "[[peer]]",
            "line 7, `peer.addresses`: this is missing; write for example addresses = [\"198.51.100.1\"]\n\
             line 7, `peer.name`: this is missing; write for example name = \"carrier\"\n\
             line 7, `peer.side`: this is missing; write for example side = \"off-net\", or \"on-net\" for a PBX of your own",
        )],
    );
    let same_address = PBX.replace("10.9.0.2", "10.9.0.1") + "transport = \"tcp\"\n";
    assert_eq!(sip(&format!("{CARRIER}{same_address}")).trunks.peers.len(), 2, "told apart by their transport");
}

#[test]
fn a_peer_needs_a_media_address_of_its_ip_version() {
    let text = format!("{FRONT}{LISTEN}{CARRIER}target = \"fd00::7\"\n").replace(", \"fd00::1\"]\nports", "]\nports");
    let expected = "line 7, `peer.media`: there is no media address of IPv6, which this peer is reached over; add one to `media.addresses`, or take one of 10.0.0.1 here";
    assert_eq!(Config::parse(&text).expect_err("no address").to_string(), expected);
    assert_eq!(
        only_way(&Config::parse(&(text + "media = \"10.0.0.1\"\n")).expect("named").sip.expect("SIP").trunks.peers[0])
            .1,
        0
    );
}

#[test]
fn wrong_groups_are_told_with_line_and_key() {
    let text = format!("{LISTEN}{CARRIER}{PBX}[[group]]\nname = \"all\"\n");
    let numbers = "write it in digits, without quotes";
    all_problems(
        &text,
        &[
            (
                "",
                r#"line 15, `group.peers`: this is missing; write for example peers = ["carrier", "carrier-2"], the one to try first in front"#,
            ),
            (
                "peers = []",
                r#"line 17, `group.peers`: this list is empty; write for example peers = ["carrier", "carrier-2"], the one to try first in front"#,
            ),
            (
                "peers = [\"pbx\",\n\"carier\"]",
                r#"line 18, `group.peers`: there is no peer "carier"; did you mean "carrier"?"#,
            ),
            (
                "peers = [\"elsewhere\"]",
                r#"line 17, `group.peers`: there is no peer "elsewhere"; known here: carrier, pbx"#,
            ),
            (
                "peers = [\"all\"]",
                r#"line 17, `group.peers`: "all" is a group, on line 16, and only peers can stand here; write the names of its peers"#,
            ),
            (
                "peers = [\"pbx\", \"pbx\"]",
                "line 17, `group.peers`: this peer stands here twice; remove one, or add up their weights",
            ),
            (
                "peers = [\"pbx\", { peer = \"carrier\" }]",
                "line 17, `group.peers`: some of these peers have a priority, and some their place in the list; write all as names, or all as { peer = …, priority = … }",
            ),
            (
                "peers = [{ weight = 1 }]",
                r#"line 17, `group.peers.peer`: this is missing; write for example peer = "carrier""#,
            ),
            (
                "peers = [{ peer = \"pbx\", weight = 0 }]",
                &format!("line 17, `group.peers.weight`: expected a number from 1 to 65535, found 0; {numbers}"),
            ),
            (
                "peers = [{ peer = \"pbx\", priority = 65536 }]",
                &format!("line 17, `group.peers.priority`: expected a number from 0 to 65535, found 65536; {numbers}"),
            ),
            (
                "peers = [\"pbx\"]\n[[group]]\nname = \"pbx\"\npeers = [\"pbx\"]",
                r#"line 19, `group.name`: "pbx" is the name of a peer already, on line 12; each peer and each group needs a name of its own"#,
            ),
        ],
    );
}

#[test]
fn wrong_routes_are_told_with_line_and_key() {
    let text = format!("{LISTEN}{CARRIER}{PBX}[[route]]\nto = \"pbx\"\n");
    all_problems(
        &text,
        &[
            ("from = []", "line 17, `route.from`: this list is empty; leave the key out to take calls of all peers"),
            ("from = [\"pxb\"]", r#"line 17, `route.from`: there is no peer "pxb"; did you mean "pbx"?"#),
            (
                "prefix = \"\"",
                r#"line 17, `route.prefix`: expected 1 to 64 characters without spaces, in quotes, found ""; write it like "+49", or leave the key out"#,
            ),
            (
                "prefix = \"1\"\nnumber = '1.*'",
                "line 18, `route.number`: a route takes numbers by `prefix` or by `number`, not by both; remove one: an expression can begin with the prefix",
            ),
            (
                "prefix = \"1\"\nreplace = \"$1\"",
                "line 18, `route.replace`: there is no `number` whose groups this could name; write one, like number = '00(.*)', or use `strip` and `prepend`",
            ),
            (
                "number = '(1'",
                r#"line 17, `route.number`: "(1" is no regular expression: found open group without closing ')'; write it in single quotes, like '00(\d+)'"#,
            ),
            (
                "number = '0(.*)'\nreplace = '$10'",
                r#"line 18, `route.replace`: "0(.*)" has no group "10"; groups are in ( ), the first is $1; in front of digits or letters it is ${1}"#,
            ),
            (
                "strip = 65",
                "line 17, `route.strip`: expected a number from 0 to 64, found 65; write it in digits, without quotes",
            ),
            (
                "[[route]]\nprefix = \"1\"",
                r#"line 17, `route.to`: this is missing; write for example to = "carriers", a group or a peer"#,
            ),
            (
                "[[route]]\nto = \"carriers\"",
                r#"line 18, `route.to`: there is no group or peer "carriers"; did you mean "carrier"?"#,
            ),
        ],
    );
    let alone = problems(&format!("{LISTEN}[[route]]\nto = \"pbx\"\n"));
    assert_eq!(
        alone,
        r#"line 8, `route.to`: there is no group or peer "pbx"; there is none yet: write a [[peer]] section with this name"#
    );
}

#[test]
fn every_problem_is_told_at_once_and_once() {
    let text = format!(
        "listen = [\"udp:10.0.0.1\"]\nring = 1\n{CARRIER}transport = \"tls\"\nlearn = 1\n\
         [[peer]]\nname = \"pbx\"\n[[group]]\nname = \"all\"\npeers = [\"pbx\", \"carriers\"]\n\
         [[route]]\nfrom = [\"pbx\"]\nnumber = '['\nto = \"none\"\n"
    );
    let error = Config::parse(&format!("{FRONT}{text}")).expect_err("all wrong");
    let keys: Vec<_> = error.problems.iter().map(|it| (it.line, it.key.as_str())).collect();
    let expected = [
        (6, "sip.listen"),
        (7, "sip.ring"),
        (13, "peer.learn"),
        (14, "peer.addresses"),
        (14, "peer.side"),
        (18, "group.peers"),
        (21, "route.number"),
        (22, "route.to"),
    ];
    assert_eq!(keys, expected, "{error}");
}

#[test]
fn a_huge_file_is_refused_in_no_time() {
    let peers: String = (0..20_000).map(|it| CARRIER.replace("carrier", &format!("carrier-{it}"))).collect();
    let names: String = (0..70_000).map(|it| format!("\"carier-{it}\", ")).collect();
    let group = format!("[[group]]\nname = \"all\"\npeers = [{names}]\n");
    let routes = "[[route]]\nfrom = [\"carier\"]\nnumber = '\\d{1,15}'\nto = \"al\"\n".repeat(20_000);
    let listen: String = (1..=20_000).map(|port| format!("\"udp:10.0.0.9:{port}\", ")).collect();
    let text = format!("{FRONT}listen = [{listen}]\n{peers}{group}{routes}");
    let error = Config::parse(&text).expect_err("far too much");
    assert_eq!(
        error.problems[0].to_string(),
        "line 6, `sip.listen`: 20000 SIP addresses, and a node has at most 64; give the rest to another node"
    );
    let told = |text: &str| error.problems.iter().any(|problem| problem.wrong == text);
    assert!(told("20000 peers, and a node has at most 1000") && told("20000 routes, and a node has at most 10000"));
}

#[test]
fn wrong_sources_of_identity_are_told_with_line_and_key() {
    let text = format!("{LISTEN}{CARRIER}");
    all_problems(
        &text,
        &[
            (
                "caller-identity = []",
                "line 11, `peer.caller-identity`: this list is empty; leave the key out to have the usual sources",
            ),
            (
                "caller-identity = [\"form\"]",
                r#"line 11, `peer.caller-identity`: expected a source that says who calls, found "form"; it is "p-asserted-identity", "remote-party-id", "from", "contact", "diversion", "did" or "header:X-Name""#,
            ),
            (
                "callee-identity = [\"diversion\"]",
                r#"line 11, `peer.callee-identity`: expected a source that says who is called, found "diversion"; it is "p-asserted-identity", "remote-party-id", "from", "to", "request-uri", "contact", "did" or "header:X-Name""#,
            ),
            (
                "caller-identity = [\"header:X Y\"]",
                r#"line 11, `peer.caller-identity`: expected a source that says who calls, found "header:X Y"; it is "p-asserted-identity", "remote-party-id", "from", "contact", "diversion", "did" or "header:X-Name""#,
            ),
            (
                "callee-identity = [\"to\",\n\"to\"]",
                r#"line 12, `peer.callee-identity`: "to" stands here twice; remove one"#,
            ),
            (
                "extension = '+49(.*'",
                r#"line 11, `peer.extension`: "+49(.*" is no regular expression: uncounted repetition operator must be applied to a sub-expression; write it in single quotes, like '00(\d+)'"#,
            ),
            (
                r"extension = '\+49.*'",
                r#"line 11, `peer.extension`: "\\+49.*" does not say which part of the number is the extension; put that part in ( ), like '\+4930123(\d+)'"#,
            ),
            (
                "extension-prefix = \"+49\"\nextension = '(.*)'",
                "line 12, `peer.extension`: an extension is found by `extension-prefix` or by `extension`, not by both; remove one: an expression can begin with the prefix",
            ),
            (
                "called-identity = [\"from\"]",
                "line 11, `peer.called-identity`: there is no such key; did you mean `callee-identity`?",
            ),
        ],
    );
}

#[test]
fn wrong_numbers_of_direct_inward_dialling_are_told_with_line_and_key() {
    let did = |number: &str, last: &str, extension: &str| {
        format!("[[did]]\nnumber = \"{number}\"\nlast = \"{last}\"\nextension = \"{extension}\"\n")
    };
    all_problems(
        LISTEN,
        &[
            (
                "[[did]]",
                "line 7, `did.extension`: this is missing; write for example extension = \"100\"\n\
                 line 7, `did.number`: this is missing; write for example number = \"+4930123100\"",
            ),
            (
                "[[did]]\nnumber = \"ann\"\nextension = \"100\"",
                r#"line 8, `did.number`: a number has 1 to 18 digits, with or without a + in front; write it like "+4930123100""#,
            ),
            (
                &did("+4930", "+493", "1"),
                r#"line 9, `did.last`: the last number has to be above the first, and as long; write for example number = "+4930123200" and last = "+4930123299""#,
            ),
            (
                &did("+4930", "+4939", "95"),
                "line 10, `did.extension`: there are not as many extensions of that length as there are numbers; write the extension of the first number in digits; those of the others follow, as long as that one",
            ),
            (
                &(did("+4930", "+4939", "10") + &did("+4935", "+4935", "77") + &did("4939", "+4941", "20")),
                "line 12, `did.number`: there are numbers here that [[did]] on line 8 has already; a number is one extension: remove them here or there\n\
                 line 16, `did.number`: there are numbers here that [[did]] on line 8 has already; a number is one extension: remove them here or there",
            ),
            (
                &(did("+4930", "+4939", "1 0")),
                r#"line 10, `did.extension`: expected an extension of at most 32 characters, in quotes: digits, or letters and digits, found "1 0"; write it like "100""#,
            ),
        ],
    );
}

#[test]
fn wrong_users_are_told_with_line_and_key() {
    let text = format!("{LISTEN}[[user]]\nname = \"ann\"\nextensions = [\"100\"]\n");
    all_problems(
        &text,
        &[
            (
                "role = \"boss\"",
                r#"line 10, `user.role`: expected a role, found "boss"; it is "user", "call-center-supervisor", "office-manager", "site-manager", "administrator" or "auditor""#,
            ),
            (
                "display-name = \"\"",
                r#"line 10, `user.display-name`: expected a name of at most 80 characters, found ""; write it like "Ann Miller""#,
            ),
            ("extension = \"1\"", "line 10, `user.extension`: there is no such key; did you mean `extensions`?"),
            (
                "[[user]]\nname = \"ann\"\nextensions = [\"1-0.0\"]",
                "line 11, `user.name`: \"ann\" is the name of a user already, on line 8; each user, each group of users and each queue needs a name of its own\n\
                 line 12, `user.extensions`: 100 is the extension of a user already, on line 9; an extension is one's: remove it here or there",
            ),
            (
                "[[queue]]\nname = \"ann\"\nextensions = [\"100\"]\nagents = [\"ann\"]",
                "line 11, `queue.name`: \"ann\" is the name of a user already, on line 8; each user, each group of users and each queue needs a name of its own\n\
                 line 12, `queue.extensions`: 100 is the extension of a user already, on line 9; an extension is one's: remove it here or there",
            ),
            (
                "[[user]]",
                "line 10, `user.extensions`: this is missing; write for example extensions = [\"100\"]\n\
                 line 10, `user.name`: this is missing; write for example name = \"ann\"",
            ),
            (
                "[[user-group]]\nname = \"all\"\nmembers = [\"an\", \"ann\", \"ann\", \"all\"]",
                r#"line 12, `user-group.members`: "all" is a group of users, on line 11, and only users can stand here; write the names of users
line 12, `user-group.members`: "ann" stands here twice; remove one
line 12, `user-group.members`: there is no user "an"; did you mean "ann"?"#,
            ),
            (
                "[[queue]]\nname = \"sales\"\nagents = [\"sales\", \"bob\"]\nsupervisors = []",
                r#"line 12, `queue.agents`: "sales" is a queue, on line 11, and only users and groups of users can stand here; write the names of users
line 12, `queue.agents`: there is no user or group of users "bob"; known here: ann
line 13, `queue.supervisors`: this list is empty; leave the key out where nobody does"#,
            ),
        ],
    );
    let alone = problems(&format!("{LISTEN}[[queue]]\nname = \"sales\"\nagents = [\"ann\"]\n"));
    assert_eq!(
        alone,
        r#"line 9, `queue.agents`: there is no user or group of users "ann"; there is none yet: write a [[user]] section with this name"#
    );
    let text = FRONT.replace("[sip]\n", "") + "[[user]]\nname = \"ann\"\nextensions = [\"100\"]\n";
    let error = Config::parse(&text).expect_err("no SIP").to_string();
    assert!(error.starts_with("line 5, `user`: there are [[user]] sections and no [sip] section"), "{error}");
}
