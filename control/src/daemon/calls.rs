//! What is asked of calls and peers.

use std::{rc::Rc, sync::Arc};

use tokio::task::JoinSet;
use tracing::info;
use undertone_control_core::{Config, call::CallId, trunk::PeerIndex};

use super::Daemon;
use crate::{
    failure::Failure,
    protocol::{CallView, Code, PeerView, Refusal, UserView, side},
    sip::{Book, Sip, now, take_up},
    storage::Storage,
};

impl Daemon {
    /// Begins to take calls, if the configuration has SIP. `tasks` serve its sockets.
    pub(super) fn start_sip(&self, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
        let config = self.config.borrow();
        let Some(sip) = &config.sip else { return Ok(()) };
        let media = (config.media.addresses.as_slice(), config.media.ports.first, config.media.ports.last);
        let taking = Sip::start(sip, self.dataplane.clone(), media, tasks)?;
        let storage = Rc::new(Storage::open(&config.storage.path, config.storage.keep_days)?);
        take_up(&taking, &storage, &self.dataplane)?;
        taking.leave_alone(self.dataplane.reports().into_iter().map(|report| report.at));
        taking.set_ledger(Book(Rc::clone(&storage)));
        *self.storage.borrow_mut() = Some(storage);
        let listeners = config.sip.iter().flat_map(|sip| &sip.trunks.listeners);
        for listener in listeners {
            info!(transport = %listener.transport, address = %listener.address, "SIP");
        }
        *self.sip.borrow_mut() = Some(taking);
        Ok(())
    }

    /// Has calls routed by a new configuration. Those that run go on.
    pub(super) fn apply_sip(&self, mut new: Config, did: &mut Vec<String>) -> Config {
        let old = self.config.borrow().sip.clone();
        let (Some(sip), Some(old), Some(wanted)) = (&*self.sip.borrow(), old, new.sip.clone()) else { return new };
        if wanted.trunks == old.trunks && wanted.limits == old.limits {
            return new;
        }
        let next = wanted.succeed(&old);
        let (trunks, limits) = (Arc::new(next.trunks.clone()), next.limits);
        sip.drive(|element| element.set_trunks(trunks, limits, now()));
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
        new.sip = Some(next);
        new
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
                let view = |(index, peer): (u16, &undertone_control_core::trunk::Peer)| PeerView {
                    name: peer.name.clone(),
                    side: side(peer.side).into(),
                    target: peer.target,
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

fn unknown(call: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no call {call}")).with_way_out("`undertone calls` lists all")
}
