//! What came out, and its forms: a table, a JSON object and a page.

mod distribution;
mod notes;
mod table;

use serde::Serialize;

pub(super) use self::{distribution::Distribution, table::text};
use super::{
    exchange::{Exchanged, Sample},
    media::Heard,
    options::Job,
    tally::{Answering, Placed},
};

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// The element that was called, as it was written; `None` where calls were only answered.
    pub(super) target: Option<String>,
    /// How long it took.
    pub(super) seconds: f64,
    /// Whether no more calls failed than may.
    pub(super) passed: bool,
    /// How many may.
    pub(super) failures_max: u64,
    /// What was asked for.
    pub(super) asked: Option<Asked>,
    /// The calling side.
    pub(super) calls: Option<Calls>,
    /// The answering side.
    pub(super) answered: Option<Answering>,
    /// INVITE to 200.
    pub(super) setup_ms: Option<Distribution>,
    /// INVITE to the first 18x.
    pub(super) ringing_ms: Option<Distribution>,
    /// BYE to its 200.
    pub(super) teardown_ms: Option<Distribution>,
    /// The sound.
    pub(super) rtp: Option<Rtp>,
    /// How it went over time.
    pub(super) samples: Vec<Sample>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

/// What was asked for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Asked {
    /// Calls a second.
    pub(super) rate: f64,
    /// How long a call is held.
    pub(super) hold_seconds: f64,
    /// The codec that is offered.
    pub(super) codec: &'static str,
}

/// The calling side.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Calls {
    /// Calls that were placed.
    pub(super) placed: u64,
    /// Calls that were answered.
    pub(super) answered: u64,
    /// Calls that went as they were to.
    pub(super) completed: u64,
    /// Calls that failed.
    pub(super) failed: u64,
    /// Calls that were still running when it was given up.
    pub(super) abandoned: u64,
    /// Calls that were up at once at most.
    pub(super) up_max: u64,
    /// How calls went, the most frequent first.
    pub(super) outcomes: Vec<OutcomeCount>,
}

/// How many calls went one way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct OutcomeCount {
    /// The way.
    pub(super) outcome: String,
    /// Whether it is a failure.
    pub(super) is_failure: bool,
    /// The calls.
    pub(super) calls: u64,
}

/// The sound.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Rtp {
    /// Packets that were sent.
    pub(super) sent: u64,
    /// Packets that arrived, each counted once.
    pub(super) received: u64,
    /// Packets that are missing between others that arrived.
    pub(super) lost: u64,
    /// Their share.
    pub(super) loss_ratio: f64,
    /// The most that one stream is missing.
    pub(super) lost_max: u64,
    /// Packets that came after later ones.
    pub(super) late: u64,
    /// Packets that came once more.
    pub(super) doubles: u64,
    /// Datagrams that were no RTP.
    pub(super) strange: u64,
    /// Streams that arrived.
    pub(super) streams: u64,
    /// Streams that something was missing of.
    pub(super) streams_with_loss: u64,
    /// Ends that sent and heard nothing.
    pub(super) deaf: u64,
    /// One way, of each packet that was sent on this machine.
    pub(super) latency_ms: Option<Distribution>,
    /// Of each stream (RFC 3550 §6.4.1).
    pub(super) jitter_ms: Option<Distribution>,
    /// From an end's first sending to its first hearing.
    pub(super) first_packet_ms: Option<Distribution>,
    /// How late our own sending was.
    pub(super) pacing_ms: Option<Distribution>,
}

impl Report {
    /// Puts together what was counted.
    pub(super) fn new(job: &Job, exchanged: Exchanged, heard: Option<&Heard>) -> Self {
        let failed = exchanged.placed.as_ref().map_or(0, |placed| placed.failures() + placed.trying + placed.up);
        let notes = notes::of(job, &exchanged, heard);
        let placed = exchanged.placed.as_ref();
        Self {
            target: job.caller.as_ref().map(|caller| caller.target_name.clone()),
            seconds: exchanged.took.as_secs_f64(),
            passed: failed <= job.failures_max,
            failures_max: job.failures_max,
            asked: job.caller.as_ref().map(|caller| Asked {
                rate: caller.rate,
                hold_seconds: caller.hold.as_secs_f64(),
                codec: job.codec.name(),
            }),
            calls: placed.map(Calls::new),
            setup_ms: placed.and_then(|placed| Distribution::of(&placed.setup)),
            ringing_ms: placed.and_then(|placed| Distribution::of(&placed.ringing)),
            teardown_ms: placed.and_then(|placed| Distribution::of(&placed.teardown)),
            answered: exchanged.answered,
            rtp: heard.map(Rtp::new),
            samples: exchanged.samples,
            notes,
        }
    }

    /// The distributions that there are, with what they are of.
    pub(super) fn distributions(&self) -> Vec<(&'static str, &Distribution)> {
        let rtp = self.rtp.as_ref();
        let rows = [
            ("set-up: INVITE to 200", self.setup_ms.as_ref()),
            ("ringing: INVITE to 18x", self.ringing_ms.as_ref()),
            ("tear-down: BYE to 200", self.teardown_ms.as_ref()),
            ("RTP, one way", rtp.and_then(|rtp| rtp.latency_ms.as_ref())),
            ("RTP jitter, by stream", rtp.and_then(|rtp| rtp.jitter_ms.as_ref())),
            ("first RTP packet", rtp.and_then(|rtp| rtp.first_packet_ms.as_ref())),
            ("own lateness in sending", rtp.and_then(|rtp| rtp.pacing_ms.as_ref())),
        ];
        rows.into_iter().filter_map(|(name, distribution)| Some((name, distribution?))).collect()
    }

    /// The one object.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl Calls {
    fn new(placed: &Placed) -> Self {
        let mut outcomes: Vec<_> = placed
            .outcomes
            .iter()
            .map(|(outcome, calls)| OutcomeCount {
                outcome: outcome.to_string(),
                is_failure: outcome.is_failure(),
                calls: *calls,
            })
            .collect();
        outcomes.sort_by_key(|count| std::cmp::Reverse(count.calls));
        Self {
            placed: placed.calls,
            answered: placed.answered,
            completed: placed.completed(),
            failed: placed.failures(),
            abandoned: placed.trying + placed.up,
            up_max: placed.up_max,
            outcomes,
        }
    }
}

impl Rtp {
    fn new(heard: &Heard) -> Self {
        Self {
            sent: heard.sent,
            received: heard.received,
            lost: heard.lost,
            loss_ratio: heard.loss_ratio(),
            lost_max: heard.lost_max,
            late: heard.late,
            doubles: heard.doubles,
            strange: heard.strange,
            streams: heard.streams,
            streams_with_loss: heard.streams_with_loss,
            deaf: heard.deaf,
            latency_ms: Distribution::of(&heard.latency),
            jitter_ms: Distribution::of(&heard.jitter),
            first_packet_ms: Distribution::of(&heard.first),
            pacing_ms: Distribution::of(&heard.pacing),
        }
    }
}
