//! Peers that are known by DNS names: several targets, and addresses that change.

use super::{
    calls::{call_up, within},
    *,
};
use crate::{
    sip::message::Method,
    trunk::{Answer as DnsAnswer, Known, Lookup, Names, Server},
};

/// Another target of the PBX.
const PBX_B: &str = "203.0.113.3:5060";
const NAME: &str = "pbx.example";

/// The trunks with a PBX that is known by its name alone.
fn named() -> Trunks {
    let mut trunks = trunks();
    let pbx = &mut trunks.peers[1];
    let names = Names { sources: vec![NAME.into()], target: Some((NAME.into(), None)), prefers_v6: false };
    (pbx.sources, pbx.targets, pbx.names) = (Vec::new(), Vec::new(), Some(Box::new(names)));
    trunks
}

/// What is known when the name leads to these, in this order.
fn leads_to(targets: &[&str]) -> Known {
    let server = |(priority, target): (u16, &&str)| {
        let at = socket(target);
        Server { priority, weight: 1, port: at.port(), addresses: vec![at.ip()] }
    };
    let servers = (1..).zip(targets).map(server).collect();
    let lookup = Lookup { name: NAME.into(), service: Some(Transport::Udp) };
    Known::from([(lookup, DnsAnswer { servers, addresses: Vec::new() })])
}

/// A bench whose PBX's name leads to these, where it is asked whether it is well so often.
fn bench(targets: &[&str], options_interval_s: Option<u32>) -> Bench {
    let mut trunks = named();
    trunks.peers[1].options_interval_s = options_interval_s;
    Bench::with(trunks.resolved(&leads_to(targets)).0)
}

impl Bench {
    /// The name leads elsewhere.
    fn renew(&mut self, targets: &[&str]) {
        let next = named().resolved(&leads_to(targets)).0.succeed(self.element.trunks());
        self.element.set_trunks(Arc::new(next), Limits::default(), self.now);
        self.drain();
    }

    /// The carrier calls; a call of this number.
    fn call(&mut self, number: u32) {
        self.send(CARRIER, invite(&format!("n{number}")).text().replace("call-1", &format!("call-{number}")));
        self.heard(CARRIER);
    }
}

/// What was told of targets and of the PBX.
fn told(bench: &mut Bench) -> Vec<(Option<SocketAddr>, bool)> {
    let of_pbx = |event: Event| match event {
        Event::Target(PeerIndex(1), target, is_well) => Some((Some(target), is_well)),
        Event::Peer(PeerIndex(1), is_well) => Some((None, is_well)),
        _ => None,
    };
    bench.events.drain(..).filter_map(of_pbx).collect()
}

#[test]
fn a_target_that_does_not_answer_is_followed_by_the_next_of_the_same_peer() {
    let mut bench = bench(&[PBX, PBX_B], None);
    bench.call(1);
    bench.wait(Duration::from_secs(31));
    assert_eq!((bench.heard(PBX).len(), bench.heard(PBX_B).len()), (6, 0));
    bench.wait(Duration::from_secs(1));
    assert_eq!((bench.request(PBX_B).method(), bench.heard(PBX_2).len()), (&Method::Invite, 0), "before another peer");
    assert_eq!(told(&mut bench), [(Some(socket(PBX)), false)], "the peer is well");
    bench.heard(PBX);

    bench.call(2);
    let heard = bench.heard(PBX);
    assert_eq!((summary(&heard).as_str(), bench.request(PBX_B).method()), ("[]", &Method::Invite), "at once");
    bench.wait(Duration::from_secs(60));
    bench.heard(PBX_B);
    bench.call(3);
    assert_eq!(bench.request(PBX).method(), &Method::Invite, "it has rested");
}

#[test]
fn a_target_that_cannot_be_reached_is_followed_at_once_and_the_last_by_another_peer() {
    let mut bench = bench(&[PBX, PBX_B], None);
    bench.call(1);
    bench.request(PBX);
    bench.unreachable(PBX);
    bench.request(PBX_B);
    bench.unreachable(PBX_B);
    assert_eq!(bench.request(PBX_2).method(), &Method::Invite);
    assert!(!bench.element.is_well(PeerIndex(1)));
    bench.call(2);
    assert_eq!((bench.heard(PBX).len(), bench.heard(PBX_B).len(), bench.heard(PBX_2).len()), (0, 0, 1));
}

#[test]
fn a_target_that_wants_no_calls_is_followed_by_the_next_and_stays_the_first() {
    let mut bench = bench(&[PBX, PBX_B], None);
    bench.call(1);
    let first = bench.request(PBX);
    bench.send(PBX, reply(&first, 503, "x", PBX, ""));
    let second = bench.request(PBX_B);
    assert_eq!((second.method(), second.body()), (&Method::Invite, first.body()), "with the same media ports");
    bench.heard(PBX);
    bench.call(2);
    assert_eq!(bench.request(PBX).method(), &Method::Invite);
}

#[test]
fn what_a_peer_says_of_a_call_its_other_targets_are_not_asked() {
    for (status, is_next_peer_asked) in [(480, true), (486, false)] {
        let mut bench = bench(&[PBX, PBX_B], None);
        bench.call(1);
        let first = bench.request(PBX);
        bench.send(PBX, reply(&first, status, "x", PBX, ""));
        assert_eq!((bench.heard(PBX_B).len(), bench.heard(PBX_2).len() == 1), (0, is_next_peer_asked), "{status}");
    }
}

#[test]
fn each_target_is_asked_and_the_first_that_is_well_is_taken() {
    let mut bench = bench(&[PBX, PBX_B], Some(60));
    let answer = |bench: &mut Bench, targets: &[&str]| {
        bench.wait(Duration::from_millis(100));
        for target in [PBX, PBX_B] {
            let heard = bench.heard(target);
            let Some(Message::Request(options)) = heard.last().filter(|_| targets.contains(&target)) else { continue };
            assert_eq!(options.method(), &Method::Options);
            bench.send(target, reply(options, 200, "x", target, ""));
        }
        bench.wait(Duration::from_millis(59_900));
    };
    answer(&mut bench, &[PBX, PBX_B]);
    assert_eq!(told(&mut bench), []);
    for _ in 0..3 {
        answer(&mut bench, &[PBX_B]);
    }
    assert_eq!(told(&mut bench), [(Some(socket(PBX)), false)]);
    bench.heard(PBX);
    bench.call(1);
    assert_eq!((bench.request(PBX_B).method(), bench.heard(PBX).len()), (&Method::Invite, 0));
    for target in [PBX, PBX_B] {
        bench.heard(target);
    }
    answer(&mut bench, &[PBX, PBX_B]);
    assert_eq!(told(&mut bench).first(), Some(&(Some(socket(PBX)), true)));
    bench.heard(PBX);
    bench.call(2);
    assert_eq!(bench.request(PBX).method(), &Method::Invite);
}

#[test]
fn a_target_that_fails_is_asked_at_once_whether_it_is_well_where_it_is_asked_at_all() {
    let mut bench = bench(&[PBX, PBX_B], Some(3600));
    bench.wait(Duration::from_millis(100));
    for target in [PBX, PBX_B] {
        let options = bench.request(target);
        bench.send(target, reply(&options, 200, "x", target, ""));
    }
    bench.call(1);
    bench.request(PBX);
    bench.unreachable(PBX);
    bench.wait(Duration::from_millis(1));
    let options = bench.request(PBX);
    assert_eq!(options.method(), &Method::Options);
    bench.send(PBX, reply(&options, 200, "x", PBX, ""));
    assert_eq!(told(&mut bench), [false, true].map(|is_well| (Some(socket(PBX)), is_well)));
}

/// The carrier's MESSAGE; another one by another branch.
fn message(branch: &str) -> String {
    Draft { method: "MESSAGE", body: String::new(), ..invite(branch) }.text().replace("call-1", branch)
}

#[test]
fn a_request_outside_of_calls_goes_on_where_a_target_cannot_be_reached_or_does_not_take_it() {
    let mut bench = bench(&[PBX, PBX_B], None);
    let refuse = |bench: &mut Bench, target: &str| {
        let asked = bench.request(target);
        bench.send(target, reply(&asked, 503, "x", target, ""));
    };
    bench.send(CARRIER, message("1"));
    refuse(&mut bench, PBX);
    let asked = bench.request(PBX_B);
    assert_eq!((asked.method(), asked.max_forwards), (&Method::Message, Some(69)), "as it was sent");
    bench.send(PBX_B, reply(&asked, 202, "x", PBX_B, ""));
    assert_eq!(bench.response(CARRIER).status(), 202);

    bench.send(CARRIER, message("2"));
    bench.request(PBX);
    bench.wait(Duration::from_secs(32));
    assert!(bench.heard(PBX).len() > 5, "it is sent again for as long as it may");
    bench.request(PBX_B);
    bench.unreachable(PBX_B);
    refuse(&mut bench, PBX_2);
    assert_eq!(bench.response(CARRIER).status(), 500, "nobody is left");
    bench.send(CARRIER, message("2"));
    assert_eq!(bench.response(CARRIER).status(), 500, "once and for all");
    for target in [PBX, PBX_B] {
        assert_eq!(summary(&bench.heard(target)), "[]");
    }
    bench.assert_idle();
}

#[test]
fn what_a_peer_says_of_a_request_outside_of_calls_is_its_answer() {
    let mut bench = bench(&[PBX, PBX_B], None);
    bench.send(CARRIER, message("1"));
    let asked = bench.request(PBX);
    for status in [100, 480] {
        bench.send(PBX, reply(&asked, status, "x", PBX, ""));
    }
    assert_eq!((bench.response(CARRIER).status(), bench.heard(PBX_B).len()), (480, 0));
    bench.assert_idle();
}

#[test]
fn a_request_outside_of_calls_goes_to_a_target_that_is_well() {
    let mut bench = bench(&[PBX, PBX_B], None);
    bench.send(CARRIER, message("1"));
    bench.request(PBX);
    bench.unreachable(PBX);
    bench.request(PBX_B);
    bench.send(CARRIER, message("2"));
    assert_eq!((bench.request(PBX_B).method(), bench.heard(PBX).len()), (&Method::Message, 0), "at once");
}

#[test]
fn targets_of_the_same_priority_share_calls_by_weight() {
    let servers = [(PBX, 3), (PBX_B, 1)].map(|(target, weight)| Server {
        priority: 1,
        weight,
        port: 5060,
        addresses: vec![socket(target).ip()],
    });
    let lookup = Lookup { name: NAME.into(), service: Some(Transport::Udp) };
    let known = Known::from([(lookup, DnsAnswer { servers: servers.into(), addresses: Vec::new() })]);
    let mut bench = Bench::with(named().resolved(&known).0);
    let mut count = [0; 2];
    for number in 0..400 {
        bench.call(number);
        for (count, target) in count.iter_mut().zip([PBX, PBX_B]) {
            let heard = bench.heard(target);
            *count += heard.len();
            if let Some(Message::Request(asked)) = heard.first() {
                bench.send(target, reply(asked, 486, "x", target, ""));
                bench.heard(target);
            }
        }
    }
    assert_eq!(count.iter().sum::<usize>(), 400);
    assert!((260..340).contains(&count[0]), "{count:?} of 300 and 100");
}

#[test]
fn a_peer_is_addressed_by_its_name_whichever_target_is_asked() {
    let mut bench = bench(&["203.0.113.1:5080"], None);
    bench.call(1);
    assert_eq!(bench.request("203.0.113.1:5080").uri().to_bytes(), format!("sip:100@{NAME}").as_bytes());
}

#[test]
fn a_peer_that_is_not_resolved_gets_no_calls_and_its_messages_are_a_strangers() {
    let mut bench = Bench::with(named());
    assert!(!bench.element.is_well(PeerIndex(1)));
    bench.call(1);
    assert_eq!((bench.heard(PBX).len(), bench.request(PBX_2).method()), (0, &Method::Invite), "it goes to the next");
    let options = Draft { method: "OPTIONS", body: String::new(), uri: format!("sip:{US}"), ..invite("o") }.text();
    bench.send(PBX, &options);
    assert_eq!((bench.heard(PBX).len(), bench.element.counters().strangers), (0, 1));

    bench.renew(&[PBX]);
    assert_eq!(told(&mut bench), [(None, true)]);
    bench.send(PBX, &options);
    assert_eq!(bench.response(PBX).status(), 200);
    bench.call(2);
    assert_eq!(bench.request(PBX).method(), &Method::Invite);
}

#[test]
fn without_any_peer_that_is_resolved_a_call_is_answered_so() {
    let mut trunks = named();
    trunks.groups[0].members.truncate(1);
    let mut bench = Bench::with(trunks);
    bench.send(CARRIER, invite("1").text());
    assert_eq!(bench.response(CARRIER).status(), 503);
    let message = Draft { method: "MESSAGE", call: "call-2", body: String::new(), ..invite("2") };
    bench.send(CARRIER, message.text());
    assert_eq!(bench.response(CARRIER).status(), 503);
    bench.assert_idle();
}

#[test]
fn a_call_stays_where_it_is_when_the_name_leads_elsewhere() {
    let mut bench = bench(&[PBX], None);
    let (_, answer) = call_up(&mut bench);
    bench.renew(&[PBX_B]);
    bench.send(PBX, Draft { call: "call-9", ..invite("s") }.text());
    assert_eq!((bench.heard(PBX).len(), bench.element.counters().strangers), (0, 1), "no call begins there");
    bench.call(2);
    assert_eq!((bench.request(PBX_B).method(), bench.heard(PBX).len()), (&Method::Invite, 0));

    bench.send(CARRIER, Draft { body: sdp("198.51.100.7:4300"), ..within("INVITE", "r", 2, &answer) }.text());
    let asked = bench.request(PBX);
    bench.send(PBX, reply(&asked, 200, "bob", PBX, &sdp("203.0.113.7:6000")));
    assert_eq!(bench.response(CARRIER).status(), 200);
    bench.send(CARRIER, within("ACK", "ra", 2, &answer).text());
    bench.heard(PBX);
    bench.send(PBX, calls::from_pbx("BYE", "b", 1, &answer).text());
    let bye = bench.request(CARRIER);
    bench.send(CARRIER, reply(&bye, 200, "ann", CARRIER, ""));
    assert_eq!((bench.response(PBX).status(), bench.records.len()), (200, 1));
}

#[test]
fn a_target_keeps_its_state_and_its_turn_when_others_come_and_go() {
    let mut bench = bench(&[PBX, PBX_B], None);
    bench.call(1);
    bench.unreachable(PBX);
    bench.heard(PBX_B);
    bench.renew(&[PBX, PBX_2]);
    bench.call(2);
    assert_eq!((bench.heard(PBX).len(), bench.heard(PBX_B).len()), (1, 0), "the one INVITE from before is all");
}

#[test]
fn who_is_asked_whether_it_is_well_is_not_asked_more_often_for_new_answers() {
    let mut bench = Bench::with({
        let mut trunks = named();
        trunks.peers[1].options_interval_s = Some(3600);
        trunks.resolved(&leads_to(&[PBX])).0
    });
    bench.wait(Duration::from_millis(100));
    let options = bench.request(PBX);
    bench.send(PBX, reply(&options, 200, "x", PBX, ""));
    for _ in 0..10 {
        let mut next = named();
        next.peers[1].options_interval_s = Some(3600);
        let next = next.resolved(&leads_to(&[PBX, PBX_B])).0.succeed(bench.element.trunks());
        bench.element.set_trunks(Arc::new(next), Limits::default(), bench.now);
        bench.wait(Duration::from_secs(60));
    }
    let asked = bench.heard(PBX_B).into_iter().filter(|it| matches!(it, Message::Request(_))).count();
    assert_eq!((bench.heard(PBX).len(), asked > 0), (0, true), "only who is new is asked");
}

#[test]
fn a_call_goes_on_after_a_restart_that_finds_no_dns_server() {
    let mut bench = bench(&[PBX], None);
    let (_, answer) = call_up(&mut bench);
    let (board, kept) = (bench.element.media().clone(), bench.kept.pop().expect("a call was kept"));
    bench = Bench { now: bench.now, ..Bench::with(named()) };
    *bench.element.media_mut() = board;
    assert!(bench.element.restore(&kept));
    bench.send(PBX, calls::from_pbx("BYE", "b", 1, &answer).text());
    let bye = bench.request(CARRIER);
    bench.send(CARRIER, reply(&bye, 200, "ann", CARRIER, ""));
    assert_eq!((bench.response(PBX).status(), bench.records.len()), (200, 1));
    bench.send(PBX, Draft { call: "call-9", ..invite("s") }.text());
    assert_eq!(bench.heard(PBX).len(), 0, "its last call is over");
}
