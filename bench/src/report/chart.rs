//! A bar chart as SVG, for a page that may be light or dark.

use std::fmt::Write as _;

use crate::report::{Outcome, Outcomes, Unit};

const WIDTH: f64 = 860.0;
const TOP: f64 = 58.0;
const ROW: f64 = 30.0;
const BAR: f64 = 16.0;
/// Where bars begin, and how long the longest may be.
const LEFT: f64 = 190.0;
const LENGTH: f64 = 400.0;
const FOOT: f64 = 34.0;

const STYLE: &str = "\
text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}\
.title{font-size:16px;font-weight:600}.note,.ratio{fill:#59636e}.name{text-anchor:end}\
.ours{fill:#2f81c7}.theirs{fill:#8c959f}.spread{stroke:#1f2328;stroke-width:1.2}.axis{stroke:#c8ced5}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.note,.ratio{fill:#9198a1}.ours{fill:#4493d8}\
.theirs{fill:#767e88}.spread{stroke:#e6edf3}.axis{stroke:#3d444d}}";

/// The rows that count packets, longest bar for the most. Rows in `references` are what the others are measured by.
pub(crate) fn chart(title: &str, outcomes: &Outcomes, references: &[&str]) -> String {
    let rows: Vec<_> = outcomes.0.iter().filter(|outcome| outcome.unit == Unit::PacketsPerSecond).collect();
    let most = rows.iter().map(|outcome| outcome.spread().max).fold(1.0, f64::max);
    let height = TOP + ROW * rows.len() as f64 + FOOT;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<style>{STYLE}</style>\n\
         <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n\
         <text class=\"note\" x=\"16\" y=\"46\">packets per second on one core, and the ratio within the same \
         round</text>\n",
        title = escape(title),
    );
    for (index, outcome) in rows.iter().enumerate() {
        let y = TOP + ROW * index as f64;
        svg += &bar(outcomes, outcome, y, LENGTH / most, references.contains(&outcome.name));
    }
    let (bottom, last) = (TOP + ROW * rows.len() as f64, rows.first().map_or(0, |row| row.rounds.len()));
    let _ = write!(
        svg,
        "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{TOP}\" x2=\"{LEFT}\" y2=\"{bottom}\"/>\n\
         <text class=\"note\" x=\"16\" y=\"{foot}\">bars: medians of {last} rounds; lines: least and most</text>\n</svg>\n",
        foot = bottom + 22.0,
    );
    svg
}

fn bar(outcomes: &Outcomes, outcome: &Outcome, y: f64, scale: f64, is_reference: bool) -> String {
    let spread = outcome.spread();
    let middle = y + ROW / 2.0;
    let [length, least, most] = [spread.median, spread.min, spread.max].map(|number| number * scale);
    let class = if is_reference { "theirs" } else { "ours" };
    let mut bar = format!(
        "<text class=\"name\" x=\"{x}\" y=\"{base}\">{name}</text>\
         <rect class=\"{class}\" x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>\
         <line class=\"spread\" x1=\"{from:.1}\" y1=\"{middle}\" x2=\"{to:.1}\" y2=\"{middle}\"/>\
         <text x=\"{after:.1}\" y=\"{base}\">{value}",
        x = LEFT - 10.0,
        base = middle + 4.5,
        name = escape(outcome.name),
        top = middle - BAR / 2.0,
        from = LEFT + least,
        to = LEFT + most,
        after = LEFT + most.max(length) + 8.0,
        value = outcome.unit.show(spread.median),
    );
    if let (Some(ratio), Some(of)) = (outcomes.ratio_of(outcome), outcome.ratio_to) {
        let _ = write!(bar, "<tspan class=\"ratio\" dx=\"8\">{:.2} × {}</tspan>", ratio.median, escape(of));
    }
    bar + "</text>\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::example;

    #[test]
    fn bars_are_as_long_as_their_numbers() {
        let svg = chart("an \"example\"", &example::outcomes(), &["limit"]);
        assert!(svg.contains("class=\"theirs\" x=\"190\" y=\"65\" width=\"400.0\""), "{svg}");
        assert!(svg.contains("class=\"ours\" x=\"190\" y=\"95\" width=\"280.0\""), "{svg}");
        assert!(svg.contains("5.60 Mpps") && svg.contains("0.75 × limit") && svg.contains("an &quot;example&quot;"));
        assert!(!svg.contains("write"), "another unit has no bar");
    }
}
