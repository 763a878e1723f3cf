//! `[monitoring]` and `[[monitoring.rule]]`.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use undertone_core::mixer::{Mode, Person};

use super::{names, values};
use crate::{
    config::{
        document::{Place, Placed},
        section::Section,
        values::{self as plain, quote},
    },
    directory::{Bearer, Directory, UserRole},
    identity::normalised,
    monitor::{Announcements, AuditFailure, Code, Codes, Consent, Monitoring, RefusalSound, RefusedCall},
    permission::{Denial, Hours, Modes, Names, Rule, Weekday, Who, Whom},
};

const RULES_MAX: usize = 1000;
const WORDS_MAX: usize = 10_000;
const EMERGENCY_NUMBERS_MAX: usize = 100;
const DIGIT_TIMEOUT_S_MAX: u32 = 60;
const PHONE_TIMEOUT_S_MAX: u32 = 3600;
const REFUSALS_MAX: u32 = 10_000;
const DUCKING_DB_MAX: u32 = 40;

/// Reads it all. Without the section nobody monitors anybody.
pub(super) fn read(section: Option<Section<'_>>, directory: &Directory) -> Monitoring {
    let Some(section) = section else { return Monitoring::default() };
    let default = Monitoring::default();
    let known = Known::new(directory);
    // What cannot be read is complained of, so that nobody sees what stands in its place.
    let enabled = section.or_default("enabled", plain::boolean, true).unwrap_or_default();
    let dialling = Names::read(&section, &known);
    let numbers = Numbers::read(&section, directory);
    let timeout_s = plain::integer(1..=DIGIT_TIMEOUT_S_MAX);
    let digit_timeout = section.optional("digit-timeout", timeout_s).map(|s| Duration::from_secs(s.value.into()));
    let phone_timeout = section.optional("phone-timeout", plain::integer(0..=PHONE_TIMEOUT_S_MAX));
    let phone_timeout =
        phone_timeout.map_or(default.phone_timeout, |s| (s.value > 0).then(|| Duration::from_secs(s.value.into())));
    let switch = |key, default| section.or_default(key, plain::boolean, default).unwrap_or_default();
    let (follow, confirmation_tone) =
        (switch("follow", default.follow), switch("confirmation-tone", default.confirmation_tone));
    let refusal = section.or_default("refusal", plain::named::<RefusalSound>, default.refusal).unwrap_or_default();
    let refused_call =
        section.or_default("refused-call", plain::named::<RefusedCall>, default.refused_call).unwrap_or_default();
    let audit_failure =
        section.or_default("audit-failure", plain::named::<AuditFailure>, default.audit_failure).unwrap_or_default();
    let refusals = plain::integer(1..=REFUSALS_MAX);
    let refusals = section.or_default("refusals-per-minute", refusals, default.refusals_per_minute);
    let ducking = section.or_default("ducking", plain::integer(0..=DUCKING_DB_MAX), default.ducking.into());
    let monitoring = Monitoring {
        enabled,
        dialling: (section.has("users") || section.has("user-groups")).then_some(dialling),
        prefix: numbers.prefix,
        codes: numbers.codes,
        digit_timeout: digit_timeout.unwrap_or(default.digit_timeout),
        phone_timeout,
        follow,
        confirmation_tone,
        refusal,
        refused_call,
        announcements: announcements(&section, refusal, refused_call),
        consent: consent(&section),
        audit_failure,
        refusals_per_minute: refusals.unwrap_or_default(),
        ducking: ducking.and_then(|db| u8::try_from(db).ok()).unwrap_or_default(),
        emergency_numbers: numbers.emergency,
        never: words(&section, "never", &known),
        rules: rules(&section.sections("rule"), &known),
    };
    section.finish();
    monitoring
}

/// What is dialled, or must not be mistaken for it.
struct Numbers {
    prefix: String,
    codes: Codes,
    emergency: BTreeSet<String>,
}

impl Numbers {
    fn read(section: &Section<'_>, directory: &Directory) -> Self {
        let default = Monitoring::default();
        let before = section.complaints();
        let prefix = section.or_default("prefix", values::code, default.prefix).unwrap_or_default();
        let codes = Code::ALL.into_iter().filter_map(|code| {
            let usual = Some(code.usual().to_owned());
            let digits = section.or_default(code.key(), values::code_or_none, usual).flatten()?;
            Some((digits, code))
        });
        let codes: Vec<_> = codes.collect();
        let emergency = emergency_numbers(section, directory);
        let emergency = if emergency.is_empty() { default.emergency_numbers } else { emergency };
        if section.complaints() == before {
            check_codes(section, &codes, &prefix);
            check_others(section, &codes, &prefix, &emergency, directory);
        }
        Self { prefix, codes: Codes::new(codes).unwrap_or_default(), emergency }
    }
}

/// Each code can be dialled to its end, and no number of an extension begins with one.
fn check_codes(section: &Section<'_>, codes: &[(String, Code)], prefix: &str) {
    let way_out = r#"give one of them other digits, or switch it off by "none""#;
    for (at, (digits, code)) in codes.iter().enumerate() {
        let key = code.key();
        for (earlier, other) in &codes[..at] {
            let place = written(section, key, other.key());
            if digits == earlier {
                let wrong = format!("`{}` and `{key}` are both {digits}", other.key());
                section.complain(&place, wrong, way_out);
            } else if let Some((short, long)) = beginning((digits, key), (earlier, other.key())) {
                let wrong = format!(
                    "{} of `{}` is the beginning of {} of `{}`, which nobody could dial to its end",
                    short.0, short.1, long.0, long.1
                );
                section.complain(&place, wrong, way_out);
            }
        }
        if let Some((short, long)) = beginning((digits, key), (prefix, "prefix")) {
            let wrong = format!(
                "{} of `{}` is the beginning of {} of `{}`, and what begins so would be either",
                short.0, short.1, long.0, long.1
            );
            section.complain(&written(section, key, "prefix"), wrong, way_out);
        }
    }
}

/// No extension and no emergency number is taken for what is dialled here.
fn check_others(
    section: &Section<'_>,
    codes: &[(String, Code)],
    prefix: &str,
    emergency: &BTreeSet<String>,
    directory: &Directory,
) {
    let groups = directory.groups().iter().flat_map(|group| &group.extensions);
    let queues = directory.queues().iter().flat_map(|queue| &queue.extensions);
    let extensions = directory.users().iter().flat_map(|user| &user.extensions).chain(groups).chain(queues);
    let extensions = extensions.map(|number| (number, "an extension"));
    let emergency = emergency.iter().map(|number| (number, "an emergency number"));
    for (number, what) in emergency.chain(extensions) {
        if number.starts_with(prefix) {
            let wrong = format!("{number} is {what} and begins with the prefix {prefix}, so that nobody could call it");
            section.complain(&section.place_of("prefix"), wrong, "take a prefix that no number here begins with");
        }
        if let Some((_, code)) = codes.iter().find(|(digits, _)| digits == number) {
            let wrong = format!("{number} is {what}, and whoever calls it would be taken to dial a code");
            section.complain(&section.place_of(code.key()), wrong, r#"give the code other digits, or "none""#);
        }
    }
}

/// Digits, and the key that has them.
type Keyed<'a> = (&'a str, &'a str);

/// Of two the one that the other begins with, and the other.
fn beginning<'a>(one: Keyed<'a>, other: Keyed<'a>) -> Option<(Keyed<'a>, Keyed<'a>)> {
    match (one.0.starts_with(other.0), other.0.starts_with(one.0)) {
        (true, _) => Some((other, one)),
        (_, true) => Some((one, other)),
        (false, false) => None,
    }
}

/// Where the first of two keys that is written stands.
fn written(section: &Section<'_>, one: &str, other: &str) -> Place {
    section.place_of(if section.has(one) { one } else { other })
}

fn emergency_numbers(section: &Section<'_>, directory: &Directory) -> BTreeSet<String> {
    let numbers = section.filled_list("emergency-numbers", "leave the key out for the usual ones", values::emergency);
    check_count(section, &numbers, EMERGENCY_NUMBERS_MAX, "emergency numbers");
    for number in &numbers {
        if let Some(name) = name_of(directory, &number.value) {
            let wrong =
                format!("{} is an extension of \"{name}\", and its calls would be emergency calls", number.value);
            section.complain(&number.place, wrong, "give it another extension, or leave the number out here");
        }
    }
    numbers.into_iter().map(|number| number.value).collect()
}

/// The name of whoever has an extension.
fn name_of<'d>(directory: &'d Directory, extension: &str) -> Option<&'d str> {
    Some(match directory.bearer(extension)? {
        Bearer::User(user) => &directory.user(user)?.name,
        Bearer::Group(group) => &directory.groups().get(group as usize)?.name,
        Bearer::Queue(queue) => &directory.queues().get(queue as usize)?.name,
    })
}

fn consent(section: &Section<'_>) -> Consent {
    let persons = section.list("consent-tone", plain::named::<Person>);
    let modes = modes(section, "consent-tone-modes");
    if section.has("consent-tone-modes") && persons.is_empty() {
        let wrong = "nobody hears the consent tone, in these modes as in any";
        section.complain(
            &section.place_of("consent-tone-modes"),
            wrong,
            r#"write consent-tone = ["agent", "caller"] as well"#,
        );
    }
    Consent { persons: persons.into_iter().map(|person| person.value).collect(), modes: modes.iter().collect() }
}

/// Recordings. Those that nobody would hear are complained of, and so is that there are none where they are to be heard.
fn announcements(section: &Section<'_>, refusal: RefusalSound, refused_call: RefusedCall) -> Announcements {
    let wanted = [
        ("refusal", refusal == RefusalSound::Announcement),
        ("refused-call", refused_call == RefusedCall::Announcement),
    ];
    let wanted = wanted.into_iter().find(|(_, is)| *is).map(|(key, _)| key);
    let Some(files) = section.section("announcements") else {
        if let Some(key) = wanted {
            let way_out =
                r#"write [monitoring.announcements] with other = "/etc/undertone/refused.wav", or choose "tone""#;
            section.complain(&section.place_of(key), "there is no announcement to be heard", way_out);
        }
        return Announcements::default();
    };
    let file = |key| files.optional(key, plain::file).map(|file| file.value);
    let reasons: BTreeMap<_, _> =
        Denial::ALL.into_iter().filter_map(|denial| Some((denial.key(), file(denial.key())?))).collect();
    let other = file("other");
    files.finish();
    if wanted.is_none() {
        let wrong = "nobody hears announcements: neither `refusal` nor `refused-call` is \"announcement\"";
        files.complain(files.place(), wrong, "set one of them, or remove this section");
    }
    Announcements { reasons, other }
}

/// The modes of a list; all when it is not there.
fn modes(section: &Section<'_>, key: &'static str) -> Modes {
    let modes = section.filled_list(key, "leave the key out for all modes", plain::named::<Mode>);
    if section.has(key) { modes.into_iter().map(|mode| mode.value).collect() } else { Modes::ALL }
}

/// Extensions, numbers and names of a list. A name that is not known would be nobody's.
pub(super) fn words(section: &Section<'_>, key: &'static str, known: &Known<'_>) -> BTreeSet<String> {
    let words = section.filled_list(key, "leave the key out where there is none", values::extension_or_name);
    check_count(section, &words, WORDS_MAX, "entries");
    for word in &words {
        let is_number = normalised(&word.value).bytes().all(|byte| byte.is_ascii_digit() || b"+*#".contains(&byte));
        if !is_number && !known.has(&word.value) {
            let what = "extension, user, group of users or queue";
            names::complain_unknown(section, word, what, known.all(), "[[user]]", &known.compared);
        }
    }
    words.into_iter().map(|word| if known.has(&word.value) { word.value } else { normalised(&word.value) }).collect()
}

fn rules(sections: &[Section<'_>], known: &Known<'_>) -> Vec<Rule> {
    if let Some(beyond) = sections.get(RULES_MAX) {
        let wrong = format!("{} rules, and a node has at most {RULES_MAX}", sections.len());
        beyond.complain(beyond.place(), wrong, "put users into groups, and remove some");
    }
    sections.iter().take(RULES_MAX).filter_map(|section| Rule::read(section, known)).collect()
}

impl Rule {
    fn read(section: &Section<'_>, known: &Known<'_>) -> Option<Self> {
        let who = section.required_section("who", r#"who = { roles = ["administrator"] }"#);
        let whom = section.required_section("whom", "whom = { their-queues = true }");
        let (who, whom) = (who.map(|who| Who::read(&who, known)), whom.map(|whom| Whom::read(&whom, known)));
        let modes = modes(section, "modes");
        let hours = hours(section);
        section.finish();
        Some(Self { who: who?, whom: whom?, modes, hours: hours? })
    }
}

impl Names {
    fn read(section: &Section<'_>, known: &Known<'_>) -> Self {
        Self {
            users: known.names(section, "users", Kind::User),
            groups: known.names(section, "user-groups", Kind::Group),
        }
    }
}

impl Who {
    fn read(section: &Section<'_>, known: &Known<'_>) -> Self {
        let before = section.complaints();
        let names = Names::read(section, known);
        let roles = section.filled_list("roles", LEAVE_OUT, plain::named::<UserRole>);
        let who = Self { names, roles: roles.into_iter().map(|role| role.value).collect() };
        section.finish();
        if section.complaints() == before && who == Self::default() {
            let way_out = "write users, user-groups or roles in it";
            section.complain(section.place(), "the rule is for nobody", way_out);
        }
        who
    }
}

impl Whom {
    fn read(section: &Section<'_>, known: &Known<'_>) -> Self {
        let before = section.complaints();
        let extensions = section.filled_list("extensions", LEAVE_OUT, values::extension);
        let names = Names::read(section, known);
        let queues = known.names(section, "queues", Kind::Queue);
        let switch = |key| section.or_default(key, plain::boolean, false).unwrap_or_default();
        let whom = Self {
            everyone: switch("everyone"),
            extensions: extensions.into_iter().map(|extension| extension.value).collect(),
            names,
            queues,
            their_queues: switch("their-queues"),
            their_groups: switch("their-groups"),
            their_site: switch("their-site"),
        };
        section.finish();
        if section.complaints() == before && whom.is_empty() {
            let way_out = "write extensions, users, user-groups or queues in it, or their-queues, their-groups, their-site or everyone = true";
            section.complain(section.place(), "the rule permits to monitor nobody", way_out);
        }
        whom
    }
}

const LEAVE_OUT: &str = "leave the key out, or write some in it";

/// When a rule holds. `None` when that cannot be read.
fn hours(section: &Section<'_>) -> Option<Hours> {
    let before = section.complaints();
    let days = section.filled_list("days", "leave the key out for every day", plain::named::<Weekday>);
    let days: BTreeSet<_> = days.into_iter().map(|day| day.value).collect();
    let from = section.or_default("from", values::clock_time(0..=1439), 0);
    let to = section.or_default("to", values::clock_time(1..=1440), 1440);
    let (from, to) = from.zip(to).filter(|_| section.complaints() == before)?;
    let days = if days.is_empty() { Weekday::ALL.into() } else { days };
    let hours = Hours::new(days, from, to);
    if hours.is_none() {
        let wrong = "a rule that holds from one time to the same never does, or always";
        section.complain(&section.place_of("to"), wrong, "leave out `from` and `to` for the whole day");
    }
    hours
}

fn check_count(section: &Section<'_>, list: &[Placed<String>], count_max: usize, what: &str) {
    if let Some(beyond) = list.get(count_max) {
        let wrong = format!("{} {what}, and there are at most {count_max}", list.len());
        section.complain(&beyond.place, wrong, "remove some");
    }
}

/// Who there is, by name.
pub(super) struct Known<'d> {
    directory: &'d Directory,
    names: BTreeSet<(Kind, &'d str)>,
    compared: Cell<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    User,
    Group,
    Queue,
}

impl Kind {
    const ALL: [Self; 3] = [Self::User, Self::Group, Self::Queue];

    /// What one is, what several are, and the section that makes one.
    const fn words(self) -> [&'static str; 3] {
        match self {
            Self::User => ["user", "users", "[[user]]"],
            Self::Group => ["group of users", "groups of users", "[[user-group]]"],
            Self::Queue => ["queue", "queues", "[[queue]]"],
        }
    }
}

impl<'d> Known<'d> {
    pub(super) fn new(directory: &'d Directory) -> Self {
        let users = directory.users().iter().map(|user| (Kind::User, user.name.as_str()));
        let groups = directory.groups().iter().map(|group| (Kind::Group, group.name.as_str()));
        let queues = directory.queues().iter().map(|queue| (Kind::Queue, queue.name.as_str()));
        Self { directory, names: users.chain(groups).chain(queues).collect(), compared: Cell::new(0) }
    }

    /// Whether an extension or a name is somebody's.
    fn has(&self, word: &str) -> bool {
        self.directory.bearer(word).is_some() || Kind::ALL.into_iter().any(|kind| self.names.contains(&(kind, word)))
    }

    fn all(&self) -> impl Iterator<Item = &'d str> + Clone {
        self.names.iter().map(|(_, name)| *name)
    }

    /// The names of a list, which have to be of one kind.
    fn names(&self, section: &Section<'_>, key: &'static str, kind: Kind) -> BTreeSet<String> {
        let names = section.filled_list(key, LEAVE_OUT, values::name);
        for name in &names {
            self.check(section, name, kind);
        }
        names.into_iter().map(|name| name.value).collect()
    }

    fn check(&self, section: &Section<'_>, name: &Placed<String>, kind: Kind) {
        let is = |kind| self.names.contains(&(kind, name.value.as_str()));
        let [what, several, heading] = kind.words();
        match Kind::ALL.into_iter().find(|other| is(*other)) {
            _ if is(kind) => {}
            Some(other) => {
                let [found, ..] = other.words();
                let wrong = format!("{} is a {found}, and this is a list of {several}", quote(&name.value));
                section.complain(&name.place, wrong, "put it into the list for those");
            }
            None => {
                let known = self.names.iter().filter(|(other, _)| *other == kind).map(|(_, name)| *name);
                names::complain_unknown(section, name, what, known, heading, &self.compared);
            }
        }
    }
}
