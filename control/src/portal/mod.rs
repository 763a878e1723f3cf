//! The supervisors' web page, and what it asks of the daemon, by HTTPS.
//!
//! Everybody signs in ([`api`]); what they ask for then is asked as the user that they are ([`viewer`]). What is on every page is
//! on the [`board`], from which each page is told what its user sees ([`live`], [`rows`]). Handlers have to be `Send`, and leave
//! their questions at a desk, as those of [`crate::http`] do; the daemon's thread puts them to the [`Office`].

mod api;
mod audit;
mod board;
mod certificate;
mod guard;
mod live;
mod monitors;
mod page;
pub(crate) mod password;
mod rows;
mod viewer;

use std::{net::IpAddr, path::PathBuf, rc::Rc, sync::Arc};

use tokio::{sync::broadcast, task::JoinSet};
use undertone_control_core::{
    config,
    portal::{Locked, PasswordHash, SignInId},
};
use undertone_core::mixer::Mode;

use self::board::{Batch, Sheet};
pub(crate) use self::{
    board::{Board, Source, unix_ms},
    certificate::Shown,
    rows::{CallRow, MonitorRow, PartyRow, Rights},
    viewer::SignedIn,
};
use crate::{
    failure::Failure,
    http::{self, Desk},
    protocol::Refusal,
};

/// What the page asks of the daemon. Each is answered at once.
pub(crate) trait Office {
    /// Somebody wants to sign in: the hash of the password that they have to know, or nothing for somebody who is no user or has
    /// none. It counts as a failure until [`Office::sign_in`].
    fn expect(&self, user: &str, from: IpAddr) -> Result<Option<PasswordHash>, Locked>;

    /// They knew it, and have this token from now on. `None` when the user has another one by now.
    fn sign_in(&self, user: &str, hash: &PasswordHash, from: IpAddr, token: &str) -> Option<Account>;

    /// They did not.
    fn turn_away(&self, user: &str, from: IpAddr);

    /// Who has a token; `is_use` says that somebody is there, who has done something.
    fn who_has(&self, token: &str, is_use: bool) -> Option<(SignInId, Account)>;

    /// Whether somebody is still signed in.
    fn is_signed_in(&self, id: &SignInId) -> bool;

    /// They want to sign out.
    fn sign_out(&self, who: &SignedIn);

    /// Has a user's own telephone called, to monitor an extension.
    fn begin_monitor(&self, who: &SignedIn, wish: Wish) -> Result<Own, Refusal>;

    /// Gives a session of the user's another mode.
    fn switch_monitor(&self, who: &SignedIn, id: &str, mode: Mode) -> Result<Own, Refusal>;

    /// Ends one.
    fn end_monitor(&self, who: &SignedIn, id: &str) -> Result<(), Refusal>;

    /// The database that the audit is in, for those who may read it.
    fn audit(&self, who: &SignedIn) -> Result<PathBuf, Refusal>;

    /// The board.
    fn board(&self) -> &Board;
}

impl dyn Office {
    fn look(&self) -> (Sheet, broadcast::Receiver<Arc<Batch>>) {
        self.board().look()
    }
}

/// A user, as their own page shows them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Account {
    /// The user, by name.
    pub(crate) user: String,
    /// The name for people; empty without one.
    pub(crate) display_name: String,
    /// The role.
    pub(crate) role: String,
    /// Their telephones.
    pub(crate) extensions: Vec<String>,
    /// Which pages there are for them.
    pub(crate) sees: Sees,
    /// Whether they may ever listen to somebody.
    pub(crate) monitors: bool,
    /// Seconds after which they are signed out in any case.
    #[serde(skip)]
    pub(crate) lifetime_s: u64,
}

/// Which pages there are for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Sees {
    pub(crate) agents: bool,
    pub(crate) audit: bool,
    /// All calls, whoever is in them.
    pub(crate) everything: bool,
}

/// What a user wants to monitor, and by which of their telephones; by the first unless one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) extension: String,
    pub(crate) mode: Mode,
    pub(crate) phone: Option<String>,
}

/// A session of the user's own, and the user's name for people.
pub(crate) struct Own {
    pub(crate) row: MonitorRow,
    pub(crate) name: String,
}

/// Begins to show the page, on the current thread's local tasks. `shown` is what browsers are shown of us.
pub(crate) fn start(
    config: &config::Portal,
    shown: Shown,
    office: Rc<dyn Office>,
    tasks: &mut JoinSet<()>,
) -> Result<(), Failure> {
    let listener = http::listen(config.listen, "portal.listen")?;
    let (desk, questions) = Desk::open();
    let state = api::State::new(desk);
    let router = api::router(state.clone());
    tasks.spawn_local(office.board().clone().run());
    tasks.spawn_local(http::attend(office, questions));
    tasks.spawn_local(http::accept(listener, Some(shown.acceptor), router, state.counts));
    Ok(())
}
