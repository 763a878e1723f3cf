//! Who the parties are, as a call goes on.

use super::{
    calls::{call_up, from_pbx, within},
    *,
};
use crate::{
    call::{PartyName, Role},
    directory::{Directory, User},
    identity::{DidRange, DidTable, Rule, Source},
};

/// Agents at 104 and 105 of both PBXs; 104 is dialled from outside as +4930123104.
fn office() -> Trunks {
    let user = |name: &str, extension: &str, display_name: &str| User {
        name: name.into(),
        extensions: vec![extension.into()],
        display_name: Some(display_name.into()),
        ..User::default()
    };
    let did = DidRange::new("+4930123104", "+4930123109", "104").expect("a range");
    Trunks {
        dids: DidTable::new(vec![did]),
        directory: Directory::new(vec![user("bob", "104", "Bob"), user("eve", "105", "Eve")], Vec::new(), Vec::new()),
        ..trunks()
    }
}

impl Bench {
    fn party(&self, role: Role) -> PartyName {
        self.element.calls().next().expect("a call").leg(role).party.clone()
    }

    /// The number, the extension, the name and the user of the callee.
    fn callee(&self) -> [String; 4] {
        let PartyName { number, extension, name, user, .. } = self.party(Role::Callee);
        [number, extension, name, user]
    }

    /// How often a party was told to be another one, since the last time.
    fn news(&mut self, of: Role) -> usize {
        let is_news = |event: &Event| matches!(event, Event::Identity(_, role) if *role == of);
        std::mem::take(&mut self.events).iter().filter(|event| is_news(event)).count()
    }
}

/// The response to a request, with another header.
fn reply_with(request: &Request, status: u16, tag: &str, header: &str) -> Vec<u8> {
    let body = if (200..300).contains(&status) { sdp("203.0.113.7:6000") } else { String::new() };
    let text = String::from_utf8(reply(request, status, tag, PBX, &body)).expect("text");
    text.replacen("\r\n", &format!("\r\n{header}\r\n"), 1).into_bytes()
}

fn invite_to(number: &str) -> Draft {
    Draft { uri: format!("sip:{number}@{US}"), to: format!("<sip:{number}@undertone.example>"), ..invite("1") }
}

#[test]
fn a_number_that_is_dialled_from_outside_is_an_agents_extension() {
    let mut bench = Bench::with(office());
    bench.send(CARRIER, invite_to("4930123104").text());
    bench.request(PBX);
    assert_eq!(bench.callee(), ["4930123104", "104", "Bob", "bob"]);
    let caller = bench.party(Role::Caller);
    assert_eq!([&*caller.number, &caller.extension, &caller.name], ["+4930", "", "Ann"]);
    assert_eq!(caller.source, Some(Source::From));
    assert_eq!(bench.news(Role::Callee), 0, "it was so from the beginning");
}

#[test]
fn a_caller_of_ours_is_its_extension() {
    let mut trunks = office();
    trunks.peers[1].identity.extension = Some(Rule::Prefix("+4930123".into()));
    let mut bench = Bench::with(trunks);
    let draft = Draft { from: "<sip:pbx@a>;tag=ann".into(), at: PBX, ..invite_to("+4940") };
    bench.send(PBX, draft.with("P-Asserted-Identity: <sip:+4930123105@a>").with("Privacy: id").text());
    let out = bench.request(CARRIER);
    assert_eq!(out.header("Privacy").as_deref(), Some(&b"id"[..]), "what is private is passed on as it came");
    let caller = bench.party(Role::Caller);
    let expected = PartyName {
        number: "+4930123105".into(),
        extension: "105".into(),
        name: "Eve".into(),
        user: "eve".into(),
        is_private: true,
        source: Some(Source::AssertedIdentity),
    };
    assert_eq!((caller, bench.party(Role::Callee).extension.as_str()), (expected, ""));
}

#[test]
fn who_answers_for_a_group_is_who_is_called() {
    let mut bench = Bench::with(office());
    bench.send(CARRIER, invite_to("800").text());
    let asked = bench.request(PBX);
    assert_eq!(bench.callee(), ["800", "800", "", ""]);
    bench.send(PBX, reply_with(&asked, 180, "b", "Remote-Party-ID: <sip:105@pbx>;party=called"));
    assert_eq!((bench.callee(), bench.news(Role::Callee)), (["105", "105", "Eve", "eve"].map(Into::into), 1));
    bench.send(PBX, reply_with(&asked, 200, "b", "P-Asserted-Identity: \"Robert\" <sip:104@pbx>"));
    assert_eq!((bench.callee(), bench.news(Role::Callee)), (["104", "104", "Robert", "bob"].map(Into::into), 1));
    bench.send(PBX, reply_with(&asked, 200, "b", "P-Asserted-Identity: \"Robert\" <sip:104@pbx>"));
    assert_eq!(bench.news(Role::Callee), 0, "the same again");
    let id = bench.element.calls().next().expect("a call").id;
    bench.element.end_call(bench.now, id, crate::call::Cause::by_us(480, ""));
    bench.drain();
    let [record] = &bench.records[..] else { panic!("one record") };
    assert_eq!((record.parties[1].extension.as_str(), record.dialled.as_str()), ("104", "800"));
}

#[test]
fn a_fork_that_says_nothing_of_itself_is_not_the_one_that_did() {
    let mut bench = Bench::with(office());
    bench.send(CARRIER, invite_to("800").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply_with(&asked, 180, "b", "P-Asserted-Identity: <sip:105@pbx>"));
    assert_eq!(bench.callee(), ["105", "105", "Eve", "eve"]);
    bench.send(PBX, reply_with(&asked, 200, "c", "X: y"));
    assert_eq!(bench.callee(), ["800", "800", "", ""]);
}

#[test]
fn another_peer_that_is_tried_begins_anew() {
    let mut bench = Bench::with(office());
    bench.send(CARRIER, invite_to("800").text());
    let first = bench.request(PBX);
    bench.send(PBX, reply_with(&first, 180, "b", "P-Asserted-Identity: <sip:105@pbx>"));
    bench.send(PBX, reply(&first, 503, "b", PBX, ""));
    assert_eq!(bench.callee(), ["800", "800", "", ""]);
}

#[test]
fn an_update_may_say_that_somebody_else_speaks() {
    let mut bench = Bench::with(office());
    let (_, answer) = call_up(&mut bench);
    assert_eq!(bench.callee(), ["100", "100", "", ""]);
    bench.news(Role::Callee);
    let quiet = Draft { body: String::new(), ..from_pbx("UPDATE", "u1", 1, &answer) };
    bench.send(PBX, quiet.text());
    assert_eq!(bench.news(Role::Callee), 0, "it says what it said before");
    let changed = |branch, cseq, user: &str| Draft {
        from: format!("\"\" <sip:{user}@pbx>;tag=bob"),
        ..from_pbx("UPDATE", branch, cseq, &answer)
    };
    bench.send(PBX, changed("u2", 2, "105").text());
    assert_eq!((bench.callee(), bench.news(Role::Callee)), (["105", "105", "Eve", "eve"].map(Into::into), 1));
    bench.send(PBX, changed("u3", 3, "100").text());
    assert_eq!((bench.callee(), bench.news(Role::Callee)), (["100", "100", "", ""].map(Into::into), 1), "and back");
    bench.send(PBX, changed("u4", 4, "100").with("P-Asserted-Identity: <sip:104@pbx>").text());
    assert_eq!((bench.callee(), bench.news(Role::Callee)), (["104", "104", "Bob", "bob"].map(Into::into), 1));
    let kept = bench.kept.last().map(|kept| serde_json::to_string(kept).expect("JSON")).expect("it is kept");
    assert!(kept.contains("\"extension\":\"104\""), "{kept}");
}

#[test]
fn a_response_within_the_call_says_who_gives_it() {
    let mut bench = Bench::with(office());
    let (_, answer) = call_up(&mut bench);
    bench.news(Role::Callee);
    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4000"), ..within("INVITE", "r1", 2, &answer) }.text());
    let heard = bench.heard(PBX);
    let Some(Message::Request(again)) = heard.first() else { panic!("{}", summary(&heard)) };
    bench.send(PBX, reply_with(again, 200, "bob", "P-Asserted-Identity: <sip:105@pbx>"));
    assert_eq!((bench.callee(), bench.news(Role::Callee)), (["105", "105", "Eve", "eve"].map(Into::into), 1));
    assert_eq!(bench.party(Role::Caller).name, "Ann");
}

#[test]
fn the_parties_are_known_after_a_restart_and_without_their_users() {
    let mut bench = Bench::with(office());
    bench.send(CARRIER, invite_to("800").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply_with(&asked, 200, "b", "P-Asserted-Identity: <sip:104@pbx>"));
    let parties = Role::BOTH.map(|role| bench.party(role));
    assert_eq!(parties[1].user, "bob");
    bench.restart();
    assert_eq!(Role::BOTH.map(|role| bench.party(role)), parties, "also where the new daemon knows no users");
}

#[test]
fn what_an_earlier_version_has_kept_is_read() {
    let mut bench = Bench::with(office());
    call_up(&mut bench);
    let mut kept = serde_json::to_value(bench.kept.pop().expect("it is kept")).expect("JSON");
    for leg in kept["legs"].as_array_mut().expect("legs") {
        let leg = leg.as_object_mut().expect("a leg");
        leg.retain(|key, _| !["extension", "user", "is_private", "source", "sip_user"].contains(&key.as_str()));
    }
    bench.kept.push(serde_json::from_value(kept).expect("a call"));
    bench.restart();
    assert_eq!(bench.callee(), ["100", "", "", ""]);
    let call = bench.element.calls().next().expect("a call");
    assert_eq!(Role::BOTH.map(|role| call.leg(role).user.as_str()), ["+4930", "100"]);
}

#[test]
fn a_running_call_keeps_what_is_known_when_users_change() {
    let mut bench = Bench::with(office());
    bench.send(CARRIER, invite_to("800").text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply_with(&asked, 200, "b", "P-Asserted-Identity: <sip:104@pbx>"));
    let renamed = Trunks { directory: Directory::default(), ..office() };
    bench.element.set_trunks(Arc::new(renamed), Limits::default(), bench.now);
    assert_eq!(bench.callee(), ["104", "104", "Bob", "bob"]);
}
