//! A reader of metrics that takes nothing which is not as `OpenMetrics` says.

use std::collections::{BTreeMap, HashSet};

/// Series and their values.
#[derive(Debug)]
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads a page; panics at the first line that is wrong.
    pub(super) fn parse(page: &str) -> Self {
        let body = page.strip_suffix("# EOF\n").expect("an end");
        let mut families = HashSet::new();
        let mut family: Option<(&str, &str)> = None;
        let mut series = BTreeMap::new();
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let (keyword, rest) = rest.split_once(' ').expect(line);
                let (name, rest) = rest.split_once(' ').expect(line);
                assert!(is_name(name) && !rest.is_empty(), "{line}");
                match keyword {
                    "HELP" => assert!(rest.ends_with('.') || rest.contains(": "), "{line}"),
                    "TYPE" => {
                        assert!(families.insert(name), "twice: {line}");
                        assert!(["counter", "gauge", "histogram", "info"].contains(&rest), "{line}");
                        family = Some((name, rest));
                    }
                    "UNIT" => assert!(name.ends_with(&format!("_{rest}")), "{line}"),
                    _ => panic!("{line}"),
                }
                continue;
            }
            let (sample, value) = line.rsplit_once(' ').expect(line);
            let value: f64 = value.parse().expect(line);
            assert!(value.is_finite() && value >= 0.0, "{line}");
            let (name, labels) = sample.split_once('{').map_or((sample, ""), |(name, labels)| (name, labels));
            let (of, kind) = family.expect("a type before its samples");
            let endings: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_sum", "_count", "_bucket"],
                "info" => &["_info"],
                _ => &[""],
            };
            assert!(endings.iter().any(|ending| name.strip_suffix(ending) == Some(of)), "{line} is no {kind} {of}");
            assert!(is_name(name) && (labels.is_empty() || are_labels(labels)), "{line}");
            assert!(series.insert(sample.to_owned(), value).is_none(), "twice: {line}");
        }
        Self(series)
    }

    /// The value of a series, which has to be there, without what stands behind the point.
    pub(crate) fn of(&self, series: &str) -> u64 {
        self.0.get(series).map_or_else(|| panic!("there is no {series} in {:#?}", self.0), |value| *value as u64)
    }
}

fn is_name(name: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    name.starts_with("undertone_") && name.chars().all(|letter| plain(letter) || letter.is_ascii_digit())
}

/// Whether this is what follows the opening brace: none of our values has a comma or a quote in it.
fn are_labels(labels: &str) -> bool {
    let is_label = |label: &str| {
        let (name, value) = label.split_once('=')?;
        let value = value.strip_prefix('"')?.strip_suffix('"')?;
        let is_good = name.chars().all(|letter| letter.is_ascii_lowercase()) && !value.contains(['"', '\\', '\n']);
        Some(is_good)
    };
    labels.strip_suffix('}').is_some_and(|labels| labels.split(',').all(|label| is_label(label) == Some(true)))
}
