//! Who may monitor whom, as tables.

use Denial::*;
use Mode::*;
use Side::{OffNet, OnNet};

use super::*;
use crate::directory::{Queue, UserGroup, UserRole};

/// Tuesday, ten o'clock.
const NOW: LocalTime = LocalTime { weekday: Weekday::Tuesday, minute: 600 };
/// The agent is ours and the caller is not.
const CALL: Facts<'_> =
    Facts { sides: [OnNet, OffNet], other: "", other_number: "+4940123", is_emergency: false, sound: Sound::Mixable };

/// A house in which everybody has a role:
///
/// | user | extension | role | site | is |
/// | --- | --- | --- | --- | --- |
/// | ann | 200 | call-centre supervisor | berlin | supervisor of queue sales |
/// | max | 201 | office manager | hamburg | in group support |
/// | sue | 202 | site manager | berlin | |
/// | adm | 203 | administrator | | |
/// | aud | 204 | auditor | berlin | |
/// | usr | 205 | user | berlin | in group support |
/// | bob | 100, 101 | user | berlin | in group support and an agent of sales |
/// | joe | 102 | user | hamburg | |
/// | ceo | 103 | user | | |
///
/// The queue has 800, the group 700.
fn house() -> Directory {
    use UserRole::{Administrator, Auditor, CallCenterSupervisor, OfficeManager, SiteManager};
    let user = |name: &str, extensions: &[&str], role, site: &str| User {
        name: name.into(),
        extensions: extensions.iter().map(|it| (*it).to_owned()).collect(),
        role,
        site: Some(site.to_owned()).filter(|site| !site.is_empty()),
        ..User::default()
    };
    let users = vec![
        user("ann", &["200"], CallCenterSupervisor, "berlin"),
        user("max", &["201"], OfficeManager, "hamburg"),
        user("sue", &["202"], SiteManager, "berlin"),
        user("adm", &["203"], Administrator, ""),
        user("aud", &["204"], Auditor, "berlin"),
        user("usr", &["205"], UserRole::User, "berlin"),
        user("bob", &["100", "101"], UserRole::User, "berlin"),
        user("joe", &["102"], UserRole::User, "hamburg"),
        user("ceo", &["103"], UserRole::User, ""),
    ];
    let [ann, max, usr, bob] = [0, 1, 5, 6].map(UserIndex);
    let group = UserGroup { name: "support".into(), extensions: vec!["700".into()], members: vec![max, usr, bob] };
    let queue =
        Queue { name: "sales".into(), extensions: vec!["800".into()], agents: vec![bob], supervisors: vec![ann] };
    Directory::new(users, vec![group], vec![queue])
}

fn set<const N: usize>(words: [&str; N]) -> BTreeSet<String> {
    words.map(Into::into).into()
}

fn rule(who: Who, whom: Whom, modes: Modes) -> Rule {
    Rule { who, whom, modes, hours: Hours::always() }
}

fn role(role: UserRole) -> Who {
    Who { roles: [role].into(), ..Who::default() }
}

fn named(user: &str) -> Who {
    Who { names: Names { users: set([user]), ..Names::default() }, ..Who::default() }
}

fn of(modes: &[Mode]) -> Modes {
    modes.iter().copied().collect()
}

/// A rule for each role but those of users and auditors.
fn by_role() -> Monitoring {
    let whom = Whom::default;
    let rules = vec![
        rule(role(UserRole::CallCenterSupervisor), Whom { their_queues: true, ..whom() }, Modes::ALL),
        rule(role(UserRole::OfficeManager), Whom { their_groups: true, ..whom() }, of(&[Listen, WhisperToAgent])),
        rule(role(UserRole::SiteManager), Whom { their_site: true, ..whom() }, of(&[Listen])),
        rule(role(UserRole::Administrator), Whom { everyone: true, ..whom() }, Modes::ALL),
    ];
    Monitoring { enabled: true, rules, ..Monitoring::default() }
}

fn ask<'a>(user: &'a str, target: &'a str) -> Question<'a> {
    let supervisor = Supervisor::User(user);
    Question { supervisor, via: Via::Phone, side: OnNet, target, mode: Listen, call: Some(CALL), now: NOW }
}

#[test]
fn every_role_in_every_mode_on_every_combination_of_sides() {
    // y: they may. s: not on calls within one side. m: not in this mode. n: no rule is for them.
    const LETTERS: [(char, Option<Denial>); 4] =
        [('y', None), ('s', Some(WhisperOnOneSide)), ('m', Some(ModeNotPermitted)), ('n', Some(NoRule))];
    // Columns: listen, whisper to the agent, whisper to the caller, barge. The agent is bob, who is in everybody's reach.
    let table = [
        ("usr", OnNet, OffNet, "nnnn"),
        ("usr", OffNet, OnNet, "nnnn"),
        ("usr", OnNet, OnNet, "nnnn"),
        ("usr", OffNet, OffNet, "nnnn"),
        ("ann", OnNet, OffNet, "yyyy"),
        ("ann", OffNet, OnNet, "yyyy"),
        ("ann", OnNet, OnNet, "yssy"),
        ("ann", OffNet, OffNet, "yssy"),
        ("max", OnNet, OffNet, "yymm"),
        ("max", OffNet, OnNet, "yymm"),
        ("max", OnNet, OnNet, "ysmm"),
        ("max", OffNet, OffNet, "ysmm"),
        ("sue", OnNet, OffNet, "ymmm"),
        ("sue", OffNet, OnNet, "ymmm"),
        ("sue", OnNet, OnNet, "ymmm"),
        ("sue", OffNet, OffNet, "ymmm"),
        ("adm", OnNet, OffNet, "yyyy"),
        ("adm", OffNet, OnNet, "yyyy"),
        ("adm", OnNet, OnNet, "yssy"),
        ("adm", OffNet, OffNet, "yssy"),
        ("aud", OnNet, OffNet, "nnnn"),
        ("aud", OffNet, OnNet, "nnnn"),
        ("aud", OnNet, OnNet, "nnnn"),
        ("aud", OffNet, OffNet, "nnnn"),
    ];
    let (house, monitoring) = (house(), by_role());
    for (user, agent, caller, expected) in table {
        let question = Question { call: Some(Facts { sides: [agent, caller], ..CALL }), ..ask(user, "100") };
        let letter = |mode| {
            let denial = decide(&monitoring, &house, &Question { mode, ..question }).err();
            LETTERS.into_iter().find(|(_, known)| *known == denial).map_or('?', |(letter, _)| letter)
        };
        let outcome: String = Mode::ALL.map(letter).into_iter().collect();
        assert_eq!(outcome, expected, "{user} on a call between {agent:?} and {caller:?}");
        // What a grant says beside the mode that was asked for is what each other question would have been answered.
        let may: Modes = Mode::ALL.into_iter().zip(expected.chars()).filter(|it| it.1 == 'y').map(|it| it.0).collect();
        assert_eq!(modes(&monitoring, &house, &question), may, "{user} {agent:?} {caller:?}");
        for mode in may.iter() {
            assert_eq!(decide(&monitoring, &house, &Question { mode, ..question }), Ok(Grant { modes: may }));
        }
    }
}

#[test]
fn each_role_reaches_its_own_and_no_others() {
    let (house, monitoring) = (house(), by_role());
    // Extensions: bob's two, joe's, the boss's, the group's, the queue's.
    let all = ["100", "101", "102", "103", "700", "800"];
    for (user, reach) in [
        ("ann", vec!["100", "101", "800"]),
        ("max", vec!["100", "101", "700"]),
        ("sue", vec!["100", "101"]),
        ("adm", all.to_vec()),
        ("aud", vec![]),
        ("usr", vec![]),
    ] {
        let may = |target: &&str| decide(&monitoring, &house, &ask(user, target)).is_ok();
        assert_eq!(all.into_iter().filter(may).collect::<Vec<_>>(), reach, "{user}");
        for target in all.into_iter().filter(|target| !may(target)) {
            assert_eq!(decide(&monitoring, &house, &ask(user, target)), Err(NoRule), "{user} {target}");
        }
    }
}

#[test]
fn who_has_no_site_shares_it_with_nobody() {
    let whom = Whom { their_site: true, ..Whom::default() };
    let monitoring =
        Monitoring { rules: vec![rule(named("adm"), whom, Modes::ALL)], enabled: true, ..Monitoring::default() };
    assert_eq!(decide(&monitoring, &house(), &ask("adm", "103")), Err(NoRule));
}

/// What a restriction is put to.
type Change = fn(&mut Monitoring, &mut Question<'static>);

/// A denial, its SIP and HTTP status, and its name in the audit.
type Said = (Denial, u16, u16, &'static str);

fn call_of<'q, 'a>(question: &'q mut Question<'a>) -> &'q mut Facts<'a> {
    question.call.get_or_insert(CALL)
}

/// An administrator asks to listen to bob, which is permitted; each row changes something of it.
const RESTRICTIONS: &[(&str, Change, Option<Said>)] = &[
    ("nothing", |_, _| {}, None),
    ("no rule at all", |m, _| m.rules.clear(), Some((NoRule, 403, 403, "no-rule"))),
    ("codes off", |m, _| m.enabled = false, Some((Disabled, 404, 404, "disabled"))),
    (
        "codes off, by portal",
        |m, q| {
            m.enabled = false;
            q.via = Via::Portal;
        },
        None,
    ),
    (
        "codes off, by API",
        |m, q| {
            m.enabled = false;
            q.via = Via::Api;
        },
        None,
    ),
    (
        "codes off, on the command line",
        |m, q| {
            m.enabled = false;
            q.via = Via::Cli;
        },
        None,
    ),
    ("a call from outside", |_, q| q.side = OffNet, Some((FromOutside, 403, 403, "from-outside"))),
    (
        "codes for another user",
        |m, _| m.dialling = Some(Names { users: set(["ann"]), ..Names::default() }),
        Some((NotListed, 403, 403, "not-listed")),
    ),
    (
        "codes for another user, by portal",
        |m, q| {
            m.dialling = Some(Names { users: set(["ann"]), ..Names::default() });
            q.via = Via::Portal;
        },
        None,
    ),
    ("codes for this user", |m, _| m.dialling = Some(Names { users: set(["adm"]), ..Names::default() }), None),
    (
        "codes for another group",
        |m, _| m.dialling = Some(Names { groups: set(["support"]), ..Names::default() }),
        Some((NotListed, 403, 403, "not-listed")),
    ),
    (
        "an unknown caller",
        |_, q| q.supervisor = Supervisor::Extension("999"),
        Some((UnknownSupervisor, 403, 403, "unknown-supervisor")),
    ),
    (
        "a queue as a caller",
        |_, q| q.supervisor = Supervisor::Extension("800"),
        Some((UnknownSupervisor, 403, 403, "unknown-supervisor")),
    ),
    (
        "an unknown user",
        |_, q| q.supervisor = Supervisor::User("nobody"),
        Some((UnknownSupervisor, 403, 403, "unknown-supervisor")),
    ),
    ("the same by extension", |_, q| q.supervisor = Supervisor::Extension("203"), None),
    ("their own extension", |_, q| q.target = "203", Some((OwnCall, 403, 403, "own-call"))),
    ("a call with themself", |_, q| call_of(q).other = "203", Some((OwnCall, 403, 403, "own-call"))),
    ("a call with somebody else", |_, q| call_of(q).other = "102", None),
    ("a protected extension", |m, _| m.never = set(["100"]), Some((Protected, 403, 403, "protected"))),
    ("another extension of the same user", |m, _| m.never = set(["101"]), None),
    ("a protected user", |m, _| m.never = set(["bob"]), Some((Protected, 403, 403, "protected"))),
    ("a protected group", |m, _| m.never = set(["support"]), Some((Protected, 403, 403, "protected"))),
    ("a protected queue", |m, _| m.never = set(["sales"]), Some((Protected, 403, 403, "protected"))),
    (
        "a protected queue's own extension",
        |m, q| {
            m.never = set(["sales"]);
            q.target = "800";
        },
        Some((Protected, 403, 403, "protected")),
    ),
    (
        "a protected extension that is nobody's",
        |m, q| {
            m.never = set(["555"]);
            q.target = "555";
        },
        Some((Protected, 403, 403, "protected")),
    ),
    (
        "a protected other party",
        |m, q| {
            m.never = set(["ceo"]);
            call_of(q).other = "103";
        },
        Some((ProtectedParty, 403, 403, "protected-party")),
    ),
    (
        "a protected number of the other party",
        |m, q| {
            m.never = set(["+4940123"]);
            call_of(q).other_number = "+49 (40) 123";
        },
        Some((ProtectedParty, 403, 403, "protected-party")),
    ),
    (
        "an extension that is nobody's and in no call",
        |_, q| {
            q.target = "999";
            q.call = None;
        },
        Some((UnknownExtension, 404, 404, "unknown-extension")),
    ),
    ("an extension that is nobody's, in a call", |_, q| q.target = "999", None),
    (
        "an extension that is nobody's, in no call, and named",
        |m, q| {
            m.rules[3].whom.extensions = set(["999"]);
            q.target = "999";
            q.call = None;
        },
        None,
    ),
    ("no call yet", |_, q| q.call = None, None),
    ("an emergency call", |_, q| call_of(q).is_emergency = true, Some((Emergency, 403, 403, "emergency-call"))),
    (
        "an emergency call, by portal",
        |_, q| {
            call_of(q).is_emergency = true;
            q.via = Via::Portal;
        },
        Some((Emergency, 403, 403, "emergency-call")),
    ),
    (
        "an emergency call of somebody out of reach",
        |m, q| {
            m.rules.clear();
            call_of(q).is_emergency = true;
        },
        Some((NoRule, 403, 403, "no-rule")),
    ),
    (
        "another hour",
        |m, _| m.rules[3].hours = Hours::new(Weekday::ALL.into(), 601, 1440).expect("hours"),
        Some((OutsideHours, 403, 403, "outside-hours")),
    ),
    (
        "another day",
        |m, _| m.rules[3].hours = Hours::new([Weekday::Monday].into(), 0, 1440).expect("hours"),
        Some((OutsideHours, 403, 403, "outside-hours")),
    ),
    ("these hours", |m, _| m.rules[3].hours = Hours::new([Weekday::Tuesday].into(), 600, 601).expect("hours"), None),
    ("another mode", |m, _| m.rules[3].modes = of(&[Barge]), Some((ModeNotPermitted, 403, 403, "mode-not-permitted"))),
    (
        "another mode at this hour",
        |m, _| {
            m.rules.push(Rule { modes: of(&[Barge]), ..m.rules[3].clone() });
            m.rules[3].hours = Hours::new([Weekday::Monday].into(), 0, 1440).expect("hours");
        },
        Some((ModeNotPermitted, 403, 403, "mode-not-permitted")),
    ),
    ("fax", |_, q| call_of(q).sound = Sound::None, Some((NoSound, 488, 409, "no-sound"))),
    ("SRTP", |_, q| call_of(q).sound = Sound::Encrypted, Some((Encrypted, 488, 409, "encrypted"))),
    ("a strange codec", |_, q| call_of(q).sound = Sound::Unknown, Some((UnknownCodec, 488, 409, "unknown-codec"))),
    ("a codec to hear only", |_, q| call_of(q).sound = Sound::HearOnly, None),
    (
        "a codec to hear only, where a party is to be told",
        |m, q| {
            m.consent.persons = vec![undertone_core::mixer::Person::Caller];
            call_of(q).sound = Sound::HearOnly;
        },
        Some((HearOnly, 488, 409, "hear-only")),
    ),
    (
        "barging into a codec to hear only",
        |_, q| {
            q.mode = Barge;
            call_of(q).sound = Sound::HearOnly;
        },
        Some((HearOnly, 488, 409, "hear-only")),
    ),
    (
        "whispering into a codec to hear only",
        |_, q| {
            q.mode = WhisperToAgent;
            call_of(q).sound = Sound::HearOnly;
        },
        Some((HearOnly, 488, 409, "hear-only")),
    ),
    (
        "whispering on an internal call",
        |_, q| {
            q.mode = WhisperToAgent;
            call_of(q).sides = [OnNet, OnNet];
        },
        Some((WhisperOnOneSide, 403, 409, "whisper-on-one-side")),
    ),
    (
        "whispering to the caller of a transit call",
        |_, q| {
            q.mode = WhisperToCaller;
            call_of(q).sides = [OffNet, OffNet];
        },
        Some((WhisperOnOneSide, 403, 409, "whisper-on-one-side")),
    ),
    (
        "whispering where there is no call yet",
        |_, q| {
            q.mode = WhisperToAgent;
            q.call = None;
        },
        None,
    ),
];

#[test]
fn every_restriction_is_answered_as_it_says() {
    let house = house();
    for (what, change, expected) in RESTRICTIONS {
        let (mut monitoring, mut question) = (by_role(), ask("adm", "100"));
        change(&mut monitoring, &mut question);
        let answer = decide(&monitoring, &house, &question).err();
        let told = answer.map(|denial| (denial, denial.sip_status(), denial.http_status(), denial.key()));
        assert_eq!(told, *expected, "{what}");
    }
}

#[test]
fn every_denial_that_is_decided_here_is_in_the_tables() {
    let in_tables: Vec<_> = RESTRICTIONS.iter().filter_map(|(_, _, it)| Some(it.as_ref()?.0)).collect();
    let of_others = [NoCall, NoRoom, Unaudited, TooMany];
    let missing: Vec<_> =
        Denial::ALL.into_iter().filter(|it| !in_tables.contains(it) && !of_others.contains(it)).collect();
    assert_eq!(missing, []);
}

#[test]
fn of_several_reasons_the_first_is_told() {
    let (mut monitoring, house) = (by_role(), house());
    let mut question = Question { mode: Barge, ..ask("max", "100") };
    let sides = [OnNet, OnNet];
    question.call = Some(Facts { sides, other: "103", is_emergency: true, sound: Sound::Encrypted, ..CALL });
    question.side = OffNet;
    monitoring.never = set(["bob", "ceo"]);
    monitoring.dialling = Some(Names::default());
    monitoring.enabled = false;
    let mut heard = Vec::new();
    let mut hear = |monitoring: &Monitoring, question: &Question<'_>| {
        heard.extend(decide(monitoring, &house, question).err());
    };
    hear(&monitoring, &question);
    monitoring.enabled = true;
    hear(&monitoring, &question);
    question.side = OnNet;
    hear(&monitoring, &question);
    monitoring.dialling = None;
    hear(&monitoring, &question);
    monitoring.never = set(["ceo"]);
    hear(&monitoring, &question);
    call_of(&mut question).is_emergency = false;
    hear(&monitoring, &question);
    monitoring.never.clear();
    hear(&monitoring, &question);
    call_of(&mut question).sound = Sound::HearOnly;
    hear(&monitoring, &question);
    monitoring.rules[1].modes = Modes::ALL;
    hear(&monitoring, &question);
    question.mode = WhisperToAgent;
    hear(&monitoring, &question);
    call_of(&mut question).sound = Sound::Mixable;
    hear(&monitoring, &question);
    let expected = [
        Disabled,
        FromOutside,
        NotListed,
        Protected,
        Emergency,
        ProtectedParty,
        Encrypted,
        ModeNotPermitted,
        HearOnly,
        WhisperOnOneSide,
        WhisperOnOneSide,
    ];
    assert_eq!(heard, expected);
}

#[test]
fn rules_add_up() {
    let whom = || Whom { extensions: set(["100"]), ..Whom::default() };
    let rules = vec![
        rule(named("usr"), whom(), of(&[Listen])),
        rule(role(UserRole::User), whom(), of(&[Barge])),
        rule(
            Who { names: Names { groups: set(["support"]), ..Names::default() }, ..Who::default() },
            whom(),
            of(&[WhisperToAgent]),
        ),
        rule(named("adm"), whom(), of(&[WhisperToCaller])),
    ];
    let (monitoring, house) = (Monitoring { enabled: true, rules, ..Monitoring::default() }, house());
    let may = |user, target| modes(&monitoring, &house, &ask(user, target));
    assert_eq!(may("usr", "100"), of(&[Listen, WhisperToAgent, Barge]));
    assert_eq!(may("joe", "100"), of(&[Barge]));
    assert_eq!(may("usr", "101"), Modes::default(), "a rule for an extension is for no other of its user");
}

#[test]
fn each_denial_can_be_said_in_every_way() {
    let mut keys = std::collections::HashSet::new();
    for denial in Denial::ALL {
        assert!(keys.insert(denial.key()), "{denial:?}");
        assert_eq!(Denial::of_key(denial.key()), Some(denial));
        assert!((400..700).contains(&denial.sip_status()) && (400..600).contains(&denial.http_status()), "{denial:?}");
        assert_ne!(denial.sip_phrase(), "Response", "{denial:?} has a status that RFC 3261 names");
        let header = denial.reason_header();
        let text = header.strip_prefix(&format!("SIP;cause={};text=\"", denial.sip_status()));
        let text = text.and_then(|text| text.strip_suffix('"')).unwrap_or_else(|| panic!("{header}"));
        let is_plain = |letter: char| letter.is_ascii_graphic() && !"\"\\".contains(letter) || letter == ' ';
        assert!(!text.is_empty() && text.chars().all(is_plain), "{header}");
        assert!(!denial.complaint().is_empty() && !denial.way_out().is_empty(), "{denial:?}");
    }
    assert_eq!(Denial::of_key("because"), None);
}
