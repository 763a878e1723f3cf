//! What the supervisors' page is told.

use std::{
    cell::RefCell,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, SystemTime},
};

use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tracing::{info, warn};
use undertone_control_core::{
    audit::{By, Event, What},
    call::{Call, CallId, Leg, Media, Phase, Record, Role},
    directory::Directory,
    element::{self, Element},
    monitor::desk::SessionView,
    names::Named as _,
    permission::{Sound, Via},
    portal::{Attempts, Locked, Over, PasswordHash, Sight, SignIn, SignInId, SignIns},
};
use undertone_core::mixer::Mode;
use undertone_dataplane::Dataplane;

use super::Daemon;
use crate::{
    failure::Failure,
    monitor::{self, Monitor},
    portal::{
        self, Account, Board, CallRow, MonitorRow, Office, Own, PartyRow, Rights, Sees, Shown, SignedIn, Source, Wish,
        unix_ms,
    },
    protocol::{Code, MonitorSpec, MonitorView, Refusal, Stream},
    sip::{Audience, Sip, now},
};

/// How often those are looked for who are signed in no more.
const SWEEP: Duration = Duration::from_secs(5);
const NS_PER_MS: u64 = 1_000_000;

/// The page's side of the daemon.
pub(super) struct Portal {
    daemon: Rc<Daemon>,
    board: Board,
    attempts: RefCell<Attempts>,
    sign_ins: RefCell<SignIns>,
}

/// Begins to show the page, if the configuration has it.
pub(super) fn start(daemon: &Rc<Daemon>, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
    let Some(config) = daemon.config.borrow().portal.clone() else { return Ok(()) };
    let Some(sip) = daemon.sip.borrow().clone() else { return Ok(()) };
    let folder = daemon.config.borrow().storage.path.parent().unwrap_or(Path::new("/")).to_owned();
    let shown = Shown::open(&config, &folder)?;
    let monitor = daemon.monitor.borrow().clone();
    let board = Board::new(Node::new(sip.clone(), monitor.clone(), daemon.dataplane.clone()));
    sip.add_audience(Noter(board.clone()));
    if let Some(monitor) = monitor {
        monitor.add_audience(Noter(board.clone()));
    }
    let portal = Rc::new(Portal {
        daemon: Rc::clone(daemon),
        board,
        attempts: RefCell::default(),
        sign_ins: RefCell::new(SignIns::new(config.terms, daemon.kept_sign_ins())),
    });
    portal.sweep();
    *daemon.portal.borrow_mut() = Rc::downgrade(&portal);
    tasks.spawn_local(look_after(Rc::clone(&portal)));
    portal::start(&config, shown, portal, tasks)?;
    info!(address = %config.listen, "portal");
    let can_sign_in = sip.with(|element| element.trunks().directory.users().iter().any(|user| user.password.is_some()));
    if !can_sign_in {
        warn!("nobody can sign in at the portal: no [[user]] has a `password`; `undertone password` makes one");
    }
    Ok(())
}

async fn look_after(portal: Rc<Portal>) {
    let mut looks = interval(SWEEP);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        portal.sweep();
    }
}

impl Daemon {
    fn kept_sign_ins(&self) -> Vec<(SignInId, SignIn)> {
        let storage = self.storage.borrow();
        let kept = storage.as_ref().map(|storage| storage.kept_sign_ins()).transpose().unwrap_or_else(|error| {
            warn!(%error, "who was signed in before cannot be read: all sign in anew");
            None
        });
        kept.into_iter().flatten().filter_map(|json| serde_json::from_str(&json).ok()).collect()
    }

    /// Another configuration holds.
    pub(super) fn tell_portal(&self) {
        if let Some(portal) = self.portal.borrow().upgrade() {
            portal.reconfigured();
        }
    }
}

impl Portal {
    fn with_directory<T>(&self, look: impl FnOnce(&Directory) -> T) -> Option<T> {
        self.daemon.with_sip(|sip| sip.with(|element| look(&element.trunks().directory))).ok()
    }

    fn account(&self, user: &str) -> Option<Account> {
        let lifetime_s = self.sign_ins.borrow().terms().lifetime_ms / 1_000;
        self.with_directory(|directory| Some(account(&Sight::of(user, directory)?, lifetime_s))).flatten()
    }

    fn password(&self, user: &str) -> Option<PasswordHash> {
        self.with_directory(|directory| directory.user_named(user)?.password.clone()).flatten()
    }

    fn reconfigured(&self) {
        if let Some(portal) = &self.daemon.config.borrow().portal {
            self.sign_ins.borrow_mut().set_terms(portal.terms);
        }
        self.sweep();
        self.board.note_rights();
    }

    /// Signs out those whose time is over, who are users no more, or have another password.
    fn sweep(&self) {
        let stamp = |user: &str| self.password(user).map(|hash| hash.stamp());
        let over = self.sign_ins.borrow_mut().sweep(unix_ms(), stamp);
        for (id, sign_in, why) in over {
            self.is_over(id, &sign_in, why);
        }
    }

    fn is_over(&self, id: SignInId, sign_in: &SignIn, why: Over) {
        self.audit(Event {
            reason: why.key().into(),
            ..Event::new(What::SignedOut, by(&sign_in.user, &sign_in.address))
        });
        self.board.note_signed_out(id.clone(), if why == Over::Expired { "expired" } else { "signed-out" });
        if let Some(storage) = &*self.daemon.storage.borrow() {
            storage.forget_sign_in(id);
        }
    }

    fn keep(&self, id: &SignInId, sign_in: &SignIn) {
        let json = serde_json::to_string(&(id, sign_in));
        if let (Some(storage), Ok(json)) = (&*self.daemon.storage.borrow(), json) {
            storage.keep_sign_in(id.clone(), json);
        }
    }

    fn audit(&self, event: Event) {
        let storage = self.daemon.storage.borrow();
        if storage.as_ref().is_some_and(|storage| storage.audit(event, SystemTime::now()).is_err()) {
            warn!("the audit has no room: something at the portal is not written down");
        }
    }

    fn own(&self, who: &SignedIn, view: &MonitorView) -> Result<Own, Refusal> {
        let row = self.board.monitor(&view.id).filter(|row| row.user == who.user).ok_or_else(|| unknown(&view.id))?;
        let name = self.account(&who.user).map(|account| account.display_name).unwrap_or_default();
        Ok(Own { row, name })
    }

    /// Whether a session is the user's own: of others' nobody is told that they are there.
    fn check_own(&self, who: &SignedIn, id: &str) -> Result<(), Refusal> {
        self.board.monitor(id).filter(|row| row.user == who.user).map(drop).ok_or_else(|| unknown(id))
    }
}

impl Office for Portal {
    fn expect(&self, user: &str, from: IpAddr) -> Result<Option<PasswordHash>, Locked> {
        self.attempts.borrow_mut().begin(user, from, unix_ms())?;
        Ok(self.password(user))
    }

    fn sign_in(&self, user: &str, hash: &PasswordHash, from: IpAddr, token: &str) -> Option<Account> {
        let account = self.account(user).filter(|_| self.password(user).as_ref() == Some(hash))?;
        self.attempts.borrow_mut().succeeded(user, from);
        let (now_ms, address) = (unix_ms(), from.to_string());
        let begun = self.sign_ins.borrow_mut().begin(token, user, hash.stamp(), &address, now_ms);
        for (id, sign_in) in begun.displaced {
            self.is_over(id, &sign_in, Over::Displaced);
        }
        if let Some(sign_in) = self.sign_ins.borrow().look(&begun.id, now_ms) {
            self.keep(&begun.id, sign_in);
        }
        self.audit(Event::new(What::SignedIn, by(user, &address)));
        Some(account)
    }

    fn turn_away(&self, user: &str, from: IpAddr) {
        self.audit(Event::new(What::SignInRefused, by(user, &from.to_string())));
    }

    fn who_has(&self, token: &str, is_use: bool) -> Option<(SignInId, Account)> {
        let (mut sign_ins, now_ms) = (self.sign_ins.borrow_mut(), unix_ms());
        if is_use {
            let (id, sign_in, is_due) = sign_ins.use_of(token, now_ms)?;
            if is_due {
                self.keep(&id, sign_in);
            }
        }
        let id = SignInId::of(token);
        let user = sign_ins.look(&id, now_ms)?.user.clone();
        drop(sign_ins);
        Some((id, self.account(&user)?))
    }

    fn is_signed_in(&self, id: &SignInId) -> bool {
        self.sign_ins.borrow().look(id, unix_ms()).is_some()
    }

    fn sign_out(&self, who: &SignedIn) {
        let ended = self.sign_ins.borrow_mut().end(&who.id);
        if let Some(sign_in) = ended {
            self.is_over(who.id.clone(), &sign_in, Over::SignedOut);
        }
    }

    fn begin_monitor(&self, who: &SignedIn, Wish { extension, mode, phone }: Wish) -> Result<Own, Refusal> {
        let account = self.account(&who.user).filter(|account| account.monitors);
        let account = account.ok_or_else(|| {
            Refusal::new(Code::Forbidden, "your role has no monitoring in the portal")
                .with_way_out("have an administrator give you another one")
        })?;
        let phone = match phone {
            Some(phone) if account.extensions.contains(&phone) => phone,
            Some(phone) => {
                return Err(Refusal::new(Code::Forbidden, format!("{phone} is no extension of yours"))
                    .with_way_out(format!("take one of {}", account.extensions.join(", "))));
            }
            None => account.extensions.into_iter().next().ok_or_else(|| {
                Refusal::new(Code::Refused, "you have no telephone that could be called")
                    .with_way_out("have an extension given to you")
            })?,
        };
        let spec = MonitorSpec { extension, supervisor: phone, mode, peer: None, auto_answer: false };
        let view = self.daemon.begin_monitor(spec, (Via::Portal, &who.address))?;
        self.own(who, &view)
    }

    fn switch_monitor(&self, who: &SignedIn, id: &str, mode: Mode) -> Result<Own, Refusal> {
        self.check_own(who, id)?;
        let view = self.daemon.switch_monitor(id, mode, (Via::Portal, &who.address))?;
        self.own(who, &view)
    }

    fn end_monitor(&self, who: &SignedIn, id: &str) -> Result<(), Refusal> {
        self.check_own(who, id)?;
        self.daemon.end_monitor(id, (Via::Portal, &who.address)).map(drop)
    }

    fn audit(&self, who: &SignedIn) -> Result<PathBuf, Refusal> {
        let may = self.account(&who.user).is_some_and(|account| account.sees.audit);
        let database = may.then(|| self.daemon.config.borrow().storage.path.clone());
        database.ok_or_else(|| {
            Refusal::new(Code::Forbidden, "the audit is for administrators and auditors")
                .with_way_out("have an administrator give you such a role")
        })
    }

    fn board(&self) -> &Board {
        &self.board
    }
}

/// Notes on the board what happens.
struct Noter(Board);

impl Audience for Noter {
    fn happened(&self, _sip: &Sip, event: &element::Event) {
        if let element::Event::Call(id, _) | element::Event::Identity(id, _) = event {
            self.0.note_call(*id);
        }
    }

    fn ended(&self, record: &Record, _at: SystemTime) {
        self.0.note_call(record.id);
    }
}

impl monitor::Audience for Noter {
    fn written(&self, event: &Event, _session: Option<MonitorView>) {
        if event.session.is_some() {
            self.0.note_monitors();
        }
    }

    fn connected(&self, _session: &MonitorView) {
        self.0.note_monitors();
    }
}

/// What the board is written from.
struct Node {
    sip: Sip,
    monitor: Option<Monitor>,
    dataplane: Dataplane,
    /// When the clock that calls are timed by was at 0.
    epoch_ms: u64,
}

impl Node {
    fn new(sip: Sip, monitor: Option<Monitor>, dataplane: Dataplane) -> Self {
        Self { sip, monitor, dataplane, epoch_ms: unix_ms().saturating_sub(now().0 / NS_PER_MS) }
    }

    fn ms(&self, at_ns: u64) -> u64 {
        self.epoch_ms + at_ns / NS_PER_MS
    }

    fn row<M: Media>(&self, call: &Call, element: &Element<M>) -> CallRow {
        let party = |leg: &Leg| PartyRow {
            name: leg.party.clone(),
            side: leg.side,
            peer: element.trunks().peer(leg.peer).map(|peer| peer.name.clone()).unwrap_or_default(),
        };
        let facts = self.monitor.as_ref().map(|monitor| monitor.facts(call, element));
        let (is_emergency, sound) = facts.unwrap_or((false, Sound::None));
        CallRow {
            id: call.id,
            phase: call.phase,
            caller: party(call.leg(Role::Caller)),
            callee: party(call.leg(Role::Callee)),
            began_ms: self.ms(call.started.0),
            up_ms: call.answered.map(|at| self.ms(at.0)),
            mos_tenths: if call.phase == Phase::Up { self.mos_tenths(call) } else { None },
            is_emergency,
            sound,
            supervisors: Vec::new(),
        }
    }

    fn mos_tenths(&self, call: &Call) -> Option<u8> {
        let mos = |(_, at): (Role, SocketAddr)| Stream::new(&self.dataplane.report(at).ok()?, now().0).mos;
        let worst = call.session.streams().filter_map(mos).min_by(f64::total_cmp)?;
        Some((worst * 10.0).round() as u8)
    }
}

impl Source for Node {
    fn calls(&self) -> Vec<CallId> {
        self.sip.with(|element| element.calls().map(|call| call.id).collect())
    }

    fn call(&self, id: CallId) -> Option<CallRow> {
        self.sip.with(|element| Some(self.row(element.call(id)?, element)))
    }

    fn monitors(&self) -> Vec<MonitorRow> {
        let row = |it: SessionView<'_>| MonitorRow {
            id: it.id,
            state: it.state,
            extension: it.target.into(),
            call: it.call,
            mode: it.mode,
            user: it.by.user.clone(),
            phone: it.by.extension.clone(),
            via: it.by.via,
            began_ms: self.ms(it.since.0),
        };
        self.monitor.as_ref().map(|monitor| monitor.look(|sessions| sessions.map(row).collect())).unwrap_or_default()
    }

    fn rights(&self) -> Rights {
        let directory = self.sip.with(|element| element.trunks().directory.clone());
        Rights { directory, monitoring: self.monitor.as_ref().map(Monitor::monitoring).unwrap_or_default() }
    }
}

fn account(sight: &Sight<'_>, lifetime_s: u64) -> Account {
    let (user, pages) = (sight.user(), sight.pages());
    Account {
        user: user.name.clone(),
        display_name: user.shown_name().into(),
        role: user.role.name().into(),
        extensions: user.extensions.clone(),
        sees: Sees { agents: pages.agents, audit: pages.audit, everything: sight.sees_everything() },
        monitors: pages.monitoring,
        lifetime_s,
    }
}

fn by(user: &str, address: &str) -> By {
    By { user: user.into(), via: Via::Portal, address: address.into(), ..By::node() }
}

fn unknown(id: &str) -> Refusal {
    let id: String = id.chars().take(40).collect();
    Refusal::new(Code::NotFound, format!("you have no monitor session {id}"))
        .with_way_out("it may be over; begin another one")
}
