//! Rules: who may monitor whom, how and when.

use std::{collections::BTreeSet, fmt};

use undertone_core::mixer::Mode;

use crate::{
    directory::{Bearer, Directory, User, UserIndex, UserRole},
    names::Named as _,
};

/// Minutes of a day.
const DAY_MINUTES: u16 = 24 * 60;

/// Permits some users to monitor some extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it permits that.
    pub who: Who,
    /// Whose calls.
    pub whom: Whom,
    /// In which modes.
    pub modes: Modes,
    /// When.
    pub hours: Hours,
}

/// Names of users, and of groups of users for all that are in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Users.
    pub users: BTreeSet<String>,
    /// Groups of users.
    pub groups: BTreeSet<String>,
}

/// Supervisors: whoever is one of these, in one way or another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// By name.
    pub names: Names,
    /// By role.
    pub roles: BTreeSet<UserRole>,
}

/// Extensions to monitor: whichever is one of these, in one way or another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the configuration, and any may go with any")]
pub struct Whom {
    /// All that there are.
    pub everyone: bool,
    /// By their digits.
    pub extensions: BTreeSet<String>,
    /// Those of these users, of the users in these groups, and those of the groups themselves.
    pub names: Names,
    /// Those of agents of these queues, and those of the queues themselves.
    pub queues: BTreeSet<String>,
    /// The same of queues that the supervisor looks after.
    pub their_queues: bool,
    /// The same as of groups, of those that the supervisor is in.
    pub their_groups: bool,
    /// Those of users at the supervisor's site.
    pub their_site: bool,
}

/// Some of the modes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Modes(u8);

/// Some hours of some days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    days: BTreeSet<Weekday>,
    from: u16,
    to: u16,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

/// What a clock on the wall shows at the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// The day.
    pub weekday: Weekday,
    /// Minutes since midnight, 0 to 1439.
    pub minute: u16,
}

impl fmt::Display for LocalTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {:02}:{:02}", self.weekday.name(), self.minute / 60, self.minute % 60)
    }
}

/// An extension, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension<'a> {
    pub(super) number: &'a str,
    bearer: Option<Bearer>,
}

impl<'a> Extension<'a> {
    pub(super) fn of(number: &'a str, directory: &Directory) -> Self {
        Self { number, bearer: directory.bearer(number) }
    }

    /// Whether it is anybody's.
    pub(super) const fn is_known(self) -> bool {
        self.bearer.is_some()
    }

    pub(super) fn user(self) -> Option<UserIndex> {
        match self.bearer? {
            Bearer::User(user) => Some(user),
            Bearer::Group(_) | Bearer::Queue(_) => None,
        }
    }

    /// Whether it is its user's, or the group's itself, and the group is one of those.
    fn is_in_group(self, directory: &Directory, is_one: impl Fn(&str, &[UserIndex]) -> bool) -> bool {
        let has = |at: u32, members: &[UserIndex]| match self.bearer {
            Some(Bearer::User(user)) => members.contains(&user),
            Some(Bearer::Group(group)) => group == at,
            Some(Bearer::Queue(_)) | None => false,
        };
        let groups = (0..).zip(directory.groups());
        groups.into_iter().any(|(at, group)| has(at, &group.members) && is_one(&group.name, &group.members))
    }

    /// Whether it is that of an agent of the queue, or the queue's itself, and the queue is one of those.
    fn is_in_queue(self, directory: &Directory, is_one: impl Fn(&str, &[UserIndex]) -> bool) -> bool {
        let has = |at: u32, agents: &[UserIndex]| match self.bearer {
            Some(Bearer::User(user)) => agents.contains(&user),
            Some(Bearer::Queue(queue)) => queue == at,
            Some(Bearer::Group(_)) | None => false,
        };
        let queues = (0..).zip(directory.queues());
        queues.into_iter().any(|(at, queue)| has(at, &queue.agents) && is_one(&queue.name, &queue.supervisors))
    }

    /// Whether it, or the name of whoever has it or is reached by it, is one of `words`.
    pub(super) fn is_one_of(self, words: &BTreeSet<String>, directory: &Directory) -> bool {
        let is_named = |name: &str, _: &[UserIndex]| words.contains(name);
        words.contains(self.number)
            || self.user().and_then(|user| directory.user(user)).is_some_and(|user| words.contains(&user.name))
            || self.is_in_group(directory, is_named)
            || self.is_in_queue(directory, is_named)
    }
}

impl Names {
    /// Whether a user is one of them.
    pub(super) fn has(&self, (index, user): (UserIndex, &User), directory: &Directory) -> bool {
        let groups = || directory.groups().iter().filter(|group| self.groups.contains(&group.name));
        self.users.contains(&user.name) || groups().any(|group| group.members.contains(&index))
    }
}

impl Who {
    /// Whether a user is one of them.
    pub(super) fn has(&self, user: (UserIndex, &User), directory: &Directory) -> bool {
        self.roles.contains(&user.1.role) || self.names.has(user, directory)
    }
}

impl Whom {
    /// Whether an extension is one of them, when this supervisor asks.
    pub(super) fn has(
        &self,
        extension: Extension<'_>,
        (by, supervisor): (UserIndex, &User),
        directory: &Directory,
    ) -> bool {
        let user = extension.user().and_then(|user| directory.user(user));
        let is_at_their_site = || supervisor.site.is_some() && user.is_some_and(|user| user.site == supervisor.site);
        self.everyone
            || self.extensions.contains(extension.number)
            || user.is_some_and(|user| self.names.users.contains(&user.name))
            || extension.is_in_group(directory, |name, members| {
                self.names.groups.contains(name) || self.their_groups && members.contains(&by)
            })
            || extension.is_in_queue(directory, |name, supervisors| {
                self.queues.contains(name) || self.their_queues && supervisors.contains(&by)
            })
            || self.their_site && is_at_their_site()
    }

    /// Whether nothing is one of them.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Modes {
    /// Every mode.
    pub const ALL: Self = Self(0b1111);

    const fn bit(mode: Mode) -> u8 {
        match mode {
            Mode::Listen => 1,
            Mode::WhisperToAgent => 2,
            Mode::WhisperToCaller => 4,
            Mode::Barge => 8,
        }
    }

    /// Whether a mode is among them.
    pub const fn has(self, mode: Mode) -> bool {
        self.0 & Self::bit(mode) != 0
    }

    /// Those of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Each of them, in the order of [`Mode::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Mode> {
        Mode::ALL.into_iter().filter(move |mode| self.has(*mode))
    }
}

impl FromIterator<Mode> for Modes {
    fn from_iter<T: IntoIterator<Item = Mode>>(modes: T) -> Self {
        modes.into_iter().fold(Self::default(), |all, mode| Self(all.0 | Self::bit(mode)))
    }
}

impl fmt::Debug for Modes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl Weekday {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Monday, Self::Tuesday, Self::Wednesday, Self::Thursday, Self::Friday, Self::Saturday, Self::Sunday];

    const fn before(self) -> Self {
        match self {
            Self::Monday => Self::Sunday,
            Self::Tuesday => Self::Monday,
            Self::Wednesday => Self::Tuesday,
            Self::Thursday => Self::Wednesday,
            Self::Friday => Self::Thursday,
            Self::Saturday => Self::Friday,
            Self::Sunday => Self::Saturday,
        }
    }
}

impl Hours {
    /// Always.
    pub fn always() -> Self {
        Self { days: Weekday::ALL.into(), from: 0, to: DAY_MINUTES }
    }

    /// From one minute of each of these days to before another, which is on the next day where it is the earlier one.
    /// `None` where both are the same, or one is of no day: 0 to 1440.
    pub fn new(days: BTreeSet<Weekday>, from: u16, to: u16) -> Option<Self> {
        (from != to && from < DAY_MINUTES && to <= DAY_MINUTES).then_some(Self { days, from, to })
    }

    /// Whether a time is within them.
    pub fn has(&self, LocalTime { weekday, minute }: LocalTime) -> bool {
        let began_today = self.days.contains(&weekday) && self.from <= minute;
        let began_yesterday = self.days.contains(&weekday.before()) && minute < self.to;
        if self.from < self.to { began_today && minute < self.to } else { began_today || began_yesterday }
    }

    /// The days.
    pub const fn days(&self) -> &BTreeSet<Weekday> {
        &self.days
    }

    /// The first minute, and the one after the last.
    pub const fn minutes(&self) -> (u16, u16) {
        (self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use Weekday::{Friday, Monday, Saturday, Sunday};

    use super::*;

    #[test]
    fn hours_are_of_the_day_on_which_they_begin() {
        let at = |weekday, hour: u16, minute| LocalTime { weekday, minute: hour * 60 + minute };
        let hours = |days: &[Weekday], from: u16, to: u16| {
            Hours::new(days.iter().copied().collect(), from * 60, to * 60).expect("hours")
        };
        let office = hours(&[Monday, Friday], 8, 18);
        assert!(office.has(at(Monday, 8, 0)) && office.has(at(Friday, 17, 59)));
        assert!(!office.has(at(Monday, 7, 59)) && !office.has(at(Monday, 18, 0)) && !office.has(at(Sunday, 12, 0)));
        let night = hours(&[Friday], 22, 6);
        assert!(night.has(at(Friday, 22, 0)) && night.has(at(Friday, 23, 59)) && night.has(at(Saturday, 5, 59)));
        assert!(!night.has(at(Friday, 5, 0)) && !night.has(at(Saturday, 6, 0)) && !night.has(at(Saturday, 23, 0)));
        let sunday_night = hours(&[Sunday], 22, 6);
        assert!(sunday_night.has(at(Monday, 0, 0)), "a week begins again");
        let to_midnight = hours(&[Monday], 0, 24);
        assert!(to_midnight.has(at(Monday, 0, 0)) && to_midnight.has(at(Monday, 23, 59)));
        assert_eq!(at(Sunday, 7, 5).to_string(), "sun 07:05");
        assert!(Weekday::ALL.into_iter().all(|day| Hours::always().has(at(day, 0, 0))));
        let day = BTreeSet::from([Monday]);
        assert_eq!(
            [(480, 480), (1440, 60), (0, 1441)].map(|(from, to)| Hours::new(day.clone(), from, to)),
            [const { None }; 3]
        );
    }

    #[test]
    fn modes_are_a_set() {
        assert_eq!(Modes::ALL.iter().collect::<Vec<_>>(), Mode::ALL);
        assert_eq!(Mode::ALL.into_iter().collect::<Modes>(), Modes::ALL);
        let some: Modes = [Mode::Barge, Mode::Listen, Mode::Barge].into_iter().collect();
        assert_eq!(some.iter().collect::<Vec<_>>(), [Mode::Listen, Mode::Barge]);
        assert_eq!(Modes::default().iter().count(), 0);
        assert_eq!(some.union(Modes::from_iter([Mode::WhisperToAgent])).iter().count(), 3);
    }
}
