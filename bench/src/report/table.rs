//! The table on the terminal.

use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};

use crate::report::{Outcome, Outcomes};

/// All rows, as a table.
pub(crate) fn table(outcomes: &Outcomes) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY);
    table.set_header(["row", "median", "least", "most", "ratio", "from", "to", "of"]);
    for outcome in &outcomes.0 {
        table.add_row(line(outcomes, outcome));
    }
    for column in 1..=6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn line(outcomes: &Outcomes, outcome: &Outcome) -> Vec<String> {
    let spread = outcome.spread();
    let mut line = vec![outcome.name.to_owned()];
    line.extend([spread.median, spread.min, spread.max].map(|number| outcome.unit.show(number)));
    if let (Some(ratio), Some(of)) = (outcomes.ratio_of(outcome), outcome.ratio_to) {
        line.extend([ratio.median, ratio.min, ratio.max].map(|ratio| format!("{ratio:.3}")));
        line.push(of.to_owned());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn a_row_shows_its_numbers_and_its_ratio() {
        let outcomes = example::outcomes();
        assert_eq!(
            line(&outcomes, &outcomes.0[1]),
            ["product", "5.60 Mpps", "3.00 Mpps", "6.00 Mpps", "0.750", "0.700", "0.750", "limit"]
        );
        assert_eq!(line(&outcomes, &outcomes.0[2]), ["write", "120 ns", "110 ns", "130 ns"]);
    }
}
