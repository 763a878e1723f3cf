//! What the service manager is told, where there is one (`sd_notify(3)`).

use std::{future, time::Duration};

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::warn;

/// The daemon answers requests.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The daemon reads its configuration again. [`ready`] has to follow.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The daemon is about to end.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    // Without a service manager this does nothing.
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot reach the service manager");
    }
}

/// Tells the service manager, when it asks for that, that the event loop turns and the data plane works. One that is not
/// told starts the daemon again, and streams in XDP go on meanwhile.
pub(super) struct Watchdog {
    interval: Option<Interval>,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        // Twice as often as asked, so that a late turn is no death.
        let period = sd_notify::watchdog_enabled().map(|period| period / 2).filter(|period| *period > Duration::ZERO);
        let interval = period.map(|period| {
            let mut interval = interval(period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        Self { interval }
    }

    /// Waits for the next time and tells, if all is well; for ever when nobody asks.
    pub(super) async fn turn(&mut self, is_well: impl FnOnce() -> bool) {
        match &mut self.interval {
            Some(interval) => {
                interval.tick().await;
                if is_well() {
                    tell(&[NotifyState::Watchdog]);
                }
            }
            None => future::pending().await,
        }
    }
}
