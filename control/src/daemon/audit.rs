//! What the daemon itself writes down: that it has begun, and what holds from then on.

use std::time::{Duration, SystemTime};

use jiff::{Timestamp, tz::TimeZone};
use tokio::time::timeout;
use tracing::warn;
use undertone_control_core::{
    Config,
    audit::{By, Event, Hash, What},
    recording::Settings,
};

use super::Daemon;
use crate::when::on_the_wall;

/// How long the first row may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the rules that a row has in full; of longer ones it has the hash.
const RULES_MAX: usize = 12_000;

impl Daemon {
    /// Writes down that the daemon has begun, and waits a moment until that is on the disk.
    pub(super) async fn start_audit(&self) {
        let Some(event) = configured(What::DaemonStarted, By::node(), &self.config.borrow()) else { return };
        // Rules hold by this clock.
        let clock = on_the_wall(Timestamp::now(), &TimeZone::system());
        let event = event.with("version", env!("CARGO_PKG_VERSION")).with("local_time", clock.to_string());
        // Let go of before waiting.
        let writing = self.storage.borrow().as_ref().map(|storage| {
            let ticket = storage.audit(event, SystemTime::now());
            ticket.map(|ticket| storage.audited(ticket))
        });
        let is_written = match writing {
            Some(Ok(written)) => timeout(PATIENCE, written).await.is_ok(),
            Some(Err(_)) => false,
            None => return,
        };
        if !is_written {
            warn!("the audit cannot be written, and nobody monitors until it can: see above for the reason");
        }
    }

    /// Writes down what of a new configuration decides who may monitor whom, if anything does otherwise than before.
    pub(super) fn audit_configuration(&self, new: &Config, by: By) {
        let old = self.config.borrow();
        let (Some(old), Some(sip)) = (&old.sip, &new.sip) else { return };
        let changed = [
            ("monitoring", old.monitoring != sip.monitoring),
            ("recording", old.recording != sip.recording),
            ("people", old.trunks.directory != sip.trunks.directory),
        ];
        let changed: Vec<_> = changed.into_iter().filter(|(_, is)| *is).map(|(what, _)| what).collect();
        let event = configured(What::ConfigurationChanged, by, new).filter(|_| !changed.is_empty());
        let Some(event) = event.map(|event| event.with("changed", changed)) else { return };
        if let Some(Err(error)) = self.storage.borrow().as_ref().map(|storage| storage.audit(event, SystemTime::now()))
        {
            warn!(%error, "that the configuration has changed is not in the audit");
        }
    }
}

/// That a configuration holds; `None` where it has no SIP, and nobody to monitor.
fn configured(what: What, by: By, config: &Config) -> Option<Event> {
    let sip = config.sip.as_ref()?;
    let told = sip.monitoring.told();
    let text = told.to_string();
    let event = Event::new(what, by).with("sha256", Hash::of(text.as_bytes()).to_string());
    let event = if text.len() <= RULES_MAX { event.with("monitoring", told) } else { event };
    let recording = sip.recording.as_ref().map(Settings::told);
    Some(match recording.filter(|told| text.len() + told.to_string().len() <= RULES_MAX) {
        Some(told) => event.with("recording", told),
        None => event,
    })
}
