//! What was measured, as tables.

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use undertone_core::mixer::Person;

use super::label;
use crate::{
    appliance::Measured,
    findings::Findings,
    script::{PEOPLE, Scene, name, other},
};

/// Who heard whom in each act: as measured, and as the table of the product says where that is something else.
pub(crate) fn hearing(scene: &Scene, findings: &Findings) -> Table {
    let header = ["mode", "dialled", "caller hears", "agent hears", "supervisor hears", "as it should be"];
    let rows = scene.acts.iter().enumerate().map(|(number, act)| {
        let [caller, agent, supervisor] = PEOPLE.map(|listener| cell(scene, findings, number, listener));
        let as_expected = if findings.is_as_expected(number) { "yes" } else { "NO" };
        [act.name().to_owned(), act.deed.name().to_owned(), caller, agent, supervisor, as_expected.to_owned()]
    });
    plain(&header, rows)
}

/// Whom a listener heard in an act, and if that is not as it should be, whom they should have.
pub(crate) fn cell(scene: &Scene, findings: &Findings, act: usize, listener: Person) -> String {
    let of = |heard: &dyn Fn(Person) -> Option<String>| {
        let names: Vec<_> = PEOPLE.into_iter().filter_map(heard).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(" + ") }
    };
    // Nobody says anything to somebody who is not there.
    if scene.acts[act].hears(listener, listener).is_none() {
        return "–".to_owned();
    }
    let found = of(&|speaker| match findings.heard(act, listener, speaker)?.is_heard() {
        Some(true) => Some(name(speaker).to_owned()),
        Some(false) => None,
        None => Some(format!("{} (unclear)", name(speaker))),
    });
    let expected = of(&|speaker| scene.acts[act].hears(listener, speaker)?.then(|| name(speaker).to_owned()));
    if found == expected { found } else { format!("{found}; EXPECTED {expected}") }
}

/// What each party received of the other one.
pub(crate) fn received(scene: &Scene, findings: &Findings) -> Table {
    let header = ["mode", "stream", "way", "like what was said", "same payloads"];
    let rows = findings.received.iter().map(|it| {
        let payloads = it.compared.map(|it| format!("{} of {}", it.identical, it.sent()));
        [
            scene.acts[it.act].name().to_owned(),
            format!("{} → {}", name(other(it.party)), name(it.party)),
            if it.with_supervisor { "mixer" } else { "straight" }.to_owned(),
            format!("{:.4}", it.alike),
            payloads.unwrap_or_else(|| "not seen".to_owned()),
        ]
    });
    let mut table = plain(&header, rows);
    table.column_iter_mut().skip(3).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

/// What the columns mean whose names do not say it.
pub(crate) const RECEIVED_LEGEND: &str = "\
like what was said  the sentence as the telephone recorded it, against what was said; 1 is the same, G.711 costs some 0.0001
same payloads       packets while the mode held that arrived with every byte of their payload as it was sent";

/// How the parties' streams arrived at the appliance; each with the path of its interface.
pub(crate) fn streams(measured: &[(Person, String, &Measured)]) -> Table {
    let header = ["stream", "path", "packets", "loss", "jitter", "MOS"];
    let rows = measured.iter().map(|(party, path, it)| {
        [
            format!("{} → {}", name(*party), name(other(*party))),
            label(path).to_owned(),
            it.packets.to_string(),
            format!("{:.2} %", it.loss() * 100.0),
            format!("{:.2} ms", it.jitter_ms),
            it.mos.map_or("–".to_owned(), |mos| format!("{mos:.2}")),
        ]
    });
    let mut table = plain(&header, rows);
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    table
}

fn plain<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_header(header).add_rows(rows);
    table
}
