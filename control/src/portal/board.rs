//! The board: what is on every page, kept by the daemon's thread.
//!
//! What has changed is noted as it happens, and written on the board [`TURN`] later, once, however often it has changed meanwhile.
//! Everybody who looks gets the same [`Batch`] and takes from it what they may see. While nobody looks nothing is noted: who comes
//! first has the board written anew.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::broadcast,
    time::{MissedTickBehavior, interval},
};
use undertone_control_core::{
    call::CallId,
    monitor::{SessionId, desk::State},
    portal::SignInId,
};

use super::rows::{CallRow, MonitorRow, Rights, Supervisors};

/// How long changes are gathered.
pub(super) const TURN: Duration = Duration::from_millis(50);
/// Batches that may wait for somebody who looks. Who misses one starts again.
const QUEUE: usize = 64;
/// In so many turns the quality of every call is looked at once.
const QUALITY_TURNS: usize = 40;

/// What can be written on the board.
pub(crate) trait Source {
    /// The calls that there are.
    fn calls(&self) -> Vec<CallId>;

    /// A call, without its supervisors; `None` when it is over.
    fn call(&self, id: CallId) -> Option<CallRow>;

    /// The monitor sessions that there are.
    fn monitors(&self) -> Vec<MonitorRow>;

    /// What is configured now.
    fn rights(&self) -> Rights;
}

/// What there is to see.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) now_ms: u64,
    pub(super) calls: BTreeMap<CallId, Arc<CallRow>>,
    /// Those that each user is in.
    calls_of: HashMap<String, BTreeSet<CallId>>,
    pub(super) monitors: BTreeMap<SessionId, Arc<MonitorRow>>,
    pub(super) rights: Arc<Rights>,
}

/// What has changed at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) now_ms: u64,
    pub(super) calls: Vec<Arc<CallRow>>,
    pub(super) calls_over: Vec<CallId>,
    pub(super) monitors: Vec<Arc<MonitorRow>>,
    pub(super) monitors_over: Vec<SessionId>,
    /// Another configuration holds.
    pub(super) rights: Option<Arc<Rights>>,
    /// Who is signed in no more, and why.
    pub(super) signed_out: Vec<(SignInId, &'static str)>,
}

/// The board. A handle.
#[derive(Clone)]
pub(crate) struct Board {
    shared: Rc<Shared>,
}

struct Shared {
    source: Box<dyn Source>,
    sheet: RefCell<Sheet>,
    noted: RefCell<Noted>,
    /// Where the look at quality goes on.
    next: Cell<usize>,
    batches: broadcast::Sender<Arc<Batch>>,
}

/// What has to be looked at.
#[derive(Debug, Default)]
struct Noted {
    calls: HashSet<CallId>,
    monitors: bool,
    rights: bool,
    signed_out: Vec<(SignInId, &'static str)>,
}

impl Board {
    pub(crate) fn new(source: impl Source + 'static) -> Self {
        let rights = Arc::new(source.rights());
        let sheet = Sheet::empty(rights);
        let shared = Shared {
            source: Box::new(source),
            sheet: RefCell::new(sheet),
            noted: RefCell::default(),
            next: Cell::default(),
            batches: broadcast::Sender::new(QUEUE),
        };
        Self { shared: Rc::new(shared) }
    }

    /// All that there is to see now, and what changes from now on.
    pub(super) fn look(&self) -> (Sheet, broadcast::Receiver<Arc<Batch>>) {
        if self.is_watched() {
            self.turn();
        } else {
            self.write_anew();
        }
        (self.shared.sheet.borrow().clone(), self.shared.batches.subscribe())
    }

    /// A monitor session by its name, as it is now.
    pub(crate) fn monitor(&self, id: &str) -> Option<MonitorRow> {
        self.shared.source.monitors().into_iter().find(|row| row.id.to_string() == id)
    }

    /// Something is different about a call.
    pub(crate) fn note_call(&self, id: CallId) {
        if self.is_watched() {
            self.shared.noted.borrow_mut().calls.insert(id);
        }
    }

    /// Something is different about monitor sessions.
    pub(crate) fn note_monitors(&self) {
        self.shared.noted.borrow_mut().monitors = true;
    }

    /// Another configuration holds, which may give the same rights.
    pub(crate) fn note_rights(&self) {
        self.shared.noted.borrow_mut().rights = true;
    }

    /// Somebody is not signed in any more.
    pub(crate) fn note_signed_out(&self, id: SignInId, why: &'static str) {
        if self.is_watched() {
            self.shared.noted.borrow_mut().signed_out.push((id, why));
        }
    }

    /// Writes what has changed as often as it is due.
    pub(super) async fn run(self) {
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            if self.is_watched() {
                self.note_quality();
                self.turn();
            }
        }
    }

    fn is_watched(&self) -> bool {
        self.shared.batches.receiver_count() > 0
    }

    fn write_anew(&self) {
        let Shared { source, sheet, noted, .. } = &*self.shared;
        noted.take();
        let mut anew = Sheet::empty(Arc::new(source.rights()));
        anew.now_ms = unix_ms();
        anew.monitors = source.monitors().into_iter().map(|row| (row.id, Arc::new(row))).collect();
        let supervisors = anew.supervisors();
        for row in source.calls().into_iter().filter_map(|id| source.call(id)) {
            anew.put(Arc::new(row.with(&supervisors)));
        }
        *sheet.borrow_mut() = anew;
    }

    /// Has a part of the calls looked at, whose quality may be another one by now.
    fn note_quality(&self) {
        let Shared { sheet, noted, next, .. } = &*self.shared;
        let sheet = sheet.borrow();
        let part = sheet.calls.len().div_ceil(QUALITY_TURNS);
        let from = if next.get() < sheet.calls.len() { next.get() } else { 0 };
        noted.borrow_mut().calls.extend(sheet.calls.keys().skip(from).take(part));
        next.set(from + part);
    }

    fn turn(&self) {
        let Shared { source, sheet, noted, batches, .. } = &*self.shared;
        let mut noted = noted.take();
        let mut sheet = sheet.borrow_mut();
        sheet.now_ms = unix_ms();
        let mut batch = Batch { now_ms: sheet.now_ms, signed_out: noted.signed_out, ..Batch::default() };
        // Nobody tells how far a session is before it is up.
        if noted.monitors || sheet.monitors.values().any(|row| row.state != State::Up) {
            noted.calls.extend(sheet.take_monitors(source.monitors(), &mut batch));
        }
        let supervisors = sheet.supervisors();
        for id in noted.calls {
            match source.call(id).map(|row| row.with(&supervisors)) {
                Some(row) if sheet.calls.get(&id).is_some_and(|old| **old == row) => {}
                Some(row) => {
                    let row = Arc::new(row);
                    batch.calls.push(Arc::clone(&row));
                    sheet.put(row);
                }
                None => batch.calls_over.extend(sheet.take(id).map(|_| id)),
            }
        }
        if noted.rights {
            let rights = source.rights();
            if rights != *sheet.rights {
                sheet.rights = Arc::new(rights);
                batch.rights = Some(Arc::clone(&sheet.rights));
            }
        }
        if !batch.is_empty() {
            // Who looked has left: so be it.
            let _ = batches.send(Arc::new(batch));
        }
    }
}

impl Sheet {
    fn empty(rights: Arc<Rights>) -> Self {
        let (calls, calls_of, monitors) = (BTreeMap::new(), HashMap::new(), BTreeMap::new());
        Self { now_ms: 0, calls, calls_of, monitors, rights }
    }

    /// The calls that a user is in.
    pub(super) fn calls_of(&self, user: &str) -> impl Iterator<Item = &CallRow> {
        let ids = self.calls_of.get(user).into_iter().flatten();
        ids.filter_map(|id| self.calls.get(id).map(|row| &**row))
    }

    fn put(&mut self, row: Arc<CallRow>) {
        self.take(row.id);
        for user in row.users() {
            self.calls_of.entry(user.to_owned()).or_default().insert(row.id);
        }
        self.calls.insert(row.id, row);
    }

    fn take(&mut self, id: CallId) -> Option<Arc<CallRow>> {
        let row = self.calls.remove(&id)?;
        for user in row.users() {
            if let Some(calls) = self.calls_of.get_mut(user) {
                calls.remove(&id);
                if calls.is_empty() {
                    self.calls_of.remove(user);
                }
            }
        }
        Some(row)
    }

    /// The users who monitor each call.
    fn supervisors(&self) -> Supervisors {
        let mut supervisors = Supervisors::new();
        for row in self.monitors.values().filter(|row| row.state == State::Up) {
            if let Some(call) = row.call {
                supervisors.entry(call).or_default().push(row.user.clone());
            }
        }
        supervisors
    }

    /// Takes in the sessions that there are. The calls that are concerned.
    fn take_monitors(&mut self, rows: Vec<MonitorRow>, batch: &mut Batch) -> Vec<CallId> {
        let there: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
        let mut calls = Vec::new();
        self.monitors.retain(|id, row| {
            let is_there = there.contains(id);
            if !is_there {
                batch.monitors_over.push(*id);
                calls.extend(row.call);
            }
            is_there
        });
        for row in rows {
            let old = self.monitors.get(&row.id);
            if old.is_some_and(|old| **old == row) {
                continue;
            }
            calls.extend(old.and_then(|old| old.call));
            calls.extend(row.call);
            let row = Arc::new(row);
            batch.monitors.push(Arc::clone(&row));
            self.monitors.insert(row.id, row);
        }
        calls
    }

    /// Takes in what has changed. The users who do something else by now, as far as they are known by name.
    pub(super) fn apply(&mut self, batch: &Batch) -> BTreeSet<String> {
        self.now_ms = batch.now_ms;
        let mut users = BTreeSet::new();
        let calls = batch.calls.iter().map(|row| row.id).chain(batch.calls_over.iter().copied());
        for row in calls.filter_map(|id| self.take(id)) {
            users.extend(row.users().map(str::to_owned));
        }
        for row in &batch.calls {
            users.extend(row.users().map(str::to_owned));
            self.put(Arc::clone(row));
        }
        for row in batch.monitors_over.iter().filter_map(|id| self.monitors.remove(id)) {
            users.insert(row.user.clone());
        }
        for row in &batch.monitors {
            users.insert(row.user.clone());
            self.monitors.insert(row.id, Arc::clone(row));
        }
        if let Some(rights) = &batch.rights {
            self.rights = Arc::clone(rights);
        }
        users
    }
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.calls.is_empty()
            && self.calls_over.is_empty()
            && self.monitors.is_empty()
            && self.monitors_over.is_empty()
            && self.rights.is_none()
            && self.signed_out.is_empty()
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
