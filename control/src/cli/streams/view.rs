//! Streams as a table.

use std::{collections::HashMap, fmt::Write as _, net::SocketAddr};

use comfy_table::{
    CellAlignment::{Left, Right},
    Table,
};
use undertone_control_core::names::Named as _;

use crate::{
    cli::output::{duration, grouped, lines, table},
    protocol::Stream,
};

/// Packets per second, by port.
pub(super) type Rates = HashMap<SocketAddr, f64>;

/// Lines that are not streams: the headings, what is left out, and the one that the cursor stands in.
const OTHER_LINES: usize = 3;

/// The table, at most `lines_max` lines high. `rates` adds a column for those that are known.
pub(super) fn view(streams: &[Stream], rates: Option<&Rates>, lines_max: Option<usize>) -> String {
    if streams.is_empty() {
        return "no streams\n".into();
    }
    let room = lines_max.map_or(usize::MAX, |lines| lines.saturating_sub(OTHER_LINES).max(1));
    let shown = &streams[..streams.len().min(room)];
    let mut text = lines(&rows(shown, rates)).join("\n");
    text.push('\n');
    if shown.len() < streams.len() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "and {} more", grouped((streams.len() - shown.len()) as u64));
    }
    text
}

fn rows(streams: &[Stream], rates: Option<&Rates>) -> Table {
    let mut columns = vec![("PORT", Left), ("FROM", Left), ("TO", Left), ("KIND", Left), ("PACKETS", Right)];
    if rates.is_some() {
        columns.push(("PER S", Right));
    }
    columns.extend([("LOSS %", Right), ("JITTER ms", Right), ("MOS", Right), ("IDLE", Right), ("SOURCE", Left)]);
    columns.extend([("STRANGERS", Right), ("COPIES", Right), ("FLAGS", Left)]);
    let mut table = table(columns);
    for stream in streams {
        table.add_row(row(stream, rates));
    }
    table
}

fn row(it: &Stream, rates: Option<&Rates>) -> Vec<String> {
    let none = || "-".to_owned();
    let mut row = vec![
        it.port.to_string(),
        it.source.unwrap_or(it.peer).to_string(),
        it.to.to_string(),
        it.kind.name().to_owned(),
        grouped(it.packets),
    ];
    if let Some(rates) = rates {
        row.push(rates.get(&it.port).map_or_else(none, |rate| format!("{rate:.0}")));
    }
    row.extend([
        format!("{:.2}", it.loss_percent),
        format!("{:.2}", it.jitter_ms),
        it.mos.map_or_else(none, |mos| format!("{mos:.2}")),
        it.idle_ms.map_or_else(none, duration),
        source(it).to_owned(),
        grouped(it.strangers),
        it.copies.len().to_string(),
        flags(it),
    ]);
    row
}

const fn source(it: &Stream) -> &'static str {
    match (it.locked, it.source.is_some()) {
        (true, _) => "locked",
        (false, true) => "learning",
        (false, false) => "-",
    }
}

fn flags(it: &Stream) -> String {
    let flags = [(!it.sends, "hold"), (it.divert, "divert")];
    let set: Vec<_> = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
    set.join(" ")
}

#[cfg(test)]
mod tests {
    use undertone_core::{Clock, Kind};

    use super::*;
    use crate::protocol::CopyOf;

    fn socket(text: &str) -> SocketAddr {
        text.parse().expect("an address and a port")
    }

    fn stream(port: u16) -> Stream {
        Stream {
            port: SocketAddr::from(([192, 0, 2, 10], port)),
            peer: socket("198.51.100.7:4000"),
            source: Some(socket("198.51.100.7:4444")),
            locked: true,
            from: socket("192.0.2.10:20002"),
            to: socket("198.51.100.8:4000"),
            kind: Kind::Rtp,
            clock: Clock::Hz8000,
            sends: true,
            divert: false,
            copies: vec![CopyOf { id: 1, to: "203.0.113.5:9000".into() }],
            packets: 12_345,
            bytes: 1,
            lost: 1,
            loss_percent: 0.5,
            reordered: 0,
            duplicates: 0,
            jitter_ms: 1.25,
            longest_gap_ms: 0,
            idle_ms: Some(19),
            ssrc: Some(7),
            ssrc_changes: 0,
            payload_type: Some(0),
            strangers: 3,
            invalid: 0,
            mos: Some(4.312),
        }
    }

    fn silent(port: u16) -> Stream {
        let (source, locked, idle_ms, mos, packets) = (None, false, None, None, 0);
        Stream { source, locked, idle_ms, mos, packets, sends: false, divert: true, copies: Vec::new(), ..stream(port) }
    }

    #[test]
    fn a_stream_is_a_row() {
        let expected = "\
PORT              FROM               TO                 KIND  PACKETS  LOSS %  JITTER ms   MOS   IDLE  SOURCE  STRANGERS  COPIES  FLAGS
192.0.2.10:20000  198.51.100.7:4444  198.51.100.8:4000  rtp    12,345    0.50       1.25  4.31  19 ms  locked          3       1
192.0.2.10:20004  198.51.100.7:4000  198.51.100.8:4000  rtp         0    0.50       1.25     -      -  -               3       0  hold divert
";
        assert_eq!(view(&[stream(20_000), silent(20_004)], None, None), expected);
    }

    #[test]
    fn the_live_view_has_rates_and_fits_the_screen() {
        let streams: Vec<_> = (0..10).map(|index| stream(20_000 + 2 * index)).collect();
        let rates = Rates::from([(streams[0].port, 50.2)]);
        let text = view(&streams, Some(&rates), Some(8));
        assert_eq!(text.lines().count(), 7);
        assert!(text.contains("PER S") && text.contains("  50  ") && text.ends_with("and 5 more\n"), "{text}");
    }

    #[test]
    fn no_streams_are_no_table() {
        assert_eq!(view(&[], None, None), "no streams\n");
    }
}
