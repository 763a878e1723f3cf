//! What a user sees on the page. What they may monitor of it is another matter, and the rules' alone.

use crate::{
    call::PartyName,
    directory::{Directory, User, UserIndex, UserRole},
};

/// What a user sees.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'d> {
    directory: &'d Directory,
    viewer: UserIndex,
    user: &'d User,
    reach: Reach,
}

/// Which pages there are for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Agents, and what they do.
    pub agents: bool,
    /// What supervisors have done.
    pub audit: bool,
    /// Whether they may listen to anybody here, where a rule permits it.
    pub monitoring: bool,
}

/// Whose calls a user sees beside their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Nobody,
    Queues,
    Groups,
    Site,
    Everybody,
}

impl<'d> Sight<'d> {
    /// What the user of a name sees. `None` when there is no such user.
    pub fn of(name: &str, directory: &'d Directory) -> Option<Self> {
        let viewer = directory.index_of(name)?;
        let user = directory.user(viewer)?;
        Some(Self { directory, viewer, user, reach: table(user.role).0 })
    }

    /// The user.
    pub const fn user(&self) -> &'d User {
        self.user
    }

    /// Which pages there are.
    pub const fn pages(&self) -> Pages {
        table(self.user.role).1
    }

    /// Whether they see all calls, whoever is in them.
    pub fn sees_everything(&self) -> bool {
        self.reach == Reach::Everybody
    }

    /// Whether they see what somebody does.
    pub fn sees(&self, other: UserIndex) -> bool {
        let (directory, viewer) = (self.directory, self.viewer);
        let is_at_site =
            || self.user.site.is_some() && directory.user(other).is_some_and(|it| it.site == self.user.site);
        other == viewer
            || match self.reach {
                Reach::Nobody => false,
                Reach::Queues => directory
                    .queues()
                    .iter()
                    .any(|queue| queue.supervisors.contains(&viewer) && queue.agents.contains(&other)),
                Reach::Groups => directory
                    .groups()
                    .iter()
                    .any(|group| group.members.contains(&viewer) && group.members.contains(&other)),
                Reach::Site => is_at_site(),
                Reach::Everybody => true,
            }
    }

    /// Whether they see a call between these parties.
    pub fn sees_call<'p>(&self, parties: impl IntoIterator<Item = &'p PartyName>) -> bool {
        let sees = |party: &PartyName| self.directory.index_of(&party.user).is_some_and(|user| self.sees(user));
        self.sees_everything() || parties.into_iter().any(sees)
    }
}

/// Whose calls each role sees, and which pages.
const fn table(role: UserRole) -> (Reach, Pages) {
    const fn pages(agents: bool, audit: bool, monitoring: bool) -> Pages {
        Pages { agents, audit, monitoring }
    }
    match role {
        UserRole::User => (Reach::Nobody, pages(false, false, false)),
        UserRole::CallCenterSupervisor => (Reach::Queues, pages(true, false, true)),
        UserRole::OfficeManager => (Reach::Groups, pages(true, false, true)),
        UserRole::SiteManager => (Reach::Site, pages(true, false, true)),
        UserRole::Administrator => (Reach::Everybody, pages(true, true, true)),
        UserRole::Auditor => (Reach::Nobody, pages(false, true, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Queue, UserGroup};

    /// Ann and Bob take calls of `sales`, which Sue looks after; Bob, Olga and Uwe are one group; Ann, Simon and Uwe are in Berlin.
    fn directory() -> Directory {
        let user = |name: &str, role, site: Option<&str>| User {
            name: name.into(),
            extensions: vec![format!("1{name}")],
            role,
            site: site.map(Into::into),
            ..User::default()
        };
        let users = vec![
            user("ann", UserRole::User, Some("berlin")),
            user("bob", UserRole::User, None),
            user("sue", UserRole::CallCenterSupervisor, None),
            user("olga", UserRole::OfficeManager, None),
            user("simon", UserRole::SiteManager, Some("berlin")),
            user("ada", UserRole::Administrator, None),
            user("audrey", UserRole::Auditor, None),
            user("uwe", UserRole::User, Some("berlin")),
            user("nils", UserRole::SiteManager, None),
        ];
        let of = |places: &[u32]| places.iter().copied().map(UserIndex).collect();
        let queue = Queue { name: "sales".into(), agents: of(&[0, 1]), supervisors: of(&[2]), ..Queue::default() };
        let group = UserGroup { name: "desk".into(), members: of(&[1, 3, 7]), ..UserGroup::default() };
        Directory::new(users, vec![group], vec![queue])
    }

    #[test]
    fn each_role_sees_its_own() {
        let directory = directory();
        let table = [
            ("ann", "ann"),
            ("sue", "ann bob sue"),
            ("olga", "bob olga uwe"),
            ("simon", "ann simon uwe"),
            ("ada", "ann bob sue olga simon ada audrey uwe nils"),
            ("audrey", "audrey"),
            // Who is nowhere is not at the site of all that are nowhere.
            ("nils", "nils"),
        ];
        for (viewer, expected) in table {
            let sight = Sight::of(viewer, &directory).expect("a user");
            let seen = (0..).zip(directory.users()).filter(|(at, _)| sight.sees(UserIndex(*at)));
            let seen: Vec<_> = seen.map(|(_, user)| user.name.as_str()).collect();
            assert_eq!(seen.join(" "), expected, "{viewer}");
        }
        assert!(Sight::of("nobody", &directory).is_none());
    }

    #[test]
    fn a_call_is_seen_by_whoever_sees_a_party() {
        let directory = directory();
        let party = |user: &str| PartyName { user: user.into(), ..PartyName::default() };
        let sees =
            |viewer, parties: [&str; 2]| Sight::of(viewer, &directory).expect("a user").sees_call(&parties.map(party));
        assert!(sees("ann", ["", "ann"]) && !sees("ann", ["bob", ""]));
        assert!(sees("sue", ["", "bob"]) && !sees("sue", ["uwe", ""]));
        assert!(sees("ada", ["", ""]) && !sees("simon", ["", ""]));
        assert!(!sees("audrey", ["ann", "bob"]));
    }

    #[test]
    fn pages_are_by_role() {
        let directory = directory();
        let pages = |viewer| {
            let Pages { agents, audit, monitoring } = Sight::of(viewer, &directory).expect("a user").pages();
            [agents, audit, monitoring]
        };
        assert_eq!(pages("ann"), [false, false, false]);
        assert_eq!([pages("sue"), pages("olga"), pages("simon")], [[true, false, true]; 3]);
        assert_eq!((pages("ada"), pages("audrey")), ([true, true, true], [false, true, false]));
    }
}
