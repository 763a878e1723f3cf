//! Users.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use undertone_control_core::{
    call::{Call, Role},
    directory::{Directory, User, UserIndex},
    names::Named as _,
};

/// A user, as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UserView {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// Its name for people; empty without one.
    pub(crate) display_name: String,
    /// Its extensions.
    pub(crate) extensions: Vec<String>,
    /// What it may do.
    pub(crate) role: String,
    /// Where it is; empty when that is not said.
    pub(crate) site: String,
    /// The groups that it is in.
    pub(crate) groups: Vec<String>,
    /// The queues that it takes calls of.
    pub(crate) queues: Vec<String>,
    /// The queues that it looks after.
    pub(crate) supervises: Vec<String>,
    /// The calls that it is in.
    pub(crate) calls: Vec<String>,
}

impl UserView {
    /// Every user, in the order of the configuration.
    pub(crate) fn all<'c>(directory: &Directory, calls: impl Iterator<Item = &'c Call>) -> Vec<Self> {
        let mut views: Vec<_> = directory.users().iter().map(Self::new).collect();
        let mut note = |user: UserIndex, list: fn(&mut Self) -> &mut Vec<String>, entry: &str| {
            if let Some(view) = views.get_mut(user.0 as usize) {
                list(view).push(entry.into());
            }
        };
        for group in directory.groups() {
            for user in &group.members {
                note(*user, |view| &mut view.groups, &group.name);
            }
        }
        for queue in directory.queues() {
            for user in &queue.agents {
                note(*user, |view| &mut view.queues, &queue.name);
            }
            for user in &queue.supervisors {
                note(*user, |view| &mut view.supervises, &queue.name);
            }
        }
        let names = directory.users().iter().map(|user| user.name.as_str());
        let places: HashMap<_, _> = names.zip((0..).map(UserIndex)).collect();
        for call in calls {
            let id = call.id.to_string();
            for user in Role::BOTH.map(|role| call.leg(role).party.user.as_str()) {
                if let Some(place) = places.get(user) {
                    note(*place, |view| &mut view.calls, &id);
                }
            }
        }
        views
    }

    fn new(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            display_name: user.shown_name().into(),
            extensions: user.extensions.clone(),
            role: user.role.name().into(),
            site: user.site.clone().unwrap_or_default(),
            ..Self::default()
        }
    }
}
