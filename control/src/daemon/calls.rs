//! What is asked of calls and peers.

use std::{rc::Rc, sync::Arc};

use tokio::task::JoinSet;
use tracing::info;
use undertone_control_core::{Config, call::CallId, trunk::PeerIndex};

use super::Daemon;
use crate::{
    failure::Failure,
    protocol::{Answer, CallView, Code, PeerView, Refusal, side},
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
        new.sip = Some(next);
        new
    }

    pub(super) fn answer_calls(&self) -> Answer {
        let now_ns = now().0;
        let calls = self.with_sip(|sip| {
            sip.with(|element| {
                let mut calls: Vec<_> = element.calls().collect();
                calls.sort_by_key(|call| call.started);
                calls.into_iter().map(|call| CallView::new(call, element.trunks(), now_ns)).collect()
            })
        });
        calls.map_or_else(Answer::Error, Answer::Calls)
    }

    pub(super) fn answer_peers(&self) -> Answer {
        let peers = self.with_sip(|sip| {
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
        });
        peers.map_or_else(Answer::Error, Answer::Peers)
    }

    pub(super) fn hang_up(&self, call: &str) -> Result<Vec<String>, Refusal> {
        let unknown = || {
            Refusal::new(Code::NotFound, format!("there is no call {call}")).with_way_out("`undertone calls` lists all")
        };
        let id: CallId = call.parse().map_err(|_| unknown())?;
        match self.with_sip(|sip| sip.hang_up(id))? {
            true => Ok(vec![format!("ended the call {id}")]),
            false => Err(unknown()),
        }
    }

    pub(super) fn drain(&self, on: bool) -> Result<Vec<String>, Refusal> {
        self.with_sip(|sip| {
            let running = sip.drive(|element| {
                element.set_draining(on);
                element.calls().count()
            });
            match on {
                true => vec![format!("no new calls are taken; {running} go on")],
                false => vec!["new calls are taken again".into()],
            }
        })
    }

    fn with_sip<T>(&self, act: impl FnOnce(&Sip) -> T) -> Result<T, Refusal> {
        let sip = self.sip.borrow();
        let none = || {
            Refusal::new(Code::Refused, "this daemon takes no calls: its configuration has no [sip] section")
                .with_way_out("add [sip], [[peer]] and [[route]], and start it again")
        };
        sip.as_ref().map(act).ok_or_else(none)
    }
}
