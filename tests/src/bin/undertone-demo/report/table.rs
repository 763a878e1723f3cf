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
    path: &'static str,
    #[serde(skip)]
    path_label: &'static str,
    /// Packets that left the sender.
    sent: usize,
    /// Packets that reached the other party.
    forwarded: usize,
    /// Packets that reached each monitor port.
    copied: [usize; MONITORS],
    /// Lost before the appliance, of those expected.
    loss_percent: f64,
    jitter_ms: f64,
    mos: f64,
    /// Whether all of them were the same bytes, in the same order, everywhere.
    identical: bool,
    /// How alike speech was where it was heard worst: 1 is the same.
    speech: f64,
}

impl Row {
    pub(crate) fn of(crossing: &Crossing) -> Self {
        Self {
            from: crossing.party.name(),
            to: crossing.party.other().name(),
            ip: version(crossing.family),
            path: crossing.path.key(),
            path_label: label(crossing.path),
            sent: crossing.sent.len(),
            forwarded: crossing.far_end.count(),
            copied: crossing.monitors.each_ref().map(Arrivals::count),
            loss_percent: crossing.loss() * 100.0,
            jitter_ms: crossing.jitter_ms(),
            mos: crossing.mos(),
            identical: crossing.is_identical(),
            speech: crossing.similarity(),
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            format!("{} → {}", self.from, self.to),
            format!("IPv{}", self.ip),
            self.path_label.to_owned(),
            self.sent.to_string(),
            self.forwarded.to_string(),
            self.copied.map(|count| count.to_string()).join(" + "),
            format!("{:.2} %", self.loss_percent),
            format!("{:.2} ms", self.jitter_ms),
            format!("{:.2}", self.mos),
            if self.identical { "yes" } else { "NO" }.to_owned(),
            format!("{:.4}", self.speech),
        ]
    }
}

/// What the columns mean whose names do not say it.
pub(crate) const LEGEND: &str = "\
loss, jitter, MOS   as the appliance measures them where the stream arrives
identical           every byte of every packet, at the other party and at both monitor ports
speech              how alike what was heard there is to what was said; 1 is the same, G.711 alone costs some 0.0001";

/// The table as people read it.
pub(crate) fn table(rows: &[Row]) -> Table {
    const HEADER: [&str; 11] =
        ["stream", "IP", "path", "sent", "forwarded", "copied", "loss", "jitter", "MOS", "identical", "speech"];
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
