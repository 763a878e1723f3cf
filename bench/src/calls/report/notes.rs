//! What an operator should know before believing a number.

use crate::calls::{
    exchange::Exchanged,
    media::Heard,
    options::Job,
    tally::{Outcome, Placed},
};

/// Our own sending is as late as this before it is worth a word.
const LATE_MS: f64 = 5.0;

/// What is to be said of a run.
pub(super) fn of(job: &Job, exchanged: &Exchanged, heard: Option<&Heard>) -> Vec<String> {
    let mut notes = exchanged.notes.clone();
    if let (Some(caller), Some(placed)) = (&job.caller, &exchanged.placed) {
        notes.extend(of_calls(placed, &caller.target_name, exchanged.local.as_deref()));
    }
    if let Some(heard) = heard {
        notes.extend(of_sound(heard));
    }
    notes
}

fn of_calls(placed: &Placed, target: &str, local: Option<&str>) -> Vec<String> {
    let mut notes = Vec::new();
    let unanswered = placed.outcomes.get(&Outcome::NoAnswer).copied().unwrap_or_default();
    if unanswered > 0 && unanswered == placed.outcomes.values().sum::<u64>() {
        let local = local.unwrap_or("this address");
        notes.push(format!(
            "{target} answered no INVITE: it may not know {local} as a peer (give one that it knows with --local), or a \
             packet filter is in between"
        ));
    }
    if placed.held_back > 0 {
        notes.push(format!(
            "calls had to wait for others to end {} times (--concurrent): the rate was below what was asked for",
            placed.held_back
        ));
    }
    if placed.trying + placed.up > 0 {
        notes.push(format!("{} calls were still running when the run was given up", placed.trying + placed.up));
    }
    notes
}

fn of_sound(heard: &Heard) -> Vec<String> {
    let mut notes = Vec::new();
    if heard.deaf > 0 {
        notes.push(format!("{} ends sent sound and heard none", heard.deaf));
    }
    if heard.unsent > 0 {
        notes.push(format!("{} RTP packets could not be sent from here", heard.unsent));
    }
    if let Some(late) = heard.pacing.quantile_ms(0.99).filter(|late| *late > LATE_MS) {
        notes.push(format!(
            "this machine was {late:.1} ms late in sending sound (p99): it is busy, and part of the latency and jitter is \
             its own"
        ));
    }
    if heard.received > 0 && heard.latency.quantile_ms(0.5).is_none() {
        notes.push(
            "no latency: what arrived was sent on another machine, or lost its header extension on the way".into(),
        );
    }
    notes
}
