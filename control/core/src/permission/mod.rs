//! Who may monitor whom: [`decide`] has the whole of it on one screen.

mod denial;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use undertone_core::mixer::{Mode, Party};

use self::rules::Extension;
pub use self::{
    denial::Denial,
    rules::{Hours, LocalTime, Modes, Names, Rule, Weekday, Who, Whom},
};
use crate::{
    call::{Call, PartyName, Role},
    directory::{Bearer, Directory, User, UserIndex},
    identity::normalised,
    monitor::Monitoring,
    trunk::Side,
};

/// Whether a supervisor may monitor an extension, in a mode, now; and in which modes they may.
///
/// Of several reasons against it the first of these is told. What is known of the call comes last, so that only those hear of
/// it who might listen. Without a call, what only a call can tell is left open.
pub fn decide(monitoring: &Monitoring, directory: &Directory, question: &Question<'_>) -> Result<Grant, Denial> {
    let supervisor = question.supervisor.user(directory).ok_or(Denial::UnknownSupervisor)?;
    let target = Extension::of(question.target, directory);
    let call = question.call;
    let other = call.map(|call| Extension::of(call.other, directory));
    let dials = question.via == Via::Phone;
    let is_listed = || monitoring.dialling.as_ref().is_none_or(|names| names.has(supervisor, directory));
    let is_own = |extension: Extension<'_>| extension.user() == Some(supervisor.0);
    let is_protected = |extension: Extension<'_>| extension.is_one_of(&monitoring.never, directory);
    let is_number_protected = |call: Facts<'_>| monitoring.never.contains(&normalised(call.other_number));
    let is_named = || monitoring.rules.iter().any(|rule| rule.whom.extensions.contains(question.target));
    let applies = |rule: &&Rule| rule.who.has(supervisor, directory) && rule.whom.has(target, supervisor, directory);
    let rules: Vec<_> = monitoring.rules.iter().filter(applies).collect();
    let mut now = rules.iter().filter(|rule| rule.hours.has(question.now)).peekable();
    let is_open = now.peek().is_some();
    let permitted = now.fold(Modes::default(), |modes, rule| modes.union(rule.modes));
    let is_told_of = |mode| Party::BOTH.into_iter().any(|party| monitoring.consent.is_heard(party.person(), mode));
    let sounds = |sound| call.is_some_and(|call| call.sound == sound);

    let of_any_mode = [
        (Denial::Disabled, dials && !monitoring.enabled),
        (Denial::FromOutside, question.side == Side::OffNet),
        (Denial::NotListed, dials && !is_listed()),
        (Denial::OwnCall, is_own(target) || other.is_some_and(is_own)),
        (Denial::Protected, is_protected(target)),
        (Denial::UnknownExtension, call.is_none() && !target.is_known() && !is_named()),
        (Denial::NoRule, rules.is_empty()),
        (Denial::OutsideHours, !is_open),
        (Denial::Emergency, call.is_some_and(|call| call.is_emergency)),
        (Denial::ProtectedParty, other.is_some_and(is_protected) || call.is_some_and(is_number_protected)),
        (Denial::NoSound, sounds(Sound::None)),
        (Denial::Encrypted, sounds(Sound::Encrypted)),
        (Denial::UnknownCodec, sounds(Sound::Unknown)),
    ];
    let of_mode = |mode| {
        [
            (Denial::ModeNotPermitted, !permitted.has(mode)),
            (Denial::WhisperOnOneSide, is_whisper(mode) && call.is_some_and(Facts::is_on_one_side)),
            (Denial::HearOnly, (mode != Mode::Listen || is_told_of(mode)) && sounds(Sound::HearOnly)),
        ]
    };

    match of_any_mode.into_iter().chain(of_mode(question.mode)).find(is_against) {
        Some((denial, _)) => Err(denial),
        None => {
            Ok(Grant { modes: Mode::ALL.into_iter().filter(|mode| !of_mode(*mode).iter().any(is_against)).collect() })
        }
    }
}

/// Whether a party is one of these: extensions, numbers outside, and names of users, of groups of users and of queues.
pub fn is_listed(words: &BTreeSet<String>, party: &PartyName, directory: &Directory) -> bool {
    Extension::of(&party.extension, directory).is_one_of(words, directory) || words.contains(&normalised(&party.number))
}

/// The modes in which a supervisor may monitor an extension now, whichever the question is about. None at all where they
/// may not.
pub fn modes(monitoring: &Monitoring, directory: &Directory, question: &Question<'_>) -> Modes {
    let grant = |mode| decide(monitoring, directory, &Question { mode, ..*question }).ok();
    Mode::ALL.into_iter().find_map(grant).map_or(Modes::default(), |grant| grant.modes)
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who wants to monitor.
    pub supervisor: Supervisor<'a>,
    /// How they ask.
    pub via: Via,
    /// The side of the peer that they call from, where anybody can pretend to be somebody when it is off-net. On-net for
    /// who does not call, and is known otherwise.
    pub side: Side,
    /// The extension that they want to monitor.
    pub target: &'a str,
    /// The mode.
    pub mode: Mode,
    /// The call of the extension; `None` where it has none yet.
    pub call: Option<Facts<'a>>,
    /// What clocks show at the node.
    pub now: LocalTime,
}

/// Who wants to monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervisor<'a> {
    /// Whoever has this extension.
    Extension(&'a str),
    /// The user of this name.
    User(&'a str),
}

/// How somebody asks for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// By a call or by digits in it.
    Phone,
    /// By HTTP.
    Api,
    /// By the control socket.
    Cli,
    /// On the web page.
    Portal,
    /// Nobody asks: it is Undertone's own doing.
    Node,
}

/// What is known of a call that is to be monitored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The sides of the agent and of the caller.
    pub sides: [Side; 2],
    /// The extension of the caller; empty where they have none.
    pub other: &'a str,
    /// The number of the caller, likewise.
    pub other_number: &'a str,
    /// Whether it is a call to or from an emergency number.
    pub is_emergency: bool,
    /// What the mixer can do with its sound.
    pub sound: Sound,
}

/// What the mixer can do with the sound of a call: the least that it can with either direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sound {
    /// Decode it, and add to it.
    Mixable,
    /// Decode it.
    HearOnly,
    /// Nothing: it has not the keys (SRTP).
    Encrypted,
    /// Nothing: it does not know the codec.
    Unknown,
    /// Nothing: there is none.
    None,
}

/// That somebody may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The modes in which they may now; the one that was asked for is among them.
    pub modes: Modes,
}

impl Supervisor<'_> {
    /// The user that it is.
    pub fn user(self, directory: &Directory) -> Option<(UserIndex, &User)> {
        let index = match self {
            Self::Extension(extension) => match directory.bearer(extension)? {
                Bearer::User(index) => index,
                Bearer::Group(_) | Bearer::Queue(_) => return None,
            },
            Self::User(name) => directory.index_of(name)?,
        };
        Some((index, directory.user(index)?))
    }
}

impl Via {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Phone, Self::Api, Self::Cli, Self::Portal, Self::Node];

    /// The name in the audit.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Api => "api",
            Self::Cli => "cli",
            Self::Portal => "portal",
            Self::Node => "node",
        }
    }
}

impl<'a> Facts<'a> {
    /// Those of a call whose party `agent` is to be monitored.
    pub fn of(call: &'a Call, agent: Role, monitoring: &Monitoring, sound: Sound) -> Self {
        let [agent, other] = [agent, agent.other()].map(|role| call.leg(role));
        let parties = [&agent.party, &other.party].map(|party| party.number.as_str());
        Self {
            sides: [agent.side, other.side],
            other: &other.party.extension,
            other_number: &other.party.number,
            is_emergency: monitoring
                .is_emergency(parties.into_iter().chain([call.dialled.as_str(), call.called.as_str()])),
            sound,
        }
    }

    fn is_on_one_side(self) -> bool {
        self.sides[0] == self.sides[1]
    }
}

/// Whether only one party hears the supervisor.
const fn is_whisper(mode: Mode) -> bool {
    matches!(mode, Mode::WhisperToAgent | Mode::WhisperToCaller)
}

fn is_against((_, is_so): &(Denial, bool)) -> bool {
    *is_so
}
