//! Who a party is, table by table.

use super::*;
use crate::{
    directory::{Directory, Queue, User},
    sip::message::Message,
};

/// A user at 104, and a queue at 800; 200 to 299 can be dialled from outside, and 800.
fn trunks() -> Trunks {
    let bob = User {
        name: "bob".into(),
        extensions: vec!["104".into()],
        display_name: Some("Bob".into()),
        ..User::default()
    };
    let queue = Queue { name: "sales".into(), extensions: vec!["800".into()], ..Queue::default() };
    let range = |first, last, extension| DidRange::new(first, last, extension).expect("a range");
    Trunks {
        dids: DidTable::new(vec![
            range("+4930123200", "+4930123299", "200"),
            range("+4930123000", "+4930123000", "800"),
        ]),
        directory: Directory::new(vec![bob], Vec::new(), vec![queue]),
        ..Trunks::default()
    }
}

/// A peer of ours with these sources, for who calls and who is called.
fn pbx(sources: &[Source]) -> Peer {
    let mut peer = Peer::new("pbx", Side::OnNet, ([203, 0, 113, 1], 5060).into());
    (peer.identity.caller, peer.identity.callee) = (sources.to_vec(), sources.to_vec());
    peer
}

/// The INVITE of `From: "Ann" <sip:100@a>` to 300, with more headers.
fn invite(headers: &[u8]) -> Request {
    let from = if headers.windows(6).any(|it| it == b"From: ") { "" } else { "From: \"Ann\" <sip:100@a>;tag=a\r\n" };
    let front = format!(
        "INVITE sip:300@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\n{from}\
         To: <sip:300@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:contact@a>\r\n"
    );
    let text = [front.as_bytes(), headers, b"\r\nContent-Length: 0\r\n\r\n"].concat();
    match Message::parse(&text) {
        Ok(Message::Request(request)) => request,
        other => panic!("a request, not {other:?}: {}", text.escape_ascii()),
    }
}

fn ok(headers: &[u8]) -> Response {
    let front = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\nFrom: <sip:100@a>;tag=a\r\n\
                 To: <sip:300@b>;tag=b\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:contact@b>\r\n";
    let text = [front.as_bytes(), headers, b"\r\nContent-Length: 0\r\n\r\n"].concat();
    match Message::parse(&text) {
        Ok(Message::Response(response)) => response,
        other => panic!("a response, not {other:?}: {}", text.escape_ascii()),
    }
}

fn named(source: Option<Source>) -> String {
    source.map(|source| source.to_string()).unwrap_or_default()
}

/// Who calls, by an INVITE with these headers: number, name, extension and source.
fn caller(headers: &[u8], peer: &Peer) -> Option<(String, String, String, String)> {
    let party = read(Told::Request(&invite(headers)), About::Caller, peer, &trunks(), None)?;
    Some((party.number, party.name, party.extension, named(party.source)))
}

fn number(headers: &[u8], source: &Source) -> Option<String> {
    caller(headers, &pbx(std::slice::from_ref(source))).map(|(number, ..)| number)
}

#[test]
fn the_asserted_identity_is_read_however_it_is_written() {
    let table: &[(&[u8], Option<&str>)] = &[
        (b"P-Asserted-Identity: <sip:104@a>", Some("104")),
        (b"P-Asserted-Identity: \"Bob, \\\"the\\\" <Builder>\" <sip:104@a;user=phone>", Some("104")),
        (b"p-asserted-identity: tel:+49-30-123-104", Some("+4930123104")),
        (b"P-Asserted-Identity: <sip:+4930@a>, <tel:+4931>", Some("+4930")),
        (b"P-Asserted-Identity: <tel:+4931>\r\nP-Asserted-Identity: <sip:+4930@a>", Some("+4931")),
        (b"P-Asserted-Identity: <sip:anonymous@anonymous.invalid>, <tel:+4931>", Some("+4931")),
        (b"P-Asserted-Identity: junk, <sip:104@a>", Some("104")),
        (b"P-Asserted-Identity: J\xc3\xb6rg <sip:104;phone-context=+49@a>", Some("104")),
        (b"P-Asserted-Identity: \"no end <sip:104@a>", None),
        (b"P-Asserted-Identity:", None),
        (b"P-Asserted-Identity: <sip:a.example>", None),
        (b"P-Preferred-Identity: <sip:104@a>", None),
        (b"X: y", None),
    ];
    for (headers, expected) in table {
        assert_eq!(number(headers, &Source::AssertedIdentity).as_deref(), *expected, "{}", headers.escape_ascii());
    }
    let both = caller(b"P-Asserted-Identity: <sip:104@a>, \"Bob B.\" <tel:+4930>", &pbx(&[Source::AssertedIdentity]));
    assert_eq!(both.map(|(.., name, _, _)| name).as_deref(), Some("Bob B."), "the name may stand at either");
}

#[test]
fn the_remote_party_is_the_one_that_sends_it() {
    let calling = |headers: &[u8]| number(headers, &Source::RemotePartyId);
    let table: &[(&[u8], Option<&str>)] = &[
        (b"Remote-Party-ID: <sip:104@a>;party=calling;screen=yes;privacy=off", Some("104")),
        (b"Remote-Party-ID: <sip:104@a>", Some("104")),
        (b"Remote-Party-ID: <sip:104@a>;party=called", None),
        (b"Remote-Party-ID: <sip:1@a>;party=called, <sip:104@a>;PARTY=\"calling\"", Some("104")),
        (b"Remote-Party-ID: <sip:1@a>;screen=no\r\nRemote-Party-ID: <sip:104@a>;screen=yes", Some("104")),
        (b"Remote-Party-ID: <sip:1@a>;screen=no", Some("1")),
    ];
    for (headers, expected) in table {
        assert_eq!(calling(headers).as_deref(), *expected, "{}", headers.escape_ascii());
    }
    let peer = pbx(&[Source::RemotePartyId]);
    let called = |headers: &[u8]| {
        let about = About::Sender { role: Role::Callee, known: "300" };
        read(Told::Response(&ok(headers)), about, &peer, &trunks(), None).map(|party| party.number)
    };
    assert_eq!(called(b"Remote-Party-ID: <sip:104@a>;party=called").as_deref(), Some("104"));
    assert_eq!(called(b"Remote-Party-ID: <sip:104@a>;party=calling"), None);
}

#[test]
fn every_other_source_is_read_where_it_stands() {
    let x = Source::Header("X-Agent".into());
    let table: &[(&Source, &[u8], Option<&str>)] = &[
        (&Source::From, b"X: y", Some("100")),
        (&Source::Contact, b"X: y", Some("contact")),
        (&Source::Diversion, b"Diversion: <sip:104@a>;reason=no-answer, <sip:1@a>", Some("104")),
        (&Source::Diversion, b"X: y", None),
        (&x, b"X-Agent: 104", Some("104")),
        (&x, b"x-agent: 1-0-4 ;x=y", Some("104")),
        (&x, b"X-Agent: \"Bob\" <sip:104@a>", Some("104")),
        (&x, b"X-Agent:", None),
        (&x, b"X: y", None),
        (&Source::Did, b"P-Asserted-Identity: <tel:+4930123204>", Some("+4930123204")),
        (&Source::Did, b"From: <sip:4930123204@a>;tag=a", Some("4930123204")),
        (&Source::Did, b"X: y", None),
        (&Source::To, b"X: y", None),
        (&Source::RequestUri, b"X: y", None),
    ];
    for (source, headers, expected) in table {
        assert_eq!(number(headers, source).as_deref(), *expected, "{source}: {}", headers.escape_ascii());
    }
}

#[test]
fn who_is_called_is_whom_the_call_is_for() {
    let callee = |peer: &Peer, dialled: &str, number: &str| {
        let headers =
            b"P-Asserted-Identity: <sip:1@a>\r\nRemote-Party-ID: <sip:2@a>\r\nDiversion: <sip:3@a>\r\nX-Agent: 4";
        let about = About::Callee { dialled, number };
        let party = read(Told::Request(&invite(headers)), about, peer, &trunks(), None).expect("somebody");
        [party.number, party.extension, party.name, party.user, named(party.source)]
    };
    let peer = Peer { identity: Rules::of(Side::OnNet), ..pbx(&[]) };
    assert_eq!(callee(&peer, "+49 30 123-204", "9204"), ["+4930123204", "204", "", "", "did"]);
    assert_eq!(callee(&peer, "9999", "+4930123000"), ["+4930123000", "800", "", "", "did"], "a queue");
    assert_eq!(callee(&peer, "104", "104"), ["104", "104", "Bob", "bob", "request-uri"]);
    assert_eq!(callee(&pbx(&[Source::To]), "104", "104"), ["300", "300", "", "", "to"]);
    let carrier = Peer { side: Side::OffNet, identity: Rules::of(Side::OffNet), ..pbx(&[]) };
    assert_eq!(callee(&carrier, "0104", "104"), ["104", "", "", "", "request-uri"], "others have no extensions");
}

#[test]
fn the_first_source_that_says_something_is_taken() {
    let peer = pbx(&[Source::AssertedIdentity, Source::RemotePartyId, Source::From]);
    let source = |headers: &[u8]| caller(headers, &peer).map(|(.., source)| source).unwrap_or_default();
    assert_eq!(source(b"Remote-Party-ID: <sip:2@a>\r\nP-Asserted-Identity: <sip:1@a>"), "p-asserted-identity");
    assert_eq!(source(b"Remote-Party-ID: <sip:2@a>\r\nP-Asserted-Identity: nobody"), "remote-party-id");
    assert_eq!(source(b"X: y"), "from");
    assert_eq!(source(b"From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=a"), "from", "better than nobody");
    let behind = pbx(&[Source::From, Source::AssertedIdentity]);
    let found = caller(b"From: <sip:anonymous@a>;tag=a\r\nP-Asserted-Identity: <sip:104@a>", &behind);
    assert_eq!(found.map(|(number, .., source)| (number, source)), Some(("104".into(), "p-asserted-identity".into())));
}

#[test]
fn a_number_becomes_an_extension_by_the_rule_the_table_or_as_it_is() {
    let with = |rule: Option<Rule>| {
        let mut peer = pbx(&[Source::AssertedIdentity]);
        peer.identity.extension = rule;
        peer
    };
    let expression = || Rule::expression(r"\+4930123(\d{3})").ok();
    let prefix = || Some(Rule::Prefix("+4930123".into()));
    let table = [
        (None, "+4930123104", "+4930123104"),
        (None, "+4930123204", "204"),
        (None, "104", "104"),
        (expression(), "+49-30-123-104", "104"),
        (expression(), "+493012310", ""),
        (expression(), "104", "104"),
        (expression(), "105", ""),
        (prefix(), "+4930123104", "104"),
        (prefix(), "+4930123", ""),
        (prefix(), "4930123204", "204"),
    ];
    for (rule, number, extension) in table {
        let peer = with(rule);
        let headers = format!("P-Asserted-Identity: <sip:{number}@a>");
        let found = caller(headers.as_bytes(), &peer).map(|(.., extension, _)| extension);
        assert_eq!(found.as_deref(), Some(extension), "{number} by {:?}", peer.identity.extension);
    }
    let headers = b"P-Asserted-Identity: <sip:+4930123104@a>";
    let named = caller(headers, &with(expression())).map(|(_, name, ..)| name);
    assert_eq!(named.as_deref(), Some("Bob"), "the user's name, where there is no other");
    let mut carrier = Peer { side: Side::OffNet, ..with(None) };
    let extension = |peer: &Peer| caller(b"P-Asserted-Identity: <sip:+4930123204@a>", peer).map(|(.., it, _)| it);
    assert_eq!(extension(&carrier).as_deref(), Some(""), "one that only says that it is ours");
    carrier.identity.extension = prefix();
    assert_eq!(extension(&carrier).as_deref(), Some("204"), "unless the operator says so");
}

#[test]
fn what_is_to_be_kept_private_is_marked() {
    let peer = pbx(&[Source::AssertedIdentity, Source::RemotePartyId, Source::From]);
    let table: &[(&[u8], bool)] = &[
        (b"P-Asserted-Identity: <sip:104@a>\r\nPrivacy: id", true),
        (b"P-Asserted-Identity: <sip:104@a>\r\nPrivacy: session; USER ;critical", true),
        (b"P-Asserted-Identity: <sip:104@a>\r\nPrivacy: none", false),
        (b"P-Asserted-Identity: <sip:104@a>\r\nPrivacy: idle", false),
        (b"Remote-Party-ID: <sip:104@a>;privacy=full", true),
        (b"Remote-Party-ID: <sip:104@a>;privacy=off", false),
        (b"From: <sip:anonymous@anonymous.invalid>;tag=a", true),
        (b"X: y", false),
    ];
    for (headers, is_private) in table {
        let party = read(Told::Request(&invite(headers)), About::Caller, &peer, &trunks(), None).expect("somebody");
        assert_eq!(party.is_private, *is_private, "{}", headers.escape_ascii());
    }
}

#[test]
fn within_a_call_only_a_better_source_or_a_changed_from_says_more() {
    let peer = pbx(&[Source::AssertedIdentity, Source::From, Source::Contact]);
    let trunks = trunks();
    let current =
        |source: &str| PartyName { number: "1".into(), source: Source::from_name(source), ..PartyName::default() };
    let sender = |headers: &[u8], known: &str, source: &str| {
        let about = About::Sender { role: Role::Callee, known };
        read(Told::Request(&invite(headers)), about, &peer, &trunks, Some(&current(source)))
            .map(|party| named(party.source))
    };
    let asserted = b"P-Asserted-Identity: <sip:104@a>";
    assert_eq!(sender(asserted, "100", "p-asserted-identity").as_deref(), Some("p-asserted-identity"));
    assert_eq!(sender(asserted, "100", "from").as_deref(), Some("p-asserted-identity"));
    assert_eq!(sender(b"X: y", "100", "p-asserted-identity"), None, "From and Contact say nothing new");
    assert_eq!(sender(b"X: y", "300", "p-asserted-identity").as_deref(), Some("from"), "it has changed");
    assert_eq!(sender(b"X: y", "100", "request-uri").as_deref(), Some("contact"), "of no source of the list");
    assert_eq!(sender(b"From: <sip:anonymous@a>;tag=a", "300", "p-asserted-identity"), None, "less than is known");
}

#[test]
fn sources_have_the_names_that_they_are_found_by() {
    for role in [Role::Caller, Role::Callee] {
        for name in Source::names(role) {
            assert_eq!(Source::from_name(name).map(|source| source.to_string()).as_deref(), Some(name));
        }
        let usual = [Side::OnNet, Side::OffNet].map(Rules::of);
        let fits = |source: &Source| Source::names(role).any(|name| name == source.to_string());
        assert!(usual.iter().all(|rules| rules.sources(role).iter().all(fits)));
    }
    let header = Source::from_name("header:X-Agent");
    assert_eq!(header.as_ref().map(ToString::to_string).as_deref(), Some("header:X-Agent"));
    assert_eq!(["header:", "header:a b", "nobody", "From"].map(Source::from_name), [const { None }; 4]);
}

mod any {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_of_all_kinds_make_a_short_text_or_nobody(value in prop::collection::vec(any::<u8>(), 0..200)) {
            let value: Vec<u8> = value.into_iter().filter(|byte| !b"\r\n\0".contains(byte)).collect();
            for name in ["P-Asserted-Identity", "Remote-Party-ID", "Diversion", "Privacy", "X-Agent"] {
                let headers = [name.as_bytes(), b": ", &value].concat();
                let sources =
                    [Source::AssertedIdentity, Source::RemotePartyId, Source::Diversion, Source::Header("X-Agent".into())];
                let request = invite(&headers);
                if let Some(party) = read(Told::Request(&request), About::Caller, &pbx(&sources), &trunks(), None) {
                    for text in [&party.number, &party.name, &party.extension] {
                        prop_assert!(text.chars().count() <= 128 && !text.contains(char::is_control), "{text:?}");
                    }
                }
            }
        }
    }
}
