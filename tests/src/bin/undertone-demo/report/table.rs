//! A row for each stream: as a table, and as JSON.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

use super::label;
use crate::crossing::{Arrivals, Crossing, MONITORS, version};

/// What became of a stream, in numbers.
#[derive(Serialize)]
pub(crate) struct Row {
    from: &'static str,
    to: &'static str,
    /// The IP version: 4 or 6.
    ip: u8,
    /// The path's key, as in configuration and metrics.
    path: String,
    /// Packets that reached the appliance.
    packets: u64,
    /// Packets that reached each monitor port.
    copied: [usize; MONITORS],
    /// Lost before the appliance, of those expected.
    loss_percent: f64,
    jitter_ms: f64,
    mos: Option<f64>,
    /// Whether the monitor ports have the same bytes, in the same order.
    identical: bool,
    /// How alike speech was at the other party's telephone: 1 is the same.
    speech_heard: f64,
    /// The same at the monitor port that heard it worst.
    speech_copied: f64,
}

impl Row {
    pub(crate) fn of(crossing: &Crossing) -> Self {
        Self {
            from: crossing.party.name(),
            to: crossing.party.other().name(),
            ip: version(crossing.family),
            path: crossing.path.clone(),
            packets: crossing.measured.packets,
            copied: crossing.monitors.each_ref().map(Arrivals::count),
            loss_percent: crossing.loss() * 100.0,
            jitter_ms: crossing.measured.jitter_ms,
            mos: crossing.measured.mos,
            identical: crossing.is_identical(),
            speech_heard: crossing.alike().heard,
            speech_copied: crossing.alike().copied,
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{} → {}", self.from, self.to),
            format!("IPv{}", self.ip),
            label(&self.path).to_owned(),
            self.packets.to_string(),
            self.copied.map(|count| count.to_string()).join(" + "),
            format!("{:.2} %", self.loss_percent),
            format!("{:.2} ms", self.jitter_ms),
            self.mos.map_or("-".to_owned(), |mos| format!("{mos:.2}")),
            if self.identical { "yes" } else { "NO" }.to_owned(),
            format!("{:.4}", self.speech_heard),
            format!("{:.4}", self.speech_copied),
        ]
    }
}

/// What the columns mean whose names do not say it.
pub(crate) const LEGEND: &str = "\
packets, loss, …   as the appliance measured them where the stream arrived, by the call's record
copied             at each monitor port, from the moment that the copy was added
same               every byte of every copy, at both monitor ports
heard, monitored   how alike the sentence that was heard worst is to what was said, as the other telephone recorded it
                   and as the monitor ports received it; 1 is the same, G.711 alone costs some 0.0001";

/// The table as people read it.
pub(crate) fn table(rows: &[Row]) -> Table {
    const HEADER: [&str; 11] =
        ["stream", "IP", "path", "packets", "copied", "loss", "jitter", "MOS", "same", "heard", "monitored"];
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(HEADER).add_rows(rows.iter().map(Row::cells));
    table.column_iter_mut().skip(3).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// Writes the rows to a file, one JSON object a line.
pub(crate) fn write_json(file: &Path, rows: &[Row]) -> Result<()> {
    let mut lines = String::new();
    for row in rows {
        writeln!(lines, "{}", serde_json::to_string(row)?)?;
    }
    fs::write(file, lines).with_context(|| format!("cannot write the table to {}", file.display()))
}
