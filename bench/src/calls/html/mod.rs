//! The report as a page that needs nothing else: no script, no font, no file beside it.

mod chart;

use self::chart::milliseconds;
use super::report::{Calls, Distribution, Report, Rtp};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn page(report: &Report) -> String {
    let title =
        report.target.as_ref().map_or_else(|| "Calls answered".to_owned(), |target| format!("Calls through {target}"));
    let title = escape(&title);
    let charts = [
        chart("Set-up time, INVITE to 200", report.setup_ms.as_ref()),
        chart("RTP latency, one way", report.rtp.as_ref().and_then(|rtp| rtp.latency_ms.as_ref())),
        section("Calls up over time", "", &chart::over_time(&report.samples)),
        report.calls.as_ref().map(|calls| section("Outcomes", "", &outcomes(calls))).unwrap_or_default(),
        section("Times in milliseconds", "wide", &times(report)),
        report.rtp.as_ref().map(|rtp| section("Sound", "wide", &sound(rtp))).unwrap_or_default(),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<header><h1>{title}</h1>{}{}</header>\n\
         <div class=\"tiles\">{}</div>\n<main>\n{}</main>\n</body>\n</html>\n",
        asked(report),
        notes(report),
        tiles(report),
        charts.concat()
    )
}

fn asked(report: &Report) -> String {
    let verdict =
        if report.passed { "<b class=\"good\">passed</b>" } else { "<b class=\"bad\">too many calls failed</b>" };
    match (&report.asked, &report.answered) {
        (Some(asked), _) => format!(
            "<p>{verdict} · {} calls/s asked for, held for {} s, {}, for {:.1} s; up to {} calls may fail</p>",
            asked.rate, asked.hold_seconds, asked.codec, report.seconds, report.failures_max
        ),
        (None, Some(answered)) => {
            format!(
                "<p>{} calls received and {} answered in {:.1} s</p>",
                answered.received, answered.answered, report.seconds
            )
        }
        (None, None) => String::new(),
    }
}

fn notes(report: &Report) -> String {
    let items: String = report.notes.iter().map(|note| format!("<li>{}</li>", escape(note))).collect();
    if items.is_empty() { items } else { format!("<ul>{items}</ul>") }
}

fn tiles(report: &Report) -> String {
    let mut tiles = Vec::new();
    if let Some(calls) = &report.calls {
        tiles.push(("calls placed", calls.placed.to_string(), ""));
        tiles.push(("completed", calls.completed.to_string(), ""));
        tiles.push(("failed", calls.failed.to_string(), if calls.failed > 0 { "bad" } else { "" }));
        tiles.push(("up at once at most", calls.up_max.to_string(), ""));
    }
    if let Some(setup) = &report.setup_ms {
        tiles.push(("set-up time, p99", format!("{} ms", milliseconds(setup.p99)), ""));
    }
    if let Some(rtp) = &report.rtp {
        if let Some(latency) = &rtp.latency_ms {
            tiles.push(("RTP latency, p99", format!("{} ms", milliseconds(latency.p99)), ""));
        }
        let class = if rtp.lost > 0 { "bad" } else { "" };
        tiles.push(("RTP lost", format!("{:.3} %", rtp.loss_ratio * 100.0), class));
    }
    let tile =
        |(name, value, class)| format!("<div class=\"tile\"><b class=\"{class}\">{value}</b><span>{name}</span></div>");
    tiles.into_iter().map(tile).collect()
}

fn chart(title: &str, times: Option<&Distribution>) -> String {
    times.map(|times| section(title, "", &chart::distribution(title, times))).unwrap_or_default()
}

fn section(title: &str, class: &str, content: &str) -> String {
    if content.is_empty() {
        return String::new();
    }
    format!("<section class=\"{class}\"><h2>{title}</h2>{content}</section>\n")
}

fn outcomes(calls: &Calls) -> String {
    let rows = calls.outcomes.iter().map(|count| {
        let class = if count.is_failure { "bad" } else { "" };
        let share = 100.0 * count.calls as f64 / calls.placed.max(1) as f64;
        let outcome = escape(&count.outcome);
        format!("<tr><td class=\"{class}\">{outcome}</td><td>{}</td><td>{share:.1} %</td></tr>", count.calls)
    });
    table(&["outcome", "calls", "share"], &rows.collect::<String>())
}

fn times(report: &Report) -> String {
    let rows = report.distributions().into_iter().map(|(name, times)| {
        let numbers = [times.min, times.mean, times.p50, times.p90, times.p99, times.p999, times.max];
        let cells: String = numbers.map(|number| format!("<td>{}</td>", milliseconds(number))).concat();
        format!("<tr><td>{name}</td><td>{}</td>{cells}</tr>", times.count)
    });
    table(&["", "count", "least", "mean", "p50", "p90", "p99", "p99.9", "most"], &rows.collect::<String>())
}

fn sound(rtp: &Rtp) -> String {
    let numbers = [
        ("packets sent", rtp.sent),
        ("arrived", rtp.received),
        ("lost", rtp.lost),
        ("late", rtp.late),
        ("doubled", rtp.doubles),
        ("streams", rtp.streams),
        ("with loss", rtp.streams_with_loss),
        ("most lost by one", rtp.lost_max),
        ("ends that heard nothing", rtp.deaf),
    ];
    let cells: String = numbers.map(|(_, number)| format!("<td>{number}</td>")).concat();
    table(&numbers.map(|(name, _)| name), &format!("<tr>{cells}</tr>"))
}

fn table(header: &[&str], rows: &str) -> String {
    let header: String = header.iter().map(|name| format!("<th>{name}</th>")).collect();
    format!("<table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
