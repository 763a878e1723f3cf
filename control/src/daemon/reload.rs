//! Making the data plane what the configuration says, at the start and again.

use std::collections::HashSet;

use tracing::{error, info, warn};
use undertone_control_core::{
    Config, ConfigError, Step,
    audit::By,
    config::{Extras, StaticRelay},
    reconcile,
};
use undertone_core::{MonitorPort, PlaneError};

use super::{Daemon, open};
use crate::{
    failure::Failure,
    monitor::Announcements,
    protocol::{Code, Refusal},
    storage::Keep,
};

impl Daemon {
    /// The first time: what an earlier daemon left is taken into account.
    pub(super) fn start(&self) {
        let before = if self.dataplane.adopted().tables { self.load_record() } else { Vec::new() };
        let left = reconcile::leftovers(&self.dataplane.reports());
        self.take_all(&left);
        let wanted = self.config.borrow().relays.clone();
        self.make(&before, &wanted);
        let capacity = self.dataplane.capacity();
        info!(relays = wanted.len(), streams = capacity.streams, "configured");
    }

    /// Reads the configuration file again. A wrong one changes nothing.
    pub(super) fn reload(&self, by: By) -> Result<Vec<String>, Refusal> {
        let outcome = self.try_reload(by);
        match &outcome {
            Ok(did) => info!(changes = did.len(), "configuration read again"),
            Err(refusal) => error!(reason = refusal.error, "configuration not applied"),
        }
        outcome
    }

    fn try_reload(&self, by: By) -> Result<Vec<String>, Refusal> {
        let new = open::read_config(&self.config_file).map_err(|failure| unchanged(&failure))?;
        let problems = new.needs_restart(&self.config.borrow());
        if !problems.is_empty() {
            return Err(unchanged(&Failure::of_config(&self.config_file, &ConfigError { problems })));
        }
        if let Some(sip) = &new.sip {
            Announcements::load(&sip.monitoring.announcements).map_err(|failure| unchanged(&failure))?;
        }
        self.audit_configuration(&new, by);
        self.apply(new)
    }

    fn apply(&self, new: Config) -> Result<Vec<String>, Refusal> {
        let before = self.configured.borrow().clone();
        let mut did = self.make(&before, &new.relays);
        self.apply_sip(&new, &mut did);
        if let Some(storage) = &*self.storage.borrow() {
            storage.set_keep(Keep::from(&new.storage));
        }
        *self.config.borrow_mut() = new;
        self.tell_portal();
        let problems = self.problems.borrow();
        if problems.is_empty() {
            return Ok(did);
        }
        let error = format!("the configuration was applied, except:\n{}", problems.join("\n"));
        Err(Refusal::new(Code::Refused, error).with_way_out("put it right and reload again; everything else runs"))
    }

    /// Makes the data plane's relays those `wanted`, `before` being what an earlier configuration made. Returns what
    /// was done; what could not be is among the problems.
    fn make(&self, before: &[StaticRelay], wanted: &[StaticRelay]) -> Vec<String> {
        let steps = reconcile::steps(before, wanted, &self.dataplane.reports());
        let (did, failed) = self.take_all(&steps);
        let problem = |(step, error): &(Step, PlaneError)| match wanted.iter().find(|it| it.extras(step.at()).is_some())
        {
            Some(relay) => format!("line {}: cannot {step}: {error}", relay.line),
            None => format!("cannot {step}: {error}"),
        };
        *self.problems.borrow_mut() = failed.iter().map(problem).collect();
        let configured: Vec<_> = wanted.iter().filter_map(|relay| made(relay, before, &failed)).collect();
        if let Err(error) = self.record.save(&configured) {
            let file = self.record.path().display();
            warn!(%file, %error, "cannot keep what is configured for the next daemon, which will keep relays that leave the configuration meanwhile");
        }
        *self.configured.borrow_mut() = configured;
        did
    }

    /// Takes one step after the other. What is to be done to a relay that could not be added is left out.
    fn take_all(&self, steps: &[Step]) -> (Vec<String>, Vec<(Step, PlaneError)>) {
        let (mut did, mut failed) = (Vec::new(), Vec::new());
        let mut missing = HashSet::new();
        for step in steps {
            if missing.contains(&step.at()) {
                continue;
            }
            match self.take(step) {
                Ok(()) => {
                    info!("{step}");
                    did.push(step.to_string());
                }
                Err(error) => {
                    error!(%error, "cannot {step}");
                    if let Step::Add(relay) = step {
                        missing.extend([relay.a.local, relay.b.local]);
                    }
                    failed.push((*step, error));
                }
            }
        }
        (did, failed)
    }

    fn take(&self, step: &Step) -> Result<(), PlaneError> {
        match step {
            Step::Remove { at } => self.dataplane.remove(*at),
            Step::Change(relay) => self.dataplane.change(relay),
            Step::Add(relay) => self.add_to_dataplane(relay),
            Step::AddCopy { at, to } => self.dataplane.add_copy(*at, MonitorPort::Network(*to)).map(drop),
            Step::RemoveCopy { at, id, .. } => self.dataplane.remove_copy(*at, *id),
            Step::Divert { at, on } => self.dataplane.set_divert(*at, *on),
        }
    }

    fn load_record(&self) -> Vec<StaticRelay> {
        self.record.load().unwrap_or_else(|error| {
            let file = self.record.path().display();
            warn!(%file, %error, "cannot read what the last daemon had configured: relays that have left the configuration since go on");
            Vec::new()
        })
    }
}

/// What the next reconciliation has to take for configured: `relay`, or what stands in its place when a step failed.
fn made(relay: &StaticRelay, before: &[StaticRelay], failed: &[(Step, PlaneError)]) -> Option<StaticRelay> {
    let mut failed = failed.iter().map(|(step, _)| step).filter(|step| relay.extras(step.at()).is_some()).peekable();
    if failed.peek().is_none() {
        return Some(relay.clone());
    }
    let [a, b] = [relay.relay.a.local, relay.relay.b.local];
    let was = before.iter().find(|it| it.extras(a).is_some() && it.extras(b).is_some());
    let stands = !failed.any(|step| matches!(step, Step::Add(_) | Step::Change(_)));
    let bare = || StaticRelay { from_a: Extras::default(), from_b: Extras::default(), ..relay.clone() };
    was.cloned().or_else(|| stands.then(bare))
}

fn unchanged(failure: &Failure) -> Refusal {
    let error = format!("nothing was changed:\n{}", failure.sentences());
    Refusal::new(Code::Configuration, error).with_way_out(
        "put the file right (`undertone check` says when it is) and reload again; everything runs as before",
    )
}
