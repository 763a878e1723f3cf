//! DNS names of peers: looked up when the daemon starts, when it is told to, and when what was found grows old.
//!
//! Everything runs in one task on the daemon's thread, and nothing waits for it but the start, for a moment. What cannot be
//! looked up keeps what was found last.

mod resolver;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};
use tracing::{info, warn};
use undertone_control_core::trunk::{Answer, Known, Lookup, Peer, Unused};

use self::resolver::{Found, Resolver};

/// How long what was found is good for, whatever DNS says: a TTL of 0 would have us ask without end, and one of days would
/// have nobody notice that a peer has moved.
const AGE_MIN: Duration = Duration::from_secs(5);
const AGE_MAX: Duration = Duration::from_secs(3600);
/// How long to wait after a failure; twice as long after each further one, up to a bound.
const PAUSE: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// Names that are looked up at once.
const ASKED_MAX: usize = 32;
/// How long the start waits for names.
pub(crate) const START: Duration = Duration::from_secs(2);

/// Names, and what is known of them. A handle.
#[derive(Clone, Default)]
pub(crate) struct Names {
    shared: Rc<Shared>,
}

#[derive(Default)]
struct Shared {
    resolvers: RefCell<Vec<SocketAddr>>,
    entries: RefCell<BTreeMap<Lookup, Entry>>,
    unused: RefCell<Vec<Unused>>,
    counts: Cell<Counts>,
    /// There is something to look up.
    wake: Notify,
    /// Something was.
    progress: Notify,
}

/// A name.
struct Entry {
    answer: Option<Answer>,
    /// When it is looked up next.
    due: Instant,
    /// It is being looked up.
    is_asked: bool,
    /// It has to be once more: what is asked now is from before a change.
    again: bool,
    failures: u32,
    /// Since when it cannot be; `None` while it can.
    failing: Option<Failing>,
    added: SystemTime,
}

#[derive(Clone, Debug)]
struct Failing {
    since: SystemTime,
    why: String,
}

/// How lookups ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
}

/// Whether the names of a peer are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    /// All of them.
    Resolved,
    /// Not all; what was found last is still used.
    Unresolved {
        /// Since when.
        since: SystemTime,
        /// The name, and what is wrong with it.
        why: String,
    },
}

impl Names {
    /// Has these names looked up, at once and from now on, and no others.
    pub(crate) fn set(&self, resolvers: &[SocketAddr], lookups: Vec<Lookup>) {
        *self.shared.resolvers.borrow_mut() = resolvers.to_vec();
        let mut entries = self.shared.entries.borrow_mut();
        let mut before = std::mem::take(&mut *entries);
        for lookup in lookups {
            let entry = match before.remove(&lookup) {
                Some(entry) => Entry { due: Instant::now(), again: entry.is_asked, ..entry },
                None => Entry::new(),
            };
            entries.insert(lookup, entry);
        }
        drop(entries);
        self.shared.wake.notify_one();
    }

    /// What is known.
    pub(crate) fn known(&self) -> Known {
        let entries = self.shared.entries.borrow();
        entries.iter().filter_map(|(lookup, entry)| Some((lookup.clone(), entry.answer.clone()?))).collect()
    }

    /// How the names of a peer are; `None` for one without names.
    pub(crate) fn resolution(&self, peer: &Peer) -> Option<Resolution> {
        let entries = self.shared.entries.borrow();
        let of = |lookup: Lookup| match entries.get(&lookup) {
            Some(Entry { failing: Some(Failing { since, why }), .. }) => Some((*since, format!("{lookup}: {why}"))),
            Some(Entry { answer: None, added, .. }) => Some((*added, format!("{lookup}: not looked up yet"))),
            Some(_) | None => None,
        };
        let mut lookups = peer.lookups().peekable();
        lookups.peek()?;
        let unresolved = lookups.filter_map(of).min_by_key(|(since, _)| *since);
        Some(unresolved.map_or(Resolution::Resolved, |(since, why)| Resolution::Unresolved { since, why }))
    }

    /// How lookups ended so far.
    pub(crate) fn counts(&self) -> Counts {
        self.shared.counts.get()
    }

    /// Says what found addresses are not used for, once.
    pub(crate) fn warn_of(&self, unused: Vec<Unused>) {
        let before = self.shared.unused.replace(unused);
        for it in self.shared.unused.borrow().iter().filter(|it| !before.contains(it)) {
            warn!("{it}");
        }
    }

    /// Waits until every name was looked up, for [`START`] at most.
    pub(crate) async fn settle(&self) {
        let settled = async {
            let is_open = |entry: &Entry| entry.answer.is_none() && entry.failing.is_none();
            while self.shared.entries.borrow().values().any(is_open) {
                self.shared.progress.notified().await;
            }
        };
        if timeout(START, settled).await.is_err() {
            warn!("not all names of peers could be looked up in time: those peers get no calls until they are");
        }
    }

    /// Looks names up for ever. `changed` is told when they lead elsewhere.
    pub(crate) async fn run(self, changed: impl Fn()) {
        let mut asked = JoinSet::new();
        loop {
            let next = self.ask(&mut asked);
            let mut is_changed = false;
            tokio::select! {
                Some(Ok((lookup, outcome))) = asked.join_next() => is_changed |= self.note(&lookup, outcome),
                () = sleep_until(next) => {}
                () = self.shared.wake.notified() => {}
            }
            while let Some(Ok((lookup, outcome))) = asked.try_join_next() {
                is_changed |= self.note(&lookup, outcome);
            }
            if is_changed {
                changed();
            }
            self.shared.progress.notify_one();
        }
    }

    /// Begins to look up what is due. Says when there will be more.
    fn ask(&self, asked: &mut JoinSet<(Lookup, Result<Found, String>)>) -> Instant {
        let now = Instant::now();
        let mut entries = self.shared.entries.borrow_mut();
        let due = entries.iter_mut().filter(|(_, entry)| !entry.is_asked && entry.due <= now);
        let due: Vec<_> = due.take(ASKED_MAX.saturating_sub(asked.len())).collect();
        if !due.is_empty() {
            // Made anew, because what the system's configuration says may have changed.
            let resolver = Rc::new(Resolver::new(&self.shared.resolvers.borrow()));
            for (lookup, entry) in due {
                entry.is_asked = true;
                let (lookup, resolver) = (lookup.clone(), Rc::clone(&resolver));
                asked.spawn_local(async move {
                    let outcome = resolver.look_up(&lookup).await;
                    (lookup, outcome)
                });
            }
        }
        if asked.len() >= ASKED_MAX {
            return now + AGE_MAX;
        }
        let waiting = entries.values().filter(|entry| !entry.is_asked);
        waiting.map(|entry| entry.due).min().unwrap_or(now + AGE_MAX)
    }

    /// Notes what came of a lookup. Says whether the name leads elsewhere now.
    fn note(&self, lookup: &Lookup, outcome: Result<Found, String>) -> bool {
        let mut entries = self.shared.entries.borrow_mut();
        let Some(entry) = entries.get_mut(lookup) else { return false };
        let mut counts = self.shared.counts.get();
        *(if outcome.is_ok() { &mut counts.answered } else { &mut counts.failed }) += 1;
        self.shared.counts.set(counts);
        entry.note(lookup, outcome, Instant::now())
    }
}

impl Entry {
    fn new() -> Self {
        let (due, added) = (Instant::now(), SystemTime::now());
        Self { answer: None, due, is_asked: false, again: false, failures: 0, failing: None, added }
    }

    fn note(&mut self, lookup: &Lookup, outcome: Result<Found, String>, now: Instant) -> bool {
        self.is_asked = false;
        let (found, why) = match outcome {
            Ok(Found { answer, age, missing: None }) => {
                self.failures = 0;
                self.due = now + age.clamp(AGE_MIN, AGE_MAX);
                (Some(answer), None)
            }
            // A part is better than nothing, and worse than all that there was.
            Ok(Found { answer, missing, .. }) => (Some(answer).filter(|_| self.answer.is_none()), missing),
            Err(why) => (None, Some(why)),
        };
        match why {
            Some(why) => self.fail(lookup, why, now),
            None if self.failing.take().is_some() => info!(name = %lookup, "name resolved again"),
            None => {}
        }
        if std::mem::take(&mut self.again) {
            self.due = now;
        }
        let is_new = found.is_some() && found != self.answer;
        if let Some(answer) = found.filter(|_| is_new) {
            let addresses = addresses(&answer);
            info!(name = %lookup, addresses, "name resolved");
            self.answer = Some(answer);
        }
        is_new
    }

    fn fail(&mut self, lookup: &Lookup, why: String, now: Instant) {
        self.due = now + PAUSE.saturating_mul(1 << self.failures.min(8)).min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        let since = self.failing.take().map(|before| before.since);
        if since.is_none() {
            let goes_on = self.answer.is_some();
            warn!(name = %lookup, why, goes_on, "name not resolved: what was found last, if anything, is used on");
        }
        self.failing = Some(Failing { since: since.unwrap_or_else(SystemTime::now), why });
    }
}

/// Looks names up once, for who wants to know.
pub(crate) fn look_up_once(resolvers: &[SocketAddr], lookups: Vec<Lookup>) -> Vec<(Lookup, Result<Answer, String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return Vec::new() };
    let resolver = Resolver::new(resolvers);
    runtime.block_on(async {
        let of = |lookup: Lookup| async {
            let found = resolver.look_up(&lookup).await;
            (lookup, found.map(|found| found.answer))
        };
        futures_util::future::join_all(lookups.into_iter().map(of)).await
    })
}

/// Where an answer leads, in words: the servers of SRV records by priority, else the name's own addresses.
pub(crate) fn addresses(answer: &Answer) -> String {
    let mut words = Vec::new();
    for server in &answer.servers {
        words.extend(server.addresses.iter().map(|ip| SocketAddr::new(*ip, server.port).to_string()));
    }
    if words.is_empty() {
        words.extend(answer.addresses.iter().map(ToString::to_string));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests;
