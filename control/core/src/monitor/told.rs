//! What is configured of monitoring, as the audit tells it: with the keys of the configuration.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use undertone_core::mixer::Mode;

use super::{Code, Monitoring};
use crate::{
    names::Named,
    permission::{Hours, Names, Rule, Who, Whom},
};

impl Monitoring {
    /// Everything that decides who may monitor whom, and what is done for it.
    pub fn told(&self) -> Value {
        let code = |code: Code| (code.key().to_owned(), json!(self.codes.digits(code).unwrap_or("none")));
        let mut told: Map<_, _> = Code::ALL.into_iter().map(code).collect();
        let names = self.dialling.as_ref();
        let persons: Vec<_> = self.consent.persons.iter().map(|person| person.name()).collect();
        told.extend([
            ("enabled".into(), json!(self.enabled)),
            ("users".into(), json!(names.map(|names| &names.users))),
            ("user-groups".into(), json!(names.map(|names| &names.groups))),
            ("prefix".into(), json!(self.prefix)),
            ("follow".into(), json!(self.follow)),
            ("consent-tone".into(), json!(persons)),
            ("consent-tone-modes".into(), keys(self.consent.modes.iter().copied())),
            ("audit-failure".into(), json!(self.audit_failure.name())),
            ("ducking".into(), json!(self.ducking)),
            ("emergency-numbers".into(), json!(self.emergency_numbers)),
            ("never".into(), json!(self.never)),
            ("rules".into(), self.rules.iter().map(rule).collect()),
        ]);
        Value::Object(told)
    }
}

fn rule(rule: &Rule) -> Value {
    let Rule { who: Who { names, roles }, whom, modes, hours } = rule;
    let roles: Vec<_> = roles.iter().map(|role| role.name()).collect();
    let mut by = lists([("users", &names.users), ("user-groups", &names.groups)]);
    if !roles.is_empty() {
        by.insert("roles".into(), json!(roles));
    }
    let mut told = Map::from_iter([
        ("who".to_owned(), Value::Object(by)),
        ("whom".into(), Value::Object(targets(whom))),
        ("modes".into(), keys(modes.iter())),
    ]);
    if *hours != Hours::always() {
        let days: Vec<_> = hours.days().iter().map(|day| day.name()).collect();
        let (from, to) = hours.minutes();
        let clock = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        told.extend([
            ("days".into(), json!(days)),
            ("from".into(), clock(from).into()),
            ("to".into(), clock(to).into()),
        ]);
    }
    Value::Object(told)
}

fn targets(whom: &Whom) -> Map<String, Value> {
    let Whom { everyone, extensions, names: Names { users, groups }, queues, their_queues, their_groups, their_site } =
        whom;
    let mut told = lists([("extensions", extensions), ("users", users), ("user-groups", groups), ("queues", queues)]);
    let switches = [
        ("everyone", everyone),
        ("their-queues", their_queues),
        ("their-groups", their_groups),
        ("their-site", their_site),
    ];
    told.extend(switches.into_iter().filter(|(_, on)| **on).map(|(key, on)| (key.to_owned(), json!(on))));
    told
}

/// The lists that are not empty.
fn lists<const N: usize>(lists: [(&str, &BTreeSet<String>); N]) -> Map<String, Value> {
    let filled = lists.into_iter().filter(|(_, list)| !list.is_empty());
    filled.map(|(key, list)| (key.to_owned(), json!(list))).collect()
}

fn keys(modes: impl Iterator<Item = Mode>) -> Value {
    modes.map(Mode::key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    const EXAMPLE: &str = include_str!("../../../undertone.example.toml");

    #[test]
    fn it_is_told_as_it_is_configured() {
        let told = Config::parse(EXAMPLE).expect("the example").sip.expect("a section").monitoring.told();
        let expected = json!({
            "enabled": true,
            "users": ["ann"],
            "user-groups": ["support"],
            "prefix": "007",
            "listen": "*80",
            "speak-with-caller": "*81",
            "speak-with-everyone": "*82",
            "whisper-to-agent": "*83",
            "next-call": "*84",
            "follow": false,
            "consent-tone": ["agent", "caller"],
            "consent-tone-modes": ["listen", "whisper"],
            "audit-failure": "end",
            "ducking": 12,
            "emergency-numbers": ["110", "112", "116117"],
            "never": ["+4930555123", "203"],
            "rules": [
                {
                    "who": { "users": ["ann"], "user-groups": ["support"], "roles": ["call-center-supervisor", "administrator"] },
                    "whom": {
                        "extensions": ["204"],
                        "users": ["bob"],
                        "user-groups": ["support"],
                        "queues": ["sales"],
                        "their-queues": true,
                    },
                    "modes": ["listen", "whisper", "whisper-caller", "barge"],
                    "days": ["mon", "tue", "wed", "thu", "fri"],
                    "from": "08:00",
                    "to": "18:00",
                },
                { "who": { "roles": ["site-manager"] }, "whom": { "their-site": true }, "modes": ["listen"] },
            ],
        });
        assert_eq!(told, expected);
        assert_eq!(Monitoring::default().told()["users"], Value::Null, "nobody is kept from dialling");
    }
}
