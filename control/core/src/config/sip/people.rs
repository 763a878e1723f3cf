//! `[[user]]`, `[[user-group]]` and `[[queue]]`.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashSet, btree_map::Entry},
};

use super::{names, values};
use crate::{
    config::{document::Placed, section::Section, values as plain},
    directory::{Bearer, Directory, Queue, User, UserGroup, UserIndex, UserRole},
    portal::PasswordHash,
};

/// Users of a node, and groups and queues of each kind.
const USERS_MAX: usize = 100_000;
const GROUPS_MAX: usize = 10_000;

/// The sections that people stand in.
pub(super) struct Sections<'d> {
    pub(super) users: Vec<Section<'d>>,
    pub(super) groups: Vec<Section<'d>>,
    pub(super) queues: Vec<Section<'d>>,
}

/// Reads everybody. Those that cannot be read are left out.
pub(super) fn read(sections: &Sections<'_>) -> Directory {
    let Sections { users, groups, queues } = sections;
    check_count(users, "users", USERS_MAX);
    check_count(groups, "groups of users", GROUPS_MAX);
    check_count(queues, "queues", GROUPS_MAX);
    let mut people = People::default();
    let users = users.iter().take(USERS_MAX).enumerate().map(|(at, section)| people.user(section, at as u32)).collect();
    let groups: Vec<_> =
        groups.iter().take(GROUPS_MAX).enumerate().map(|(at, section)| people.group(section, at as u32)).collect();
    let queues = queues.iter().take(GROUPS_MAX).enumerate();
    let queues = queues.map(|(at, section)| people.queue(section, at as u32, &groups)).collect();
    Directory::new(users, groups, queues)
}

fn check_count(sections: &[Section<'_>], what: &str, count_max: usize) {
    if let Some(beyond) = sections.get(count_max) {
        let wrong = format!("{} {what}, and a node has at most {count_max}", sections.len());
        beyond.complain(beyond.place(), wrong, "remove some");
    }
}

/// Who has which name and which extension, and the line that says so.
#[derive(Debug, Default)]
struct People {
    names: BTreeMap<String, (Bearer, usize)>,
    extensions: BTreeMap<String, (Bearer, usize)>,
    compared: Cell<usize>,
}

/// What a user signs in with. What stands there is never shown: it may be a password.
fn password(section: &Section<'_>) -> Option<PasswordHash> {
    let text = section.optional("password", |value| Ok(value.as_str().unwrap_or_default().to_owned()))?;
    let hash = PasswordHash::parse(&text.value);
    if hash.is_none() {
        let way_out = "write what `undertone password` prints";
        section.complain(&text.place, "this is no hash of a password by argon2id", way_out);
    }
    hash
}

const fn what(bearer: Bearer) -> &'static str {
    match bearer {
        Bearer::User(_) => "a user",
        Bearer::Group(_) => "a group of users",
        Bearer::Queue(_) => "a queue",
    }
}

impl People {
    // What cannot be read of somebody is complained of, so that nobody sees what stands in its place.
    fn user(&mut self, section: &Section<'_>, at: u32) -> User {
        let bearer = Bearer::User(UserIndex(at));
        let name = self.name(section, r#"name = "ann""#, bearer);
        let extensions = section.required_list("extensions", r#"extensions = ["100"]"#, values::extension);
        let extensions = self.claim(section, extensions, bearer);
        let display_name = section.optional("display-name", values::label).map(|label| label.value);
        let role = section.or_default("role", plain::named::<UserRole>, UserRole::User).unwrap_or_default();
        let site = section.optional("site", values::name).map(|site| site.value);
        let password = password(section);
        section.finish();
        User { name, extensions, display_name, role, site, password }
    }

    fn group(&mut self, section: &Section<'_>, at: u32) -> UserGroup {
        let bearer = Bearer::Group(at);
        let name = self.name(section, r#"name = "support""#, bearer);
        let extensions = self.extensions(section, bearer);
        let members = section.required_list("members", r#"members = ["ann", "bob"]"#, values::name);
        section.finish();
        UserGroup { name, extensions, members: self.users(section, &members, None) }
    }

    fn queue(&mut self, section: &Section<'_>, at: u32, groups: &[UserGroup]) -> Queue {
        let bearer = Bearer::Queue(at);
        let name = self.name(section, r#"name = "sales""#, bearer);
        let extensions = self.extensions(section, bearer);
        let agents = section.required_list("agents", r#"agents = ["ann", "support"]"#, values::name);
        let supervisors = section.filled_list("supervisors", "leave the key out where nobody does", values::name);
        section.finish();
        let [agents, supervisors] = [agents, supervisors].map(|names| self.users(section, &names, Some(groups)));
        Queue { name, extensions, agents, supervisors }
    }

    fn name(&mut self, section: &Section<'_>, line: &str, bearer: Bearer) -> String {
        let Some(name) = section.required("name", line, values::name) else { return String::new() };
        match self.names.entry(name.value.clone()) {
            Entry::Vacant(entry) => drop(entry.insert((bearer, name.place.line))),
            Entry::Occupied(entry) => {
                let (first, line) = entry.get();
                let wrong = format!("\"{}\" is the name of {} already, on line {line}", name.value, what(*first));
                let way_out = "each user, each group of users and each queue needs a name of its own";
                section.complain(&name.place, wrong, way_out);
            }
        }
        name.value
    }

    fn extensions(&mut self, section: &Section<'_>, bearer: Bearer) -> Vec<String> {
        let extensions = section.filled_list("extensions", "leave the key out where there is none", values::extension);
        self.claim(section, extensions, bearer)
    }

    fn claim(&mut self, section: &Section<'_>, extensions: Vec<Placed<String>>, bearer: Bearer) -> Vec<String> {
        for extension in &extensions {
            match self.extensions.entry(extension.value.clone()) {
                Entry::Vacant(entry) => drop(entry.insert((bearer, extension.place.line))),
                Entry::Occupied(entry) => {
                    let (first, line) = entry.get();
                    let wrong =
                        format!("{} is the extension of {} already, on line {line}", extension.value, what(*first));
                    section.complain(&extension.place, wrong, "an extension is one's: remove it here or there");
                }
            }
        }
        extensions.into_iter().map(|extension| extension.value).collect()
    }

    /// The users of these names, each once; those of the `groups` that are named too, where groups may be.
    fn users(&self, section: &Section<'_>, names: &[Placed<String>], groups: Option<&[UserGroup]>) -> Vec<UserIndex> {
        let (mut seen, mut users) = (HashSet::new(), Vec::new());
        let mut twice = HashSet::new();
        for name in names {
            if !twice.insert(&name.value) {
                section.complain(&name.place, format!("\"{}\" stands here twice", name.value), "remove one");
            }
            match (self.names.get(&name.value), groups) {
                (Some((Bearer::User(user), _)), _) => users.extend(seen.insert(*user).then_some(*user)),
                (Some((Bearer::Group(group), _)), Some(groups)) => {
                    let members = groups.get(*group as usize).map(|group| group.members.as_slice());
                    users.extend(members.unwrap_or_default().iter().copied().filter(|user| seen.insert(*user)));
                }
                (Some((other, line)), _) => {
                    let may = if groups.is_some() { "users and groups of users" } else { "users" };
                    let wrong = format!(
                        "\"{}\" is {}, on line {line}, and only {may} can stand here",
                        name.value,
                        what(*other)
                    );
                    section.complain(&name.place, wrong, "write the names of users");
                }
                (None, _) => self.complain_unknown(section, name, groups.is_some()),
            }
        }
        users
    }

    fn complain_unknown(&self, section: &Section<'_>, name: &Placed<String>, may_be_group: bool) {
        let may = |bearer: Bearer| match bearer {
            Bearer::User(_) => true,
            Bearer::Group(_) => may_be_group,
            Bearer::Queue(_) => false,
        };
        let known = self.names.iter().filter(|(_, (bearer, _))| may(*bearer)).map(|(name, _)| name.as_str());
        let what = if may_be_group { "user or group of users" } else { "user" };
        names::complain_unknown(section, name, what, known, "[[user]]", &self.compared);
    }
}
