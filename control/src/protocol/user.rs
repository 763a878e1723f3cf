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
        fn view(views: &mut [UserView], user: UserIndex) -> Option<&mut UserView> {
            views.get_mut(user.0 as usize)
        }
        for group in directory.groups() {
            for user in &group.members {
                view(&mut views, *user).into_iter().for_each(|view| view.groups.push(group.name.clone()));
            }
        }
        for queue in directory.queues() {
            for user in &queue.agents {
                view(&mut views, *user).into_iter().for_each(|view| view.queues.push(queue.name.clone()));
            }
            for user in &queue.supervisors {
                view(&mut views, *user).into_iter().for_each(|view| view.supervises.push(queue.name.clone()));
            }
        }
        let places: HashMap<_, _> =
            directory.users().iter().zip(0..).map(|(user, at)| (user.name.as_str(), at)).collect();
        for call in calls {
            for user in Role::BOTH.map(|role| call.leg(role).party.user.as_str()) {
                let place = places.get(user).map(|at| UserIndex(*at));
                let view = place.and_then(|place| view(&mut views, place));
                view.into_iter().for_each(|view| view.calls.push(call.id.to_string()));
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
