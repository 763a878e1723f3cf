//! Charts of a page, as SVG that takes its colours from the page.

use std::fmt::Write as _;

use crate::calls::{exchange::Sample, report::Distribution};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 240.0;
/// The plot within the chart.
const LEFT: f64 = 56.0;
const RIGHT: f64 = WIDTH - 16.0;
const TOP: f64 = 28.0;
const BOTTOM: f64 = HEIGHT - 36.0;
/// Points of a line at most.
const POINTS_MAX: usize = 600;

/// How often times occur, over a logarithmic axis, with the percentiles that matter.
pub(super) fn distribution(label: &str, times: &Distribution) -> String {
    let (Some(first), Some(last)) = (times.bins.first(), times.bins.last()) else { return String::new() };
    let (from, to) = (first.from.log10(), last.to.log10());
    // A few equal times alone would be a wall.
    let (from, to) = if to - from < 0.3 { (from - 0.15, to + 0.15) } else { (from, to) };
    let x = |ms: f64| LEFT + (ms.log10() - from) / (to - from) * (RIGHT - LEFT);
    let most = times.bins.iter().map(|bin| bin.count).max().unwrap_or(1) as f64;
    let y = |count: f64| BOTTOM - count / most * (BOTTOM - TOP);
    let mut svg = begin(label);
    svg += &rows(most, y);
    for bin in &times.bins {
        let (left, right, top) = (x(bin.from), x(bin.to), y(bin.count as f64));
        let _ = write!(
            svg,
            "<rect class=\"mark\" x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\">\
             <title>{} from {} to {} ms</title></rect>",
            (right - left - 1.0).max(1.0),
            BOTTOM - top,
            bin.count,
            milliseconds(bin.from),
            milliseconds(bin.to)
        );
    }
    for ms in ladder(from, to) {
        let _ =
            write!(svg, "<text class=\"tick\" x=\"{:.1}\" y=\"{}\">{}</text>", x(ms), BOTTOM + 16.0, milliseconds(ms));
    }
    for (row, (name, ms)) in [("p50", times.p50), ("p99", times.p99)].into_iter().enumerate() {
        svg += &percentile(name, ms, x(ms).clamp(LEFT, RIGHT), row);
    }
    svg + &format!(
        "<text class=\"note\" x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">milliseconds</text></svg>",
        HEIGHT - 4.0
    )
}

fn percentile(name: &str, ms: f64, x: f64, row: usize) -> String {
    let anchor = if x > f64::midpoint(LEFT, RIGHT) { "end" } else { "start" };
    let beside = if anchor == "end" { x - 4.0 } else { x + 4.0 };
    let y = TOP - 14.0 + 13.0 * row as f64;
    format!(
        "<line class=\"percentile\" x1=\"{x:.1}\" y1=\"{y}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\"/>\
         <text class=\"value\" x=\"{beside:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{name} {} ms</text>",
        y + 6.0,
        milliseconds(ms)
    )
}

/// Calls that are up, and failures so far, over time.
pub(super) fn over_time(samples: &[Sample]) -> String {
    let Some(last) = samples.last() else { return String::new() };
    let seconds = last.seconds.max(0.1);
    let most = samples.iter().map(|sample| sample.up.max(sample.failed)).max().unwrap_or(0).max(1) as f64;
    let x = |at: f64| LEFT + at / seconds * (RIGHT - LEFT);
    let y = |calls: f64| BOTTOM - calls / most * (BOTTOM - TOP);
    let shown: Vec<_> = samples.iter().step_by(samples.len().div_ceil(POINTS_MAX)).chain([last]).collect();
    let line = |calls: fn(&Sample) -> u64| -> String {
        shown.iter().map(|sample| format!("{:.1},{:.1} ", x(sample.seconds), y(calls(sample) as f64))).collect()
    };
    let up = line(|sample| sample.up);
    let mut svg = begin("Calls up over time");
    svg += &rows(most, y);
    let _ = write!(
        svg,
        "<polygon class=\"area\" points=\"{LEFT},{BOTTOM} {up}{RIGHT},{BOTTOM}\"/><polyline class=\"line\" points=\"{up}\"/>"
    );
    if last.failed > 0 {
        let _ = write!(
            svg,
            "<polyline class=\"line bad\" points=\"{}\"/><text class=\"value bad\" x=\"{RIGHT}\" y=\"{:.1}\" \
             text-anchor=\"end\">{} failed</text>",
            line(|sample| sample.failed),
            (y(last.failed as f64) - 5.0).max(TOP - 4.0),
            last.failed
        );
    }
    for step in 0..=4 {
        let at = seconds * f64::from(step) / 4.0;
        let anchor = ["start", "middle", "middle", "middle", "end"][step as usize];
        let _ = write!(
            svg,
            "<text class=\"tick\" style=\"text-anchor:{anchor}\" x=\"{:.1}\" y=\"{}\">{at:.1}</text>",
            x(at),
            BOTTOM + 16.0
        );
    }
    svg + &format!("<text class=\"note\" x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">seconds</text></svg>", HEIGHT - 4.0)
}

fn begin(label: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">")
}

/// Lines across, at whole numbers, with what they stand for.
fn rows(most: f64, y: impl Fn(f64) -> f64) -> String {
    let step = [1.0, 2.0, 5.0].into_iter().flat_map(|digit| (0..12).map(move |power| digit * 10_f64.powi(power)));
    let step = step.filter(|step| most / step <= 5.0).fold(f64::INFINITY, f64::min);
    let count = (most / step).floor() as u32;
    (0..=count)
        .map(|row| f64::from(row) * step)
        .map(|value| {
            format!(
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{at:.1}\" x2=\"{RIGHT}\" y2=\"{at:.1}\"/>\
                 <text class=\"scale\" x=\"{:.1}\" y=\"{:.1}\">{value}</text>",
                LEFT - 8.0,
                y(value) + 4.0,
                at = y(value)
            )
        })
        .collect()
}

/// 1, 2 and 5 of every power of ten between two logarithms.
fn ladder(from: f64, to: f64) -> Vec<f64> {
    let powers = from.floor() as i32..=to.ceil() as i32;
    // Over many powers of ten, 2 and 5 would stand too close.
    let digits: &[f64] = if to - from > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let values = powers.flat_map(|power| digits.iter().map(move |digit| digit * 10_f64.powi(power)));
    values.filter(|ms| (from..=to).contains(&ms.log10())).collect()
}

/// A time with the digits that count.
pub(super) fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms >= 100.0 => format!("{ms:.0}"),
        ms if ms >= 10.0 => format!("{ms:.1}").trim_end_matches(".0").to_owned(),
        ms => format!("{ms:.3}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        let near = |found: Vec<f64>, expected: &[f64]| {
            assert_eq!(found.len(), expected.len(), "{found:?}");
            assert!(
                found.iter().zip(expected).all(|(found, expected)| (found / expected - 1.0).abs() < 1e-9),
                "{found:?}"
            );
        };
        near(ladder(-0.5, 1.1), &[0.5, 1.0, 2.0, 5.0, 10.0]);
        near(ladder(-1.0, 3.5), &[0.1, 1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(rows(7.0, |value| value).matches("<line").count(), 4);
    }

    #[test]
    fn times_have_the_digits_that_count() {
        let shown = [0.25, 1.0, 9.876_54, 10.0, 12.34, 1234.5].map(milliseconds);
        assert_eq!(shown, ["0.25", "1", "9.877", "10", "12.3", "1234"]);
    }
}
