//! The report on the terminal.

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use super::{Calls, Report, Rtp};

/// All of it, as tables and lines.
pub(in crate::calls) fn text(report: &Report) -> String {
    let mut text = String::new();
    if let Some(calls) = &report.calls {
        text += &format!("{}\n{}\n", outcomes(calls), summary(calls, report));
    }
    if let Some(answered) = &report.answered {
        text += &format!(
            "answering side: {} calls received, {} answered, {} cancelled, {} refused, {} not acknowledged\n",
            answered.received, answered.answered, answered.cancelled, answered.refused, answered.unacknowledged
        );
    }
    if !report.distributions().is_empty() {
        text += &format!("{}\n", times(report));
    }
    if let Some(rtp) = &report.rtp {
        text += &sound(rtp);
    }
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    text
}

fn outcomes(calls: &Calls) -> Table {
    let mut table = table(["outcome", "calls", "share"]);
    for count in &calls.outcomes {
        let share = 100.0 * count.calls as f64 / calls.placed.max(1) as f64;
        table.add_row([count.outcome.clone(), count.calls.to_string(), format!("{share:.1} %")]);
    }
    table
}

fn summary(calls: &Calls, report: &Report) -> String {
    format!(
        "{} calls placed in {:.1} s, {} answered, {} completed, {} failed; {} at once at most",
        calls.placed, report.seconds, calls.answered, calls.completed, calls.failed, calls.up_max
    )
}

fn times(report: &Report) -> Table {
    let mut table = table(["milliseconds", "count", "least", "p50", "p90", "p99", "p99.9", "most"]);
    for (name, times) in report.distributions() {
        let numbers = [times.min, times.p50, times.p90, times.p99, times.p999, times.max];
        let row = [name.to_owned(), times.count.to_string()].into_iter();
        table.add_row(row.chain(numbers.map(|number| format!("{number:.3}"))));
    }
    table
}

fn sound(rtp: &Rtp) -> String {
    format!(
        "RTP: {} packets sent, {} arrived, {} lost ({:.3} %), {} late, {} doubled; {} streams, {} with loss, {} at most\n",
        rtp.sent,
        rtp.received,
        rtp.lost,
        rtp.loss_ratio * 100.0,
        rtp.late,
        rtp.doubles,
        rtp.streams,
        rtp.streams_with_loss,
        rtp.lost_max
    )
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_header(header);
    for column in 1..N {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
