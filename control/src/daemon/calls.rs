//! What is asked of calls and peers.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::info;
use undertone_control_core::{
    Config,
    call::{CallId, Media},
    config,
    element::Element,
    monitor::Monitoring,
    trunk::{Peer, PeerIndex, Trunks},
};
use undertone_core::MonitorPort;
use undertone_dataplane::Dataplane;

use super::Daemon;
use crate::{
    failure::Failure,
    monitor::Monitor,
    names::Resolution,
    protocol::{CallView, Code, NamesView, PeerView, Refusal, UserView, side},
    recording::Recorded,
    sip::{Book, Sip, now, take_up},
    storage::{Keep, Storage, shown},
};

impl Daemon {
    /// Begins to look up the names of peers, and waits a moment for them.
    pub(super) async fn start_names(self: &Rc<Self>, tasks: &mut JoinSet<()>) {
        if let Some(sip) = &self.config.borrow().sip {
            self.names.set(&sip.resolvers, sip.trunks.lookups());
        }
        let daemon = Rc::clone(self);
        tasks.spawn_local(self.names.clone().run(move || daemon.follow_names()));
        self.names.settle().await;
    }

    /// Names lead elsewhere.
    fn follow_names(&self) {
        let config = self.config.borrow();
        if let (Some(sip), Some(config)) = (&*self.sip.borrow(), &config.sip) {
            self.route(sip, config);
        }
    }

    /// What is configured, with what is known of names.
    fn resolved(&self, config: &config::Sip) -> Trunks {
        let (trunks, unused) = config.trunks.resolved(&self.names.known());
        self.names.warn_of(unused);
        trunks
    }

    /// Has calls routed as is configured and as names lead. Those that run go on.
    fn route(&self, sip: &Sip, config: &config::Sip) {
        let resolved = self.resolved(config);
        let next = sip.with(|element| resolved.succeed(element.trunks()));
        sip.drive(|element| element.set_trunks(Arc::new(next), config.limits, now()));
    }

    /// Begins to take calls, if the configuration has SIP. `tasks` serve its sockets.
    pub(super) fn start_sip(&self, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
        let config = self.config.borrow();
        let Some(sip) = &config.sip else { return Ok(()) };
        let media = (config.media.addresses.as_slice(), config.media.ports.first, config.media.ports.last);
        let taking = Sip::start(sip, self.resolved(sip), self.dataplane.clone(), media, tasks)?;
        let storage = Rc::new(Storage::open(&config.storage.path, Keep::from(&config.storage))?);
        take_up(&taking, &storage, &self.dataplane)?;
        taking.leave_alone(self.dataplane.reports().into_iter().map(|report| report.at));
        taking.set_ledger(Book(Rc::clone(&storage)));
        forget_old_taps(&self.dataplane);
        *self.recorded.borrow_mut() = Some(Recorded::start(&taking, sip, &self.dataplane, &storage));
        *self.monitor.borrow_mut() = Monitor::start(&taking, &config, &self.dataplane, &storage);
        *self.storage.borrow_mut() = Some(storage);
        let listeners = config.sip.iter().flat_map(|sip| &sip.trunks.listeners);
        for listener in listeners {
            info!(transport = %listener.transport, address = %listener.address, "SIP");
        }
        *self.sip.borrow_mut() = Some(taking);
        Ok(())
    }

    /// Has calls routed by a new configuration. Those that run go on.
    pub(super) fn apply_sip(&self, new: &Config, did: &mut Vec<String>) {
        let old = self.config.borrow().sip.clone();
        let (Some(sip), Some(old), Some(wanted)) = (&*self.sip.borrow(), old, &new.sip) else { return };
        self.names.set(&wanted.resolvers, wanted.trunks.lookups());
        if wanted.monitoring != old.monitoring {
            did.push(format!("monitoring is permitted anew: {} in the file", rules(&wanted.monitoring)));
        }
        let is_same = wanted.trunks == old.trunks && wanted.limits == old.limits;
        if !is_same {
            self.route(sip, wanted);
        }
        // Who may is a matter of users and queues, too.
        if let Some(monitor) = &*self.monitor.borrow() {
            monitor.set_monitoring(sip, &wanted.monitoring);
        }
        if wanted.recording != old.recording {
            did.push("calls are recorded as the file says from now on".into());
        }
        if let Some(recorded) = &*self.recorded.borrow() {
            recorded.set_config(sip, wanted);
        }
        if is_same {
            return;
        }
        did.push(format!(
            "calls are routed anew: {} peers, {} routes",
            wanted.trunks.peers.len(),
            wanted.trunks.routes.len()
        ));
        let (directory, numbers) = (&wanted.trunks.directory, &wanted.trunks.dids);
        if *directory != old.trunks.directory || *numbers != old.trunks.dids {
            let (users, queues) = (directory.users().len(), directory.queues().len());
            did.push(format!("new calls have {users} users and {queues} queues"));
        }
    }

    /// The calls that there are, the oldest first.
    pub(super) fn calls(&self) -> Result<Vec<CallView>, Refusal> {
        let now_ns = now().0;
        self.with_sip(|sip| {
            sip.with(|element| {
                let mut calls: Vec<_> = element.calls().collect();
                calls.sort_by_key(|call| call.started);
                calls.into_iter().map(|call| CallView::new(call, element.trunks(), now_ns)).collect()
            })
        })
    }

    /// One call.
    pub(super) fn call(&self, call: &str) -> Result<CallView, Refusal> {
        let id: CallId = call.parse().map_err(|_| unknown(call))?;
        let view =
            self.with_sip(|sip| sip.with(|element| Some(CallView::new(element.call(id)?, element.trunks(), now().0))))?;
        view.ok_or_else(|| unknown(call))
    }

    /// The peers that there are.
    pub(super) fn peers(&self) -> Result<Vec<PeerView>, Refusal> {
        self.with_sip(|sip| {
            sip.with(|element| {
                let view = |(index, peer): (u16, &Peer)| PeerView {
                    name: peer.name.clone(),
                    side: side(peer.side).into(),
                    target: first_target(element, PeerIndex(index), peer),
                    names: self.names.resolution(peer).map(names_view),
                    transport: peer.transport.key().into(),
                    answers: element.is_well(PeerIndex(index)),
                    calls: element.calls_of(PeerIndex(index)),
                    calls_max: peer.calls_max,
                };
                (0..).zip(&element.trunks().peers).map(view).collect()
            })
        })
    }

    /// The users that there are.
    pub(super) fn users(&self) -> Result<Vec<UserView>, Refusal> {
        self.with_sip(|sip| sip.with(|element| UserView::all(&element.trunks().directory, element.calls())))
    }

    pub(super) fn hang_up(&self, call: &str) -> Result<Vec<String>, Refusal> {
        let id: CallId = call.parse().map_err(|_| unknown(call))?;
        if self.with_sip(|sip| sip.hang_up(id))? {
            Ok(vec![format!("ended the call {id}")])
        } else {
            Err(unknown(call))
        }
    }

    pub(super) fn drain(&self, on: bool) -> Result<Vec<String>, Refusal> {
        self.with_sip(|sip| {
            let running = sip.drive(|element| {
                element.set_draining(on);
                element.calls().count()
            });
            let did = format!("no new calls are taken; {running} go on");
            vec![if on { did } else { "new calls are taken again".into() }]
        })
    }

    pub(super) fn with_sip<T>(&self, act: impl FnOnce(&Sip) -> T) -> Result<T, Refusal> {
        let sip = self.sip.borrow();
        let none = || {
            Refusal::new(Code::Refused, "this daemon takes no calls: its configuration has no [sip] section")
                .with_way_out("add [sip], [[peer]] and [[route]], and start it again")
        };
        sip.as_ref().map(act).ok_or_else(none)
    }
}

/// Copies to a mixer, a recorder or a capture that was before this process lead nowhere.
fn forget_old_taps(dataplane: &Dataplane) {
    for report in dataplane.reports() {
        for (id, port) in report.copies {
            if matches!(port, MonitorPort::Mixer(_)) {
                let _ = dataplane.remove_copy(report.at, id);
            }
        }
    }
}

/// Where requests to a peer go first.
fn first_target<M: Media>(element: &Element<M>, index: PeerIndex, peer: &Peer) -> Option<SocketAddr> {
    let by_priority = peer.targets.iter().map(|target| target.address);
    by_priority.clone().find(|target| element.is_target_well(index, *target)).or_else(|| by_priority.clone().next())
}

fn names_view(resolution: Resolution) -> NamesView {
    match resolution {
        Resolution::Resolved => NamesView { resolved: true, since: None, why: None },
        Resolution::Unresolved { since, why } => {
            let since = Timestamp::try_from(since).ok().map(shown);
            NamesView { resolved: false, since, why: Some(why) }
        }
    }
}

fn rules(monitoring: &Monitoring) -> String {
    match monitoring.rules.len() {
        1 => "1 rule".into(),
        count => format!("{count} rules"),
    }
}

fn unknown(call: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no call {call}")).with_way_out("`undertone calls` lists all")
}
