//! Who hears whom.

/// Who takes part in a call that is monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Person {
    /// The monitored party.
    Agent,
    /// The other party, whoever dialled.
    Caller,
    /// Who monitors.
    Supervisor,
}

/// What a supervisor does on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Hears both and is heard by nobody.
    Listen,
    /// Is heard by the agent.
    WhisperToAgent,
    /// Is heard by the caller.
    WhisperToCaller,
    /// Is heard by everybody, also by other supervisors that barge.
    Barge,
}

impl Mode {
    /// Every mode.
    pub const ALL: [Self; 4] = [Self::Listen, Self::WhisperToAgent, Self::WhisperToCaller, Self::Barge];

    /// The name in the API, the audit and on the command line.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::WhisperToAgent => "whisper",
            Self::WhisperToCaller => "whisper-caller",
            Self::Barge => "barge",
        }
    }

    /// The mode of that name.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.key() == key)
    }

    /// Whether `listener` hears `speaker` while a supervisor is in this mode. Two supervisors are asked about by
    /// [`Mode::hears_supervisor`].
    pub const fn hears(self, listener: Person, speaker: Person) -> bool {
        match (listener, speaker) {
            (Person::Agent, Person::Caller) | (Person::Caller, Person::Agent) => true,
            (Person::Supervisor, Person::Agent | Person::Caller) => true,
            (Person::Agent, Person::Supervisor) => matches!(self, Self::WhisperToAgent | Self::Barge),
            (Person::Caller, Person::Supervisor) => matches!(self, Self::WhisperToCaller | Self::Barge),
            (Person::Agent, Person::Agent)
            | (Person::Caller, Person::Caller)
            | (Person::Supervisor, Person::Supervisor) => false,
        }
    }

    /// Whether a supervisor in this mode hears another one who is in `other`.
    pub const fn hears_supervisor(self, other: Self) -> bool {
        matches!((self, other), (Self::Barge, Self::Barge))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_one_name() {
        for mode in Mode::ALL {
            assert_eq!(Mode::of_key(mode.key()), Some(mode));
        }
        assert_eq!(Mode::of_key("whispers"), None);
    }
}
