use super::*;

fn lookup() -> Lookup {
    Lookup { name: "sip.carrier.example".into(), service: None }
}

fn found(host: u8, age_s: u64) -> Found {
    let addresses = vec![[198, 51, 100, host].into()];
    let answer = Answer { servers: Vec::new(), addresses };
    Found { answer, age: Duration::from_secs(age_s), missing: None }
}

fn failed() -> Result<Found, String> {
    Err("no DNS server answers".into())
}

/// A name that was looked up, with how long until it is again.
fn note(entry: &mut Entry, outcome: Result<Found, String>) -> (bool, u64) {
    let now = Instant::now();
    let is_new = entry.note(&lookup(), outcome, now);
    (is_new, (entry.due - now).as_secs())
}

#[test]
fn what_was_found_is_looked_up_again_when_it_is_old() {
    let mut entry = Entry::new();
    assert_eq!(note(&mut entry, Ok(found(1, 300))), (true, 300));
    assert_eq!(note(&mut entry, Ok(found(1, 0))), (false, 5), "not without end");
    assert_eq!(note(&mut entry, Ok(found(2, 86_400))), (true, 3600), "not once a day");
}

#[test]
fn a_failure_keeps_what_was_found_and_is_tried_again_ever_less_often() {
    let mut entry = Entry::new();
    note(&mut entry, Ok(found(1, 300)));
    let pauses: Vec<_> = (0..6).map(|_| note(&mut entry, failed())).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60].map(|pause| (false, pause)));
    assert_eq!(entry.answer, Some(found(1, 0).answer));
    let since = entry.failing.as_ref().map(|failing| failing.since);
    note(&mut entry, failed());
    assert_eq!(entry.failing.as_ref().map(|failing| failing.since), since, "since the first");
    assert_eq!(note(&mut entry, Ok(found(1, 300))), (false, 300));
    assert!(entry.failing.is_none());
    assert_eq!(note(&mut entry, failed()), (false, 5), "from the beginning");
}

#[test]
fn a_part_of_an_answer_is_taken_where_there_is_nothing_yet() {
    let part = |host| Found { missing: Some("b.example no DNS server answers".into()), ..found(host, 300) };
    let mut entry = Entry::new();
    assert_eq!(note(&mut entry, Ok(part(1))), (true, 5));
    assert!(entry.failing.is_some());
    assert_eq!(note(&mut entry, Ok(part(2))), (false, 10));
    assert_eq!(entry.answer, Some(found(1, 0).answer));
}

#[test]
fn a_change_while_a_name_is_asked_for_has_it_asked_once_more() {
    let names = Names::default();
    names.set(&[], vec![lookup()]);
    names.shared.entries.borrow_mut().get_mut(&lookup()).expect("an entry").is_asked = true;
    names.set(&[], vec![lookup()]);
    assert!(names.note(&lookup(), Ok(found(1, 300))));
    let entries = names.shared.entries.borrow();
    assert!(entries[&lookup()].due <= Instant::now());
    drop(entries);
    names.set(&[], Vec::new());
    assert!(!names.note(&lookup(), Ok(found(2, 300))), "nobody asks any more");
    assert_eq!((names.known().len(), names.counts()), (0, Counts { answered: 1, failed: 0 }));
}

#[test]
fn the_state_of_a_peer_is_that_of_its_names() {
    use undertone_control_core::trunk::{Names as DnsNames, Side};
    let peer = |sources: &[&str]| {
        let names = DnsNames {
            sources: sources.iter().map(|name| (*name).to_owned()).collect(),
            target: None,
            prefers_v6: false,
        };
        Peer { names: Some(Box::new(names)), ..Peer::new("carrier", Side::OffNet, ([198, 51, 100, 1], 5060).into()) }
    };
    let (both, first) = (peer(&["a.example", "b.example"]), peer(&["a.example"]));
    let names = Names::default();
    let lookups: Vec<_> = both.lookups().collect();
    names.set(&[], lookups.clone());
    assert!(
        matches!(names.resolution(&first), Some(Resolution::Unresolved { why, .. }) if why.contains("not looked up"))
    );
    names.note(&lookups[0], Ok(found(1, 300)));
    names.note(&lookups[1], failed());
    assert_eq!(names.resolution(&first), Some(Resolution::Resolved));
    let why = "b.example: no DNS server answers".to_owned();
    assert!(matches!(names.resolution(&both), Some(Resolution::Unresolved { why: it, .. }) if it == why));
    assert_eq!(names.resolution(&Peer { names: None, ..first }), None);
}
