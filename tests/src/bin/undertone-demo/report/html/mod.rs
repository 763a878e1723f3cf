//! The report: one HTML file that needs nothing else.

mod waveform;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use undertone_core::mixer::Person;

use self::waveform::{HEIGHT, WIDTH, columns};
use super::{Histogram, label, table::cell};
use crate::{
    appliance::Measured,
    findings::Findings,
    script::{PEOPLE, Scene, name, other, seconds},
    story::Told,
};

/// Seconds between two marks of the time axis.
const MARKS: usize = 10;

/// Everything that the report shows.
pub(crate) struct Page<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) told: &'a Told,
    pub(crate) findings: &'a Findings,
    pub(crate) streams: &'a [(Person, String, &'a Measured)],
    pub(crate) histograms: Option<&'a [Histogram; 2]>,
    pub(crate) problems: &'a [String],
}

impl Page<'_> {
    /// Writes it to a folder, and gives its file.
    pub(crate) fn write(&self, folder: &Path) -> Result<PathBuf> {
        let file = folder.join("report.html");
        fs::write(&file, self.text()).with_context(|| format!("cannot write the report to {}", file.display()))?;
        Ok(file)
    }

    fn text(&self) -> String {
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>Undertone: who heard whom</title>\n\
             <style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>Who heard whom</h1>\n\
             <p>A call between a carrier and an agent, and a supervisor who listens, whispers and joins. Each band is what \
             that person’s telephone recorded; its colours are the voices that were found in it.</p>\n\
             {}{}<h2>Mode by mode</h2>\n{}<h2>What the parties received of each other</h2>\n{}\
             <h2>How their streams arrived at the appliance</h2>\n{}{}</main>\n</body>\n</html>\n",
            self.verdict(),
            self.timeline(),
            self.hearing(),
            self.received(),
            self.arrived(),
            self.latencies(),
        )
    }

    fn verdict(&self) -> String {
        if self.problems.is_empty() {
            return "<p class=\"verdict good\">Everybody heard whom they should, and nobody else.</p>\n".to_owned();
        }
        let problems: String = self.problems.iter().map(|it| format!("<li>{}</li>", escaped(it))).collect();
        format!("<div class=\"verdict bad\"><p>Not everything is as it should be:</p><ul>{problems}</ul></div>\n")
    }

    /// The modes, a band for each person, and a time axis below them.
    fn timeline(&self) -> String {
        let legend = PEOPLE.map(|person| format!("<li class=\"{0}\">{0}</li>", name(person))).concat();
        let mut modes = String::new();
        for (number, act) in self.scene.acts.iter().enumerate() {
            let width = self.percent(self.scene.end(number)) - self.percent(act.begin);
            let _ = writeln!(
                modes,
                "<li style=\"width:{width:.3}%\"><b>{}</b><span>{}</span></li>",
                act.deed.name(),
                act.name()
            );
        }
        let bands = PEOPLE.map(|person| self.band(person)).concat();
        let marks = (0..).map(|it| it * MARKS).take_while(|at| (*at as f64) < seconds(self.scene.length));
        let axis: String = marks
            .map(|at| {
                let left = at as f64 / seconds(self.scene.length) * 100.0;
                format!("<li style=\"left:{left:.3}%\">{at} s</li>")
            })
            .collect();
        format!(
            "<ul class=\"legend\">{legend}</ul>\n<figure>\n<ol class=\"modes\">\n{modes}</ol>\n{bands}\
             <ol class=\"axis\">{axis}</ol>\n</figure>\n"
        )
    }

    /// What a person heard.
    fn band(&self, listener: Person) -> String {
        let paths: String = columns(self.scene, self.told, self.findings, listener)
            .iter()
            .map(|(voice, path)| format!("<path class=\"{voice}\" d=\"{path}\"/>"))
            .collect();
        let lines: String = self.scene.acts[1..]
            .iter()
            .map(|act| {
                let x = self.percent(act.begin) / 100.0 * WIDTH as f64;
                format!("<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{HEIGHT}\"/>")
            })
            .collect();
        let name = name(listener);
        format!(
            "<h3>the {name} heard <a href=\"{name}.wav\">{name}.wav</a></h3>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Waveform of what the {name} heard\">{lines}{paths}</svg>\n"
        )
    }

    fn hearing(&self) -> String {
        let rows = self.scene.acts.iter().enumerate().map(|(number, act)| {
            let heard = PEOPLE.map(|listener| escaped(&cell(self.scene, self.findings, number, listener)));
            let [caller, agent, supervisor] = heard;
            let as_expected = self.findings.is_as_expected(number);
            let verdict = if as_expected { "<b class=\"yes\">yes</b>" } else { "<b class=\"no\">NO</b>" };
            let [mode, deed] = [act.name(), act.deed.name()].map(str::to_owned);
            vec![mode, deed, caller, agent, supervisor, verdict.to_owned()]
        });
        table(&["mode", "dialled", "caller hears", "agent hears", "supervisor hears", "as it should be"], 6, rows)
    }

    fn received(&self) -> String {
        let rows = self.findings.received.iter().map(|it| {
            let payloads = it.compared.map(|it| format!("{} of {}", it.identical, it.sent()));
            vec![
                self.scene.acts[it.act].name().to_owned(),
                format!("{} → {}", name(other(it.party)), name(it.party)),
                if it.with_supervisor { "mixer" } else { "straight" }.to_owned(),
                format!("{:.4}", it.alike),
                payloads.unwrap_or_else(|| "not seen".to_owned()),
            ]
        });
        let header = ["mode", "stream", "way", "like what was said", "same payloads"];
        table(&header, 3, rows)
            + "<p class=\"note\">Like what was said: the sentence as the telephone recorded it, where 1 is the same and G.711 \
               costs some 0.0001. Same payloads: packets that arrived with every byte as it was sent, while the mode \
               held.</p>\n"
    }

    fn arrived(&self) -> String {
        let rows = self.streams.iter().map(|(party, path, it)| {
            vec![
                format!("{} → {}", name(*party), name(other(*party))),
                label(path).to_owned(),
                it.packets.to_string(),
                format!("{:.2} %", it.loss() * 100.0),
                format!("{:.2} ms", it.jitter_ms),
                it.mos.map_or("–".to_owned(), |mos| format!("{mos:.2}")),
            ]
        });
        table(&["stream", "path", "packets", "loss", "jitter", "MOS"], 2, rows)
    }

    fn latencies(&self) -> String {
        let Some(histograms) = self.histograms else { return String::new() };
        let mut text = "<h2>How long packets took from one party’s interface to the other’s</h2>\n".to_owned();
        for histogram in histograms {
            let _ = writeln!(
                text,
                "<h3>{}: {} packets, {}</h3>\n<ol class=\"histogram\">",
                histogram.name,
                histogram.count(),
                histogram.figures()
            );
            let most = histogram.counts.iter().max().copied().unwrap_or(0).max(1) as f64;
            for (index, count) in histogram.counts.iter().enumerate() {
                let (bucket, width) = (escaped(&Histogram::bucket(index)), *count as f64 / most * 100.0);
                let _ = writeln!(
                    text,
                    "<li><span>{bucket}</span><i style=\"--w:{width:.1}%\"></i><span>{count}</span></li>"
                );
            }
            text += "</ol>\n";
        }
        text
    }

    /// Where a sample of the call is on the time axis.
    fn percent(&self, sample: usize) -> f64 {
        sample as f64 / self.scene.length.max(1) as f64 * 100.0
    }
}

/// A table, of whose columns those from `numbers` on are numbers.
fn table(header: &[&str], numbers: usize, rows: impl Iterator<Item = Vec<String>>) -> String {
    let class = |column: usize| if column >= numbers { " class=\"n\"" } else { "" };
    let head: String =
        header.iter().enumerate().map(|(column, name)| format!("<th{}>{name}</th>", class(column))).collect();
    let mut text = format!("<div class=\"scroll\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n");
    for row in rows {
        let cells: String =
            row.iter().enumerate().map(|(column, cell)| format!("<td{}>{cell}</td>", class(column))).collect();
        let _ = writeln!(text, "<tr>{cells}</tr>");
    }
    text + "</tbody>\n</table></div>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const STYLE: &str = include_str!("style.css");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_numbers_at_the_right() {
        let text = table(&["what", "count"], 1, std::iter::once(vec!["x".to_owned(), "1".to_owned()]));
        assert!(text.contains("<th>what</th><th class=\"n\">count</th>"), "{text}");
        assert!(text.contains("<td>x</td><td class=\"n\">1</td>"), "{text}");
    }

    #[test]
    fn text_is_no_markup() {
        assert_eq!(escaped("< 16 µs & >"), "&lt; 16 µs &amp; &gt;");
    }

    #[test]
    fn the_style_needs_nothing_from_elsewhere() {
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
