//! `[monitoring]`.

use std::time::Duration;

use undertone_core::mixer::{Mode, Person};

use super::{
    problems::{all_problems, problems},
    *,
};
use crate::{
    monitor::{Code, Codes, Dialled, RefusalSound, RefusedCall},
    permission::{Denial, Hours, Modes, Names, Weekday},
};

/// Everybody, in 24 lines behind the first six.
const PEOPLE: &str = "\
[[user]]\nname = \"ann\"\nextensions = [\"200\"]\nrole = \"call-center-supervisor\"\n\
[[user]]\nname = \"bob\"\nextensions = [\"100\", \"101\"]\n\
[[user-group]]\nname = \"support\"\nmembers = [\"bob\"]\nextensions = [\"700\"]\n\
[[queue]]\nname = \"sales\"\nextensions = [\"800\"]\nagents = [\"bob\"]\nsupervisors = [\"ann\"]\n\
[[user]]\nname = \"eve\"\nextensions = [\"ev\"]\n\
[monitoring]\n";

fn monitoring(text: &str) -> Monitoring {
    sip(&format!("{PEOPLE}{text}")).monitoring
}

fn set<const N: usize>(words: [&str; N]) -> std::collections::BTreeSet<String> {
    words.map(Into::into).into()
}

#[test]
fn the_example_has_every_key_of_monitoring() {
    let it = Config::parse(EXAMPLE).unwrap_or_else(|error| panic!("{error}")).sip.expect("a section").monitoring;
    assert!(it.enabled && !it.follow && it.confirmation_tone);
    assert_eq!(it.dialling, Some(Names { users: set(["ann"]), groups: set(["support"]) }));
    assert_eq!((it.prefix.as_str(), &it.codes, it.refusal), ("007", &Codes::default(), RefusalSound::Tone));
    assert_eq!((it.digit_timeout, it.phone_timeout), (Duration::from_secs(5), Some(Duration::from_secs(30))));
    assert_eq!((it.ducking, it.refused_call), (12, RefusedCall::Announcement));
    let file = |denial| it.announcements.of(denial).and_then(|path| path.to_str());
    assert_eq!(
        [Denial::NoCall, Denial::NoRule].map(file),
        [Some("/etc/undertone/nobody-speaks.wav"), Some("/etc/undertone/refused.wav")]
    );
    assert!(it.consent.is_heard(Person::Caller, Mode::Listen) && !it.consent.is_heard(Person::Agent, Mode::Barge));
    assert_eq!((it.emergency_numbers, it.never), (set(["110", "112", "116117"]), set(["203", "+4930555123"])));
    let [rule, site] = &it.rules[..] else { panic!("{:#?}", it.rules) };
    assert_eq!(rule.who.names, Names { users: set(["ann"]), groups: set(["support"]) });
    assert_eq!(rule.who.roles, [UserRole::CallCenterSupervisor, UserRole::Administrator].into());
    assert_eq!((&rule.whom.extensions, &rule.whom.queues), (&set(["204"]), &set(["sales"])));
    assert_eq!(rule.whom.names, Names { users: set(["bob"]), groups: set(["support"]) });
    assert!(rule.whom.their_queues && !rule.whom.their_groups && !rule.whom.their_site && !rule.whom.everyone);
    let days = &Weekday::ALL[..5];
    assert_eq!(
        (rule.modes, Some(&rule.hours)),
        (Modes::ALL, Hours::new(days.iter().copied().collect(), 480, 1080).as_ref())
    );
    assert!(site.whom.their_site && site.whom.extensions.is_empty());
    assert_eq!((site.modes, &site.hours), ([Mode::Listen].into_iter().collect(), &Hours::always()));
}

#[test]
fn left_out_nobody_monitors_and_by_the_section_alone_still_nobody() {
    assert_eq!(sip(PEOPLE.trim_end_matches("[monitoring]\n")).monitoring, Monitoring::default());
    assert_eq!(monitoring(""), Monitoring { enabled: true, ..Monitoring::default() });
    assert_eq!(monitoring("").rules, []);
}

#[test]
fn what_is_dialled_can_be_changed_and_switched_off() {
    let it = monitoring(
        "enabled = false\nprefix = \"*7\"\nlisten = \"1\"\nnext-call = \"none\"\nrefusal = \"none\"\ndigit-timeout = 3",
    );
    assert_eq!((it.enabled, it.refusal, it.digit_timeout), (false, RefusalSound::None, Duration::from_secs(3)));
    assert_eq!((it.codes.of("1"), it.codes.digits(Code::NextCall)), (Some(Code::Mode(Mode::Listen)), None));
    assert_eq!(it.dialled("*7100"), None);
    let it = Monitoring { enabled: true, ..it };
    assert_eq!(it.dialled("*7100"), Some(Dialled::Extension("100".into())));
}

#[test]
fn an_entry_of_never_is_a_name_or_a_number_without_separators() {
    let it =
        monitoring("never = [\"1-00\", \"ann\", \"sales\", \"support\", \"ev\", \"+49 30\"]".replace(' ', "").as_str());
    assert_eq!(it.never, set(["100", "ann", "sales", "support", "ev", "+4930"]));
}

#[test]
fn a_rule_may_be_of_the_night() {
    let rule = "[[monitoring.rule]]\nwho = { users = [\"ann\"] }\nwhom = { everyone = true }\n";
    let it = monitoring(&format!(
        "{rule}days = [\"sun\"]\nfrom = \"22:00\"\nto = \"06:00\"\n{rule}to = \"24:00\"\n{rule}from = \"12:30\""
    ));
    let hours: Vec<_> = it.rules.iter().map(|rule| (rule.hours.days().len(), rule.hours.minutes())).collect();
    assert_eq!(hours, [(1, (1320, 360)), (7, (0, 1440)), (7, (750, 1440))]);
}

#[test]
fn wrong_codes_are_told_with_line_and_key() {
    let either = r#"give one of them other digits, or switch it off by "none""#;
    let key = "expected 1 to 8 keys of a telephone, in quotes: digits, `*` and `#`, found";
    all_problems(
        &format!("{LISTEN}{PEOPLE}"),
        &[
            ("listen = 80", &format!(r#"line 27, `monitoring.listen`: {key} 80; write it like "*80", or "none""#)),
            ("prefix = \"none\"", &format!(r#"line 27, `monitoring.prefix`: {key} "none"; write it like "*80""#)),
            (
                "prefix = \"123456789\"",
                &format!(r#"line 27, `monitoring.prefix`: {key} "123456789"; write it like "*80""#),
            ),
            (
                "next-call = \"*80\"",
                &format!("line 27, `monitoring.next-call`: `listen` and `next-call` are both *80; {either}"),
            ),
            (
                "listen = \"*84\"",
                &format!("line 27, `monitoring.listen`: `listen` and `next-call` are both *84; {either}"),
            ),
            (
                "whisper-to-agent = \"*801\"",
                &format!(
                    "line 27, `monitoring.whisper-to-agent`: *80 of `listen` is the beginning of *801 of `whisper-to-agent`, which nobody could dial to its end; {either}"
                ),
            ),
            (
                "listen = \"none\"\nwhisper-to-agent = \"*801\"\nspeak-with-everyone = \"*80\"",
                &format!(
                    "line 28, `monitoring.whisper-to-agent`: *80 of `speak-with-everyone` is the beginning of *801 of `whisper-to-agent`, which nobody could dial to its end; {either}"
                ),
            ),
            (
                "listen = \"00\"",
                &format!(
                    "line 27, `monitoring.listen`: 00 of `listen` is the beginning of 007 of `prefix`, and what begins so would be either; {either}"
                ),
            ),
            (
                "listen = \"0071\"",
                &format!(
                    "line 27, `monitoring.listen`: 007 of `prefix` is the beginning of 0071 of `listen`, and what begins so would be either; {either}"
                ),
            ),
            (
                "prefix = \"20\"",
                "line 27, `monitoring.prefix`: 200 is an extension and begins with the prefix 20, so that nobody could call it; take a prefix that no number here begins with",
            ),
            (
                "prefix = \"9\"",
                "line 27, `monitoring.prefix`: 911 is an emergency number and begins with the prefix 9, so that nobody could call it; take a prefix that no number here begins with\n\
                 line 27, `monitoring.prefix`: 999 is an emergency number and begins with the prefix 9, so that nobody could call it; take a prefix that no number here begins with",
            ),
            (
                "listen = \"100\"",
                r#"line 27, `monitoring.listen`: 100 is an extension, and whoever calls it would be taken to dial a code; give the code other digits, or "none""#,
            ),
            (
                "digit-timeout = 0",
                "line 27, `monitoring.digit-timeout`: expected a number from 1 to 60, found 0; write it in digits, without quotes",
            ),
            (
                "refusal = \"beep\"",
                r#"line 27, `monitoring.refusal`: expected what is heard of a refusal, found "beep"; it is "tone", "announcement" or "none""#,
            ),
            (
                "whisper-to = \"*83\"",
                "line 27, `monitoring.whisper-to`: there is no such key; did you mean `whisper-to-agent`?",
            ),
        ],
    );
}

#[test]
fn wrong_persons_are_told_with_line_and_key() {
    all_problems(
        &format!("{LISTEN}{PEOPLE}"),
        &[
            ("users = [\"anne\"]", r#"line 27, `monitoring.users`: there is no user "anne"; did you mean "ann"?"#),
            (
                "users = [\"support\"]",
                r#"line 27, `monitoring.users`: "support" is a group of users, and this is a list of users; put it into the list for those"#,
            ),
            (
                "user-groups = []",
                "line 27, `monitoring.user-groups`: this list is empty; leave the key out, or write some in it",
            ),
            (
                "emergency-numbers = [\"112\",\n\"101\"]",
                "line 28, `monitoring.emergency-numbers`: 101 is an extension of \"bob\", and its calls would be emergency calls; give it another extension, or leave the number out here\n",
            ),
            (
                "emergency-numbers = []",
                "line 27, `monitoring.emergency-numbers`: this list is empty; leave the key out for the usual ones",
            ),
            (
                "emergency-numbers = [\"sos\"]",
                r#"line 27, `monitoring.emergency-numbers`: expected a number of at most 32 digits, in quotes, found "sos"; write it like "112""#,
            ),
            (
                "never = [\"100\", \"saless\"]",
                r#"line 27, `monitoring.never`: there is no extension, user, group of users or queue "saless"; did you mean "sales"?"#,
            ),
            (
                "consent-tone = [\"supervisor\"]",
                r#"line 27, `monitoring.consent-tone`: expected a party of the call, found "supervisor"; it is "agent" or "caller""#,
            ),
            (
                "ducking = 41",
                "line 27, `monitoring.ducking`: expected a number from 0 to 40, found 41; write it in digits, without quotes",
            ),
            (
                "refused-call = \"silence\"",
                r#"line 27, `monitoring.refused-call`: expected what is heard of a call that is refused, found "silence"; it is "code", "tone" or "announcement""#,
            ),
            (
                "refused-call = \"announcement\"",
                r#"line 27, `monitoring.refused-call`: there is no announcement to be heard; write [monitoring.announcements] with other = "/etc/undertone/refused.wav", or choose "tone""#,
            ),
            (
                "[monitoring.announcements]\nno-rul = \"/a.wav\"",
                "line 27, `monitoring.announcements`: nobody hears announcements: neither `refusal` nor `refused-call` is \"announcement\"; set one of them, or remove this section\n\
                 line 28, `monitoring.announcements.no-rul`: there is no such key; did you mean `no-rule`?",
            ),
            (
                "consent-tone-modes = [\"listen\"]",
                r#"line 27, `monitoring.consent-tone-modes`: nobody hears the consent tone, in these modes as in any; write consent-tone = ["agent", "caller"] as well"#,
            ),
        ].map(|(text, expected)| (text, expected.trim_end())),
    );
}

#[test]
fn wrong_rules_are_told_with_line_and_key() {
    let text = format!("{LISTEN}{PEOPLE}[[monitoring.rule]]\n");
    all_problems(
        &text,
        &[
            (
                "modes = [\"whispers\"]",
                "line 27, `monitoring.rule.who`: this is missing; write for example who = { roles = [\"administrator\"] }\n\
                 line 27, `monitoring.rule.whom`: this is missing; write for example whom = { their-queues = true }\n\
                 line 28, `monitoring.rule.modes`: expected a mode, found \"whispers\"; it is \"listen\", \"whisper\", \"whisper-caller\" or \"barge\"",
            ),
            (
                "who = {}\nwhom = { their-site = false }",
                "line 28, `monitoring.rule.who`: the rule is for nobody; write users, user-groups or roles in it\n\
                 line 29, `monitoring.rule.whom`: the rule permits to monitor nobody; write extensions, users, user-groups or queues in it, or their-queues, their-groups, their-site or everyone = true",
            ),
            (
                "who = { roles = [\"boss\"], user = [\"ann\"] }\nwhom = { queues = [\"ann\"] }",
                "line 28, `monitoring.rule.who.roles`: expected a role, found \"boss\"; it is \"user\", \"call-center-supervisor\", \"office-manager\", \"site-manager\", \"administrator\" or \"auditor\"\n\
                 line 28, `monitoring.rule.who.user`: there is no such key; did you mean `users`?\n\
                 line 29, `monitoring.rule.whom.queues`: \"ann\" is a user, and this is a list of queues; put it into the list for those",
            ),
        ],
    );
    let text = format!("{text}who = {{ users = [\"ann\"] }}\nwhom = {{ everyone = true }}\n");
    all_problems(
        &text,
        &[
            (
                "days = [\"monday\"]",
                r#"line 30, `monitoring.rule.days`: expected a day of the week, found "monday"; it is "mon", "tue", "wed", "thu", "fri", "sat" or "sun""#,
            ),
            (
                "from = \"24:00\"",
                r#"line 30, `monitoring.rule.from`: expected a time of day from 00:00 to 23:59, found "24:00"; write hours and minutes, like "08:30""#,
            ),
            (
                "to = \"8:00\"",
                r#"line 30, `monitoring.rule.to`: expected a time of day from 00:01 to 24:00, found "8:00"; write hours and minutes, like "08:30""#,
            ),
            (
                "from = \"08:00\"\nto = \"08:00\"",
                "line 31, `monitoring.rule.to`: a rule that holds from one time to the same never does, or always; leave out `from` and `to` for the whole day",
            ),
        ],
    );
    for time in ["08:60", "25:00", "+8:00", "08:+1", "0800", "", ":", "08:00:00"] {
        assert!(problems(&format!("{text}to = \"{time}\"")).contains("expected a time of day"), "{time}");
    }
}

#[test]
fn the_section_needs_sip() {
    let text = FRONT.replace("[sip]\n", "[monitoring]\n");
    let expected = "line 5, `monitoring`: there is a [monitoring] section and no [sip] section, so nobody answers SIP; \
                    write [sip] with listen = [\"udp:192.0.2.10:5060\"] below it, or remove it";
    assert_eq!(Config::parse(&text).expect_err("no section").to_string(), expected);
}
