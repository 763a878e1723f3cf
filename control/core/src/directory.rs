//! Who works here: users, groups of users, and queues, with their extensions.

use std::collections::HashMap;

use crate::portal::PasswordHash;

/// A user's place in [`Directory::users`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserIndex(pub u32);

/// Everybody, and who has which extension.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    users: Vec<User>,
    groups: Vec<UserGroup>,
    queues: Vec<Queue>,
    extensions: HashMap<String, Bearer>,
    /// Users by name, of two of a name the first.
    names: HashMap<String, UserIndex>,
}

/// What has an extension: its place in [`Directory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// A user.
    User(UserIndex),
    /// A group of users.
    Group(u32),
    /// A queue.
    Queue(u32),
}

/// What a user may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UserRole {
    /// Makes calls.
    #[default]
    User,
    /// Looks after queues.
    CallCenterSupervisor,
    /// Looks after an office.
    OfficeManager,
    /// Looks after a site.
    SiteManager,
    /// Looks after everything.
    Administrator,
    /// Reads what the others have done.
    Auditor,
}

/// Somebody with extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// The name in the configuration.
    pub name: String,
    /// The extensions, the first of which is called.
    pub extensions: Vec<String>,
    /// The name for people.
    pub display_name: Option<String>,
    /// What it may do.
    pub role: UserRole,
    /// Where it is.
    pub site: Option<String>,
    /// What it signs in with; who has none cannot.
    pub password: Option<PasswordHash>,
}

/// Users that have something in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserGroup {
    /// The name in the configuration.
    pub name: String,
    /// Extensions that reach any of them.
    pub extensions: Vec<String>,
    /// Who is in it.
    pub members: Vec<UserIndex>,
}

/// Calls that wait for the next of its agents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// The name in the configuration.
    pub name: String,
    /// Extensions that lead into it.
    pub extensions: Vec<String>,
    /// Who takes its calls.
    pub agents: Vec<UserIndex>,
    /// Who looks after them.
    pub supervisors: Vec<UserIndex>,
}

impl User {
    /// The name to show.
    pub fn shown_name(&self) -> &str {
        self.display_name.as_deref().unwrap_or_default()
    }
}

impl Directory {
    /// A directory in which each extension is one's. Of an extension that several have, the first has it.
    pub fn new(users: Vec<User>, groups: Vec<UserGroup>, queues: Vec<Queue>) -> Self {
        let mut extensions = HashMap::new();
        let of_users = (0..).zip(&users).map(|(at, user)| (Bearer::User(UserIndex(at)), &user.extensions));
        let of_groups = (0..).zip(&groups).map(|(at, group)| (Bearer::Group(at), &group.extensions));
        let of_queues = (0..).zip(&queues).map(|(at, queue)| (Bearer::Queue(at), &queue.extensions));
        for (bearer, its) in of_users.chain(of_groups).chain(of_queues) {
            for extension in its {
                extensions.entry(extension.clone()).or_insert(bearer);
            }
        }
        let mut names = HashMap::new();
        for (at, user) in (0..).zip(&users) {
            names.entry(user.name.clone()).or_insert(UserIndex(at));
        }
        Self { users, groups, queues, extensions, names }
    }

    /// The users, in the order of the configuration.
    pub fn users(&self) -> &[User] {
        &self.users
    }

    /// The groups of users, likewise.
    pub fn groups(&self) -> &[UserGroup] {
        &self.groups
    }

    /// The queues, likewise.
    pub fn queues(&self) -> &[Queue] {
        &self.queues
    }

    /// A user.
    pub fn user(&self, index: UserIndex) -> Option<&User> {
        self.users.get(index.0 as usize)
    }

    /// The place of the user of a name.
    pub fn index_of(&self, name: &str) -> Option<UserIndex> {
        self.names.get(name).copied()
    }

    /// The user of a name.
    pub fn user_named(&self, name: &str) -> Option<&User> {
        self.user(self.index_of(name)?)
    }

    /// Whose an extension is.
    pub fn bearer(&self, extension: &str) -> Option<Bearer> {
        self.extensions.get(extension).copied()
    }

    /// The user whose extension it is.
    pub fn user_at(&self, extension: &str) -> Option<&User> {
        match self.bearer(extension)? {
            Bearer::User(index) => self.user(index),
            Bearer::Group(_) | Bearer::Queue(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_ones() {
        let user = |name: &str, extensions: &[&str]| User {
            name: name.into(),
            extensions: extensions.iter().map(|it| (*it).to_owned()).collect(),
            ..User::default()
        };
        let queue = Queue { name: "sales".into(), extensions: vec!["800".into(), "101".into()], ..Queue::default() };
        let group = UserGroup { name: "all".into(), extensions: vec!["700".into()], ..UserGroup::default() };
        let users = vec![user("ann", &["100", "101"]), user("bob", &["104"])];
        let directory = Directory::new(users, vec![group], vec![queue]);
        let bearers = ["101", "104", "700", "800", "9"].map(|extension| directory.bearer(extension));
        let [ann, bob] = [0, 1].map(|at| Bearer::User(UserIndex(at)));
        assert_eq!(bearers, [Some(ann), Some(bob), Some(Bearer::Group(0)), Some(Bearer::Queue(0)), None]);
        assert_eq!(directory.user_at("101"), directory.user_named("ann"));
        assert_eq!((directory.user_at("800"), directory.user_named("sales")), (None, None));
    }
}
