//! A stream and how it arrives.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use undertone_core::{Clock, Kind, MonitorPort, Quality, StreamReport, mos};

use super::words;

const NS_PER_MS: u64 = 1_000_000;

/// One direction of a relay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stream {
    /// The media port it arrives at.
    pub(crate) port: SocketAddr,
    /// Where its sender should be.
    pub(crate) peer: SocketAddr,
    /// Where its sender is, once that is learned.
    pub(crate) source: Option<SocketAddr>,
    /// Whether that is final.
    pub(crate) locked: bool,
    /// The media port it leaves from.
    pub(crate) from: SocketAddr,
    /// Where it goes.
    pub(crate) to: SocketAddr,
    /// What the port carries.
    #[serde(with = "words::named")]
    pub(crate) kind: Kind,
    /// The clock rate in hertz.
    #[serde(with = "words::clock")]
    pub(crate) clock: Clock,
    /// Whether it goes on; false while its party is on hold.
    pub(crate) sends: bool,
    /// Whether it goes through the mixer.
    pub(crate) divert: bool,
    /// Its copies.
    pub(crate) copies: Vec<CopyOf>,
    /// Packets that came from its source.
    pub(crate) packets: u64,
    /// Their UDP payload.
    pub(crate) bytes: u64,
    /// RTP packets that never came.
    pub(crate) lost: u32,
    /// Lost packets of those expected, in percent.
    pub(crate) loss_percent: f64,
    /// RTP packets that came after a later one.
    pub(crate) reordered: u32,
    /// RTP packets that came twice.
    pub(crate) duplicates: u32,
    /// Interarrival jitter, RFC 3550.
    pub(crate) jitter_ms: f64,
    /// The longest pause between two packets; 0 when none was worth a note.
    pub(crate) longest_gap_ms: u64,
    /// Time since the last packet.
    pub(crate) idle_ms: Option<u64>,
    /// The synchronisation source of the last packet.
    pub(crate) ssrc: Option<u32>,
    /// How often it changed.
    pub(crate) ssrc_changes: u32,
    /// The payload type of the last packet.
    pub(crate) payload_type: Option<u8>,
    /// Packets from others, dropped.
    pub(crate) strangers: u64,
    /// Packets that were neither RTP nor RTCP, dropped.
    pub(crate) invalid: u32,
    /// The mean opinion score by ITU-T G.107; none before the first RTP packet.
    pub(crate) mos: Option<f64>,
}

/// A copy of a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CopyOf {
    /// Its number.
    pub(crate) id: u32,
    /// Where it goes: an address and port, or `mixer:` and a port.
    pub(crate) to: String,
}

impl Stream {
    /// The stream of a report, at `now_ns`.
    pub(crate) fn new(report: &StreamReport, now_ns: u64) -> Self {
        let it = &report.statistics;
        let jitter_ms = f64::from(it.jitter_ns) / NS_PER_MS as f64;
        let loss = loss(it.packets, it.duplicates, it.lost);
        let has_rtp = it.packets > 0 && report.kind.has_rtp();
        let copies = report.copies.iter().map(|(id, to)| CopyOf { id: id.0, to: monitor_port(*to) }).collect();
        Self {
            port: report.at,
            peer: report.peer,
            source: it.source.map(SocketAddr::from),
            locked: it.locked,
            from: report.from,
            to: report.to,
            kind: report.kind,
            clock: report.clock,
            sends: report.forward,
            divert: report.divert,
            copies,
            packets: it.packets,
            bytes: it.bytes,
            lost: it.lost,
            loss_percent: rounded(100.0 * loss),
            reordered: it.reordered,
            duplicates: it.duplicates,
            jitter_ms: rounded(jitter_ms),
            longest_gap_ms: it.longest_gap_ns / NS_PER_MS,
            idle_ms: it.idle_ns(now_ns).map(|ns| ns / NS_PER_MS),
            ssrc: has_rtp.then_some(it.ssrc),
            ssrc_changes: it.ssrc_changes,
            payload_type: it.payload_type,
            strangers: it.strangers,
            invalid: it.invalid,
            mos: has_rtp.then(|| rounded(mos(Quality { loss, jitter_ms }))),
        }
    }
}

/// The share of packets that were lost, of those that were expected.
fn loss(packets: u64, duplicates: u32, lost: u32) -> f64 {
    let expected = packets.saturating_sub(u64::from(duplicates)) + u64::from(lost);
    if expected == 0 { 0.0 } else { f64::from(lost) / expected as f64 }
}

/// With the digits that mean something.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn monitor_port(to: MonitorPort) -> String {
    match to {
        MonitorPort::Network(to) => to.to_string(),
        MonitorPort::Mixer(port) => format!("mixer:{port}"),
    }
}
