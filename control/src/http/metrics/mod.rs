//! `/metrics`, in the text format of `OpenMetrics`, which Prometheus reads.
//!
//! There is no label per call or per stream: how many series there are depends on the configuration alone.

mod page;

use std::{collections::BTreeMap, fmt};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text::encode},
    registry::Registry,
};
use undertone_control_core::{
    call::{Phase, Role},
    element::{Counters, SETUP_BOUNDS_S},
    monitor::desk,
    recording,
};
use undertone_core::mixer::{Mode, Qualities, Quality};
use undertone_dataplane::Reports;

use self::page::{Label, Page};
use super::counts::Counted;
use crate::{
    names,
    protocol::{InterfaceStatus, ReasonCount, Usage},
    storage,
};

/// What the page is.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Phases of calls, in the order of counts.
const PHASES: [Phase; 3] = [Phase::Trying, Phase::Ringing, Phase::Up];

/// Everything that is measured, at one moment.
#[derive(Debug)]
pub(crate) struct Measures {
    /// For how long the daemon has been running.
    pub(crate) uptime_s: u64,
    /// Whether it wants new calls.
    pub(crate) is_ready: bool,
    /// Streams that are relayed.
    pub(crate) streams: usize,
    /// The path of each interface.
    pub(crate) paths: Vec<InterfaceStatus>,
    /// Packets by what became of them and why.
    pub(crate) reasons: Vec<ReasonCount>,
    /// How full the data plane's tables are.
    pub(crate) tables: Vec<Usage>,
    /// Calls, where there is SIP.
    pub(crate) sip: Option<SipMeasures>,
    /// Monitor sessions, where there can be any.
    pub(crate) monitoring: Option<MonitorMeasures>,
    /// Recordings, where there is SIP.
    pub(crate) recording: Option<RecordingMeasures>,
    /// The database, where there is SIP.
    pub(crate) storage: Option<storage::Counters>,
}

/// What is measured of calls.
#[derive(Debug)]
pub(crate) struct SipMeasures {
    /// What was counted.
    pub(crate) counters: Counters,
    /// Whether no new calls are taken.
    pub(crate) is_draining: bool,
    /// Calls by phase.
    pub(crate) calls: PhaseCounts,
    /// Peers by name.
    pub(crate) peers: BTreeMap<String, CallsOfPeer>,
    /// How lookups of names of peers ended.
    pub(crate) lookups: names::Counts,
    /// Pairs of media ports in use, and how many there are.
    pub(crate) ports: (usize, usize),
    /// Transactions of theirs, and of ours.
    pub(crate) transactions: (usize, usize),
}

/// What is measured of monitor sessions.
#[derive(Clone, Debug)]
pub(crate) struct MonitorMeasures {
    /// Sessions by mode.
    pub(crate) sessions: [(Mode, u64); Mode::ALL.len()],
    /// What was counted.
    pub(crate) counters: desk::Counters,
    /// What the mixer knows of phones.
    pub(crate) phones: Reports,
}

/// What is measured of recordings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordingMeasures {
    /// Those that run.
    pub(crate) running: u64,
    /// What was counted.
    pub(crate) counters: recording::Counters,
    /// Streams that the data plane had no room to copy.
    pub(crate) uncopied: u64,
    /// Copies that our own recorder had no time for.
    pub(crate) missed: u64,
}

/// How many calls are in each phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PhaseCounts([u64; PHASES.len()]);

/// What is measured of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallsOfPeer {
    /// Whether it answers; `None` for one that only running calls know.
    pub(crate) answers: Option<bool>,
    /// Whether its DNS names are resolved; `None` for one without.
    pub(crate) resolved: Option<bool>,
    /// Calls whose caller is there.
    pub(crate) caller: PhaseCounts,
    /// Calls whose callee is.
    pub(crate) callee: PhaseCounts,
}

impl PhaseCounts {
    pub(crate) const fn count(&mut self, phase: Phase) {
        let [trying, ringing, up] = &mut self.0;
        match phase {
            Phase::Trying => *trying += 1,
            Phase::Ringing => *ringing += 1,
            Phase::Up => *up += 1,
        }
    }

    fn each(self) -> impl Iterator<Item = (Label<'static>, u64)> {
        PHASES.into_iter().map(|phase| Label(phase.key())).zip(self.0)
    }
}

/// The page.
pub(super) fn page(measures: Measures, http: Counted) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("undertone");
    registry.register_collector(Box::new(Everything { measures, http }));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Everything {
    measures: Measures,
    http: Counted,
}

impl Collector for Everything {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        daemon(&mut page, &self.measures)?;
        data_plane(&mut page, &self.measures)?;
        if let Some(sip) = &self.measures.sip {
            calls(&mut page, sip)?;
            signalling(&mut page, sip)?;
        }
        if let Some(monitoring) = &self.measures.monitoring {
            monitor_sessions(&mut page, monitoring)?;
        }
        if let Some(recording) = &self.measures.recording {
            recordings(&mut page, recording)?;
        }
        if let Some(storage) = &self.measures.storage {
            records(&mut page, storage)?;
        }
        http(&mut page, self.http)
    }
}

fn daemon(page: &mut Page<'_>, it: &Measures) -> fmt::Result {
    page.info("build", "The program.", [("version", Label(env!("CARGO_PKG_VERSION")))])?;
    page.gauge("uptime_seconds", "For how long the daemon has been running.", it.uptime_s)?;
    page.gauge("ready", "Whether new calls are wanted, as /readyz says.", it.is_ready.into())
}

fn data_plane(page: &mut Page<'_>, it: &Measures) -> fmt::Result {
    // A stream belongs to no interface: where these differ, it may take either path.
    let path = match it.paths.as_slice() {
        [first, rest @ ..] if rest.iter().all(|other| other.path == first.path) => &first.path,
        _ => "mixed",
    };
    page.gauges("streams", "Streams that are relayed, by path.", [([("path", Label(path))], it.streams as u64)])?;
    page.gauges(
        "interface_path",
        "The path that packets take at an interface: always 1.",
        it.paths.iter().map(|it| ([("interface", Label(&it.interface)), ("path", Label(&it.path))], 1)),
    )?;
    page.counters(
        "packets",
        "Packets by what became of them and why.",
        it.reasons.iter().map(|it| ([("reason", Label(&it.reason)), ("fate", Label(&it.fate))], it.packets)),
    )?;
    let names: Vec<_> = it.tables.iter().map(|it| it.what.replace(' ', "-")).collect();
    let tables = |of: fn(&Usage) -> u64| {
        names.iter().zip(&it.tables).map(move |(name, table)| ([("table", Label(name))], of(table)))
    };
    page.gauges("table_used", "Entries of the data plane's tables.", tables(|table| table.used))?;
    page.gauges("table_max", "Room in the data plane's tables.", tables(|table| table.max))?;
    page.counters("table_refused", "How often a table had no room.", tables(|table| table.refused))
}

fn calls(page: &mut Page<'_>, it: &SipMeasures) -> fmt::Result {
    page.gauges("calls", "Calls by phase.", it.calls.each().map(|(phase, calls)| ([("phase", phase)], calls)))?;
    let of_role = |name, role: Role, calls: PhaseCounts| {
        let (peer, role) = (("peer", name), ("role", Label(role.key())));
        calls.each().map(move |(phase, calls)| ([peer, role, ("phase", phase)], calls))
    };
    let of_peer = it.peers.iter().flat_map(|(name, peer)| {
        let name = Label(name);
        of_role(name, Role::Caller, peer.caller).chain(of_role(name, Role::Callee, peer.callee))
    });
    page.gauges("peer_calls", "Calls by peer, by who of the parties is there, and by phase.", of_peer)?;
    let up = it.peers.iter().filter_map(|(name, peer)| Some(([("peer", Label(name))], peer.answers?.into())));
    page.gauges("peer_up", "Whether a peer answers.", up)?;
    let resolved = it.peers.iter().filter_map(|(name, peer)| Some(([("peer", Label(name))], peer.resolved?.into())));
    page.gauges("peer_resolved", "Whether the DNS names of a peer are resolved, where it has any.", resolved)?;
    let lookups = [("answered", it.lookups.answered), ("failed", it.lookups.failed)];
    page.counters(
        "dns_lookups",
        "Lookups of DNS names of peers, by how they ended.",
        lookups.map(|(outcome, count)| ([("outcome", Label(outcome))], count)),
    )?;
    page.gauge("draining", "Whether no new calls are taken.", it.is_draining.into())?;
    let (used, all) = it.ports;
    page.gauge("media_port_pairs_used", "Pairs of media ports that are in use.", used as u64)?;
    page.gauge("media_port_pairs_max", "Pairs of media ports that there are.", all as u64)?;
    let counted = &it.counters;
    let table = [
        ("calls_begun", "Calls that began.", counted.calls),
        ("calls_answered", "Calls that were answered.", counted.answered),
        ("calls_refused", "Calls that were refused before any peer was tried.", counted.refused),
        ("calls_failed_over", "Calls that went on to another peer after a failure.", counted.failovers),
        ("calls_own", "Calls that Undertone has had itself, answered or placed.", counted.own),
        ("calls_forked", "Second answers to calls, which were ended.", counted.forks),
        ("calls_silent", "Calls that ended because no media came.", counted.silent),
        ("calls_without_port", "Calls for which no media port was free.", counted.no_port),
    ];
    table.into_iter().try_for_each(|(name, help, value)| page.counter(name, help, value))?;
    let setup = &counted.setup;
    let above = setup.counts().last().copied().unwrap_or_default();
    let buckets = SETUP_BOUNDS_S.into_iter().zip(setup.counts().iter().copied());
    page.seconds("call_setup", "Times from INVITE to 200.", buckets, above, setup.sum_s())
}

fn signalling(page: &mut Page<'_>, it: &SipMeasures) -> fmt::Result {
    let counted = &it.counters;
    let table = [
        ("sip_strangers", "Messages and connections from addresses that are no peer's.", counted.strangers),
        ("sip_malformed", "Messages that could not be read.", counted.malformed),
        ("sip_requests", "Requests that came, repetitions not counted.", counted.requests),
        ("sip_strays", "Responses to nothing that is known.", counted.strays),
    ];
    table.into_iter().try_for_each(|(name, help, value)| page.counter(name, help, value))?;
    let responses: Vec<_> = [("received", &counted.received), ("sent", &counted.sent)]
        .into_iter()
        .flat_map(|(direction, all)| all.iter().map(move |(method, code, n)| (direction, method, code.to_string(), n)))
        .collect();
    let responses = responses.iter().map(|(direction, method, code, count)| {
        ([("direction", Label(direction)), ("method", Label(method)), ("code", Label(code))], *count)
    });
    page.counters("sip_responses", "Responses by direction, method and status code.", responses)?;
    let (theirs, ours) = it.transactions;
    let transactions =
        [("server", theirs), ("client", ours)].map(|(kind, count)| ([("kind", Label(kind))], count as u64));
    page.gauges("sip_transactions", "Transactions that are kept, with those that wait for stragglers.", transactions)
}

fn monitor_sessions(page: &mut Page<'_>, it: &MonitorMeasures) -> fmt::Result {
    let sessions = it.sessions.map(|(mode, count)| ([("mode", Label(mode.key()))], count));
    page.gauges("monitor_sessions", "Monitor sessions by mode.", sessions)?;
    let counted = it.counters;
    page.counter("monitor_sessions_begun", "Monitor sessions that have begun.", counted.begun)?;
    page.counter(
        "monitor_sessions_unaudited",
        "Monitor sessions that were ended because the audit could not be written.",
        counted.unaudited,
    )?;
    page.counter("monitor_mode_changes", "Changes of mode of monitor sessions.", counted.changes)?;
    let refused = counted.refused.each().map(|(denial, count)| ([("reason", Label(denial.key()))], count));
    page.counters(
        "monitor_refused",
        "Monitor sessions, and changes of them, that were refused, by the reason.",
        refused,
    )?;
    page.counter(
        "monitor_phones_vanished",
        "Monitor sessions that ended because the phone had vanished.",
        counted.vanished,
    )?;
    phones(page, &it.phones)
}

/// The quality of one direction, of both.
type Way = fn(&Qualities) -> Option<Quality>;

fn phones(page: &mut Page<'_>, it: &Reports) -> fmt::Result {
    let dropped = [("flood", it.totals.flooded), ("stranger", it.totals.strangers)];
    page.counters(
        "monitor_phone_packets_dropped",
        "Packets at the ports of supervisors' phones: more than phones send, or from elsewhere.",
        dropped.map(|(reason, count)| ([("reason", Label(reason))], count)),
    )?;
    let directions: [(&str, Way); 2] = [("from-phone", |it| it.from_phone), ("to-phone", |it| it.to_phone)];
    let worst = |of: fn(Quality) -> u64| {
        directions.map(|(direction, way)| {
            let all = it.sessions.iter().filter_map(|(_, report)| way(&report.rtcp));
            ([("direction", Label(direction))], all.map(of).max().unwrap_or_default())
        })
    };
    page.gauges(
        "monitor_phone_lost_permille_max",
        "The most that was lost of a thousand packets from or to any supervisor's phone, between its last two reports.",
        worst(|quality| u64::from(quality.lost_256ths) * 125 / 32),
    )?;
    page.gauges(
        "monitor_phone_jitter_microseconds_max",
        "The worst jitter of packets from or to any supervisor's phone.",
        worst(|quality| quality.jitter_ns / 1_000),
    )
}

fn recordings(page: &mut Page<'_>, it: &RecordingMeasures) -> fmt::Result {
    page.gauge("recordings", "Calls that are recorded.", it.running)?;
    page.counter("recordings_begun", "Recordings that have begun.", it.counters.begun)?;
    let refused = it.counters.refused.each().map(|(refusal, count)| ([("reason", Label(refusal.key()))], count));
    page.counters("recordings_refused", "Calls that were to be recorded and are not, by the reason.", refused)?;
    let failed = it.counters.failed.each().map(|(fault, count)| ([("reason", Label(fault.key()))], count));
    page.counters("recording_files_failed", "Files that lack the end of their call, by the reason.", failed)?;
    page.counter("recording_streams_not_copied", "Streams that there was no room to copy.", it.uncopied)?;
    page.counter("recording_packets_missed", "Packets that files lack for want of time.", it.missed)
}

fn records(page: &mut Page<'_>, it: &storage::Counters) -> fmt::Result {
    page.gauge("storage_queued", "Records and states of calls that wait for the database.", it.queued as u64)?;
    page.gauge("storage_failing", "Whether the last attempt to write failed.", it.failing.into())?;
    let table = [
        ("storage_records_written", "Call records that were committed.", it.written),
        ("storage_records_removed", "Call records that were removed for their age.", it.removed),
        ("storage_dropped", "Records and states of calls that were given up.", it.dropped),
        ("storage_failures", "Attempts to write that failed, and were made again.", it.failed),
    ];
    table.into_iter().try_for_each(|(name, help, value)| page.counter(name, help, value))?;
    audit(page, it)?;
    let mut below = 0;
    // They are cumulative there.
    let buckets = it.commits.buckets.map(|(bound, count)| (bound, count - std::mem::replace(&mut below, count)));
    let above = it.commits.count.saturating_sub(below);
    page.seconds("storage_commit", "Times that commits took.", buckets, above, it.commits.sum_s)
}

fn audit(page: &mut Page<'_>, it: &storage::Counters) -> fmt::Result {
    page.gauge("audit_queued", "Rows of the audit that wait for the database.", it.audit_queued as u64)?;
    page.gauge("audit_failing", "Whether the audit could not be written the last time.", it.audit_failing.into())?;
    let table = [
        ("audit_rows_written", "Rows of the audit that were committed.", it.audit_written),
        ("audit_failures", "Attempts to write the audit that failed, and were made again.", it.audit_failed),
        ("audit_refused", "Rows that the audit had no room for: what they would say was not done.", it.audit_refused),
    ];
    table.into_iter().try_for_each(|(name, help, value)| page.counter(name, help, value))
}

fn http(page: &mut Page<'_>, it: Counted) -> fmt::Result {
    page.gauge(
        "http_connections",
        "HTTP connections, those of followers of events left aside.",
        it.connections as u64,
    )?;
    page.gauge("http_followers", "Followers of events.", it.followers as u64)?;
    page.counter("http_refused", "HTTP connections that there was no room for.", it.refused)?;
    page.counter("http_followers_dropped", "Followers of events that did not keep up.", it.slow)
}

#[cfg(test)]
mod tests;
