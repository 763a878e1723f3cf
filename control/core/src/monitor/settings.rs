//! What is configured of monitoring.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Duration,
};

use undertone_core::mixer::{Mode, Person};

use super::{Code, Codes};
use crate::{
    identity::normalised,
    permission::{Denial, Names, Rule},
};

/// What is dialled before an extension to monitor it, unless the configuration says otherwise.
pub const PREFIX_DEFAULT: &str = "007";

/// Emergency numbers unless the configuration has its own: those of Europe and GSM, Germany and Japan, North America, the
/// United Kingdom, Australia, Italy and Switzerland, Japan and Korea.
pub const EMERGENCY_NUMBERS: [&str; 7] = ["112", "110", "911", "999", "000", "118", "119"];

/// Everything that an operator decides about monitoring. By default nobody monitors anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitoring {
    /// Whether the prefix and the codes can be dialled. Who has been let by the rules may do by API and portal what is
    /// switched off here.
    pub enabled: bool,
    /// Who may dial them; `None` for whomever the rules let.
    pub dialling: Option<Names>,
    /// What stands before an extension that is to be monitored. No code is its beginning, nor the other way round.
    pub prefix: String,
    /// The codes within a session.
    pub codes: Codes,
    /// For how long the next digit of a code is waited for.
    pub digit_timeout: Duration,
    /// For how long a supervisor's phone may send nothing before it is asked whether it is there; `None` for ever.
    pub phone_timeout: Option<Duration>,
    /// Whether a session waits for the next call of its extension when a call ends.
    pub follow: bool,
    /// Whether a supervisor hears a tone when something was changed.
    pub confirmation_tone: bool,
    /// What a supervisor hears when something was refused within a session.
    pub refusal: RefusalSound,
    /// What somebody hears whose call to a number of ours is refused.
    pub refused_call: RefusedCall,
    /// Recordings that say why something was refused.
    pub announcements: Announcements,
    /// Who hears that somebody listens.
    pub consent: Consent,
    /// By how many decibels a party is made softer while a supervisor is heard in its stream; 0 leaves it as it is.
    pub ducking: u8,
    /// What becomes of sessions while the audit cannot be written.
    pub audit_failure: AuditFailure,
    /// How many refusals of one source a minute have an answer and a row of the audit each.
    pub refusals_per_minute: u32,
    /// Calls to and from these numbers are never monitored.
    pub emergency_numbers: BTreeSet<String>,
    /// Extensions, and names of users, groups of users and queues, that nobody may monitor.
    pub never: BTreeSet<String>,
    /// Who may monitor whom. A thing is permitted when a rule permits it.
    pub rules: Vec<Rule>,
}

/// What a supervisor hears when something was refused within a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RefusalSound {
    /// A tone.
    #[default]
    Tone,
    /// Why, or a tone where there is no recording for that.
    Announcement,
    /// Nothing.
    None,
}

/// What somebody hears whose call is refused, before it ends with the status and the Reason that it always has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RefusedCall {
    /// What their phone makes of the status.
    #[default]
    Code,
    /// A tone.
    Tone,
    /// Why, or a tone where there is no recording for that.
    Announcement,
}

/// Recordings that say why something was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announcements {
    /// Files, by the [`key`](Denial::key) of the reason.
    pub reasons: BTreeMap<&'static str, PathBuf>,
    /// The file for every other reason.
    pub other: Option<PathBuf>,
}

/// What becomes of sessions that are up when the audit cannot be written. None begins then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuditFailure {
    /// They end after [`AUDIT_GRACE`](super::desk::AUDIT_GRACE).
    #[default]
    End,
    /// They go on, and what happens in them is written down when that can be.
    Continue,
}

/// Who hears the consent tone, while a supervisor is in which modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The agent, the caller, both or nobody.
    pub persons: Vec<Person>,
    /// The modes.
    pub modes: Vec<Mode>,
}

/// What a number asks for that is dialled as a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialled {
    /// To monitor this extension.
    Extension(String),
    /// What a code asks for, of the session that the caller has.
    Code(Code),
}

impl Monitoring {
    /// What a number asks for, when it is one of ours. One without an extension behind the prefix is not. Only who calls
    /// from inside is to be asked about.
    pub fn dialled(&self, number: &str) -> Option<Dialled> {
        if !self.enabled {
            return None;
        }
        let number = normalised(number);
        let extension = number.strip_prefix(self.prefix.as_str()).filter(|extension| !extension.is_empty());
        let extension = extension.map(|extension| Dialled::Extension(extension.into()));
        extension.or_else(|| self.codes.of(&number).map(Dialled::Code))
    }

    /// Whether one of these is an emergency number.
    pub fn is_emergency<'n>(&self, numbers: impl IntoIterator<Item = &'n str>) -> bool {
        numbers.into_iter().any(|number| self.emergency_numbers.contains(&normalised(number)))
    }
}

impl Announcements {
    /// The file that says this.
    pub fn of(&self, denial: Denial) -> Option<&Path> {
        self.reasons.get(denial.key()).or(self.other.as_ref()).map(PathBuf::as_path)
    }

    /// Every file, each once.
    pub fn files(&self) -> BTreeSet<&Path> {
        self.reasons.values().chain(&self.other).map(PathBuf::as_path).collect()
    }
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            enabled: false,
            dialling: None,
            prefix: PREFIX_DEFAULT.into(),
            codes: Codes::default(),
            digit_timeout: Duration::from_secs(5),
            phone_timeout: Some(Duration::from_secs(30)),
            follow: false,
            confirmation_tone: true,
            refusal: RefusalSound::default(),
            refused_call: RefusedCall::default(),
            announcements: Announcements::default(),
            consent: Consent::default(),
            ducking: 0,
            audit_failure: AuditFailure::default(),
            refusals_per_minute: 20,
            emergency_numbers: EMERGENCY_NUMBERS.map(Into::into).into(),
            never: BTreeSet::new(),
            rules: Vec::new(),
        }
    }
}

impl Default for Consent {
    fn default() -> Self {
        Self { persons: Vec::new(), modes: Mode::ALL.into() }
    }
}

impl Consent {
    /// Whether a person hears the tone while a supervisor is in a mode. The supervisor never does.
    pub fn is_heard(&self, person: Person, mode: Mode) -> bool {
        person != Person::Supervisor && self.persons.contains(&person) && self.modes.contains(&mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_asks_for_an_extension_or_for_what_a_code_does() {
        let monitoring = Monitoring { enabled: true, ..Monitoring::default() };
        for (number, expected) in [
            ("007100", Some(Dialled::Extension("100".into()))),
            ("007-1 00;phone-context=pbx.example", Some(Dialled::Extension("100".into()))),
            ("007", None),
            ("07100", None),
            ("*82", Some(Dialled::Code(Code::Mode(Mode::Barge)))),
            ("*84", Some(Dialled::Code(Code::NextCall))),
            ("*8", None),
            ("*820", None),
            ("100", None),
        ] {
            assert_eq!(monitoring.dialled(number), expected, "{number}");
            assert_eq!(Monitoring::default().dialled(number), None, "switched off");
        }
    }

    #[test]
    fn an_emergency_number_is_known_among_others() {
        let monitoring = Monitoring::default();
        for number in ["112", "1-1-2", "112;phone-context=pbx.example"] {
            assert!(monitoring.is_emergency(["100", number]), "{number}");
        }
        assert!(!monitoring.is_emergency(["1120", "", "100"]));
    }

    #[test]
    fn the_consent_tone_is_for_a_person_and_a_mode() {
        let consent = Consent { persons: vec![Person::Caller, Person::Supervisor], modes: vec![Mode::Listen] };
        assert!(consent.is_heard(Person::Caller, Mode::Listen));
        assert!(!consent.is_heard(Person::Caller, Mode::Barge));
        assert!(!consent.is_heard(Person::Agent, Mode::Listen));
        assert!(!consent.is_heard(Person::Supervisor, Mode::Listen));
    }
}
