//! Telling how the daemon is.

use tracing::error;
use undertone_dataplane::{Fate, OpenError, Reason};

use super::Daemon;
use crate::protocol::{Adoption, InterfaceStatus, ReasonCount, Status, Usage};

impl Daemon {
    /// Everything about the daemon and its data plane that is not about one stream.
    pub(super) fn status(&self) -> Result<Status, OpenError> {
        let config = self.config.borrow();
        let adopted = self.dataplane.adopted();
        Ok(Status {
            program_version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime_s: self.started.elapsed().as_secs(),
            config: self.config_file.clone(),
            pins: config.media.pins.clone().filter(|_| !super::open::is_sockets(&self.dataplane)),
            interfaces: self.interfaces(),
            adopted: Adoption { tables: adopted.tables, streams: adopted.streams },
            relays_configured: config.relays.len(),
            captures: self.captures.get(),
            problems: self.all_problems(),
            capacity: self.usage(),
            reasons: self.reasons()?,
        })
    }

    /// Whether the data plane works; says so in the log when it does not.
    pub(super) fn is_whole(&self) -> bool {
        let fault = self.dataplane.fault();
        if let Some(fault) = &fault {
            error!(fault, "the daemon has to be started again");
        }
        fault.is_none()
    }

    /// What the configuration asks for and is not so, and what has no room.
    fn all_problems(&self) -> Vec<String> {
        let mut problems = self.problems.borrow().clone();
        problems.extend(self.dataplane.fault().map(|fault| format!("{fault}: restart the daemon")));
        let stuck = self.dataplane.capacity().destinations_without_room;
        if stuck > 0 {
            problems.push(format!(
                "{stuck} destinations take the kernel's slow path: all next hops or output devices are in use; reach \
                 parties through a gateway, or spread them over more nodes"
            ));
        }
        let failing = self.storage.borrow().as_ref().and_then(|storage| storage.audit_failing());
        problems.extend(failing.map(|since| {
            let s = since.as_secs();
            format!("the audit could not be written for {s} s, and nobody monitors until it can; the log says why")
        }));
        problems
    }

    /// The path of each interface.
    pub(super) fn interfaces(&self) -> Vec<InterfaceStatus> {
        let interface = |it: undertone_dataplane::InterfacePath| InterfaceStatus {
            interface: it.interface,
            path: it.path.key().into(),
            reason: it.reason,
        };
        self.dataplane.paths().into_iter().map(interface).collect()
    }

    /// Packets by what became of them and why.
    pub(super) fn reasons(&self) -> Result<Vec<ReasonCount>, OpenError> {
        Ok(self.dataplane.reasons()?.into_iter().map(count).collect())
    }

    /// How full the tables are.
    pub(super) fn usage(&self) -> Vec<Usage> {
        let it = self.dataplane.capacity();
        let usage = |what: &str, used: u64, max: u64, refused| Usage { what: what.into(), used, max, refused };
        let full = it.refused;
        let mut usages = vec![
            usage("media ports", it.streams as u64, it.ports as u64, 0),
            usage("replication groups", it.groups.into(), it.groups_max.into(), full.groups),
            usage("next hops", it.hops.into(), it.hops_max.into(), full.hops),
            usage("output devices", it.devices as u64, it.devices_max.into(), full.devices),
            usage("device lists", it.shapes as u64, it.shapes_max.into(), full.shapes),
            usage("destinations resolved", it.destinations_resolved as u64, it.destinations as u64, 0),
        ];
        if let Some(sip) = &*self.sip.borrow() {
            let (used, all, refused) = sip.with(|element| {
                let (used, all) = element.ports_used();
                (used as u64, all as u64, element.counters().no_port)
            });
            usages.push(usage("port pairs of calls", used, all, refused));
        }
        usages
    }
}

fn count((reason, packets): (Reason, u64)) -> ReasonCount {
    ReasonCount {
        reason: reason.key().into(),
        fate: fate(reason.fate()).into(),
        packets,
        help: reason.help().trim().into(),
    }
}

const fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Sent => "sent",
        Fate::Passed => "passed",
        Fate::Dropped => "dropped",
    }
}
