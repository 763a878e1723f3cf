//! What was measured, for machines.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use undertone_core::mixer::{Mode, Person};

use super::Histogram;
use crate::{
    appliance::Measured,
    findings::Findings,
    script::{PEOPLE, Scene, name, other},
};

/// Writes everything to a file.
pub(crate) fn write(
    file: &Path,
    scene: &Scene,
    findings: &Findings,
    streams: &[(Person, String, &Measured)],
    histograms: Option<&[Histogram; 2]>,
) -> Result<()> {
    let report = json!({
        "acts": (0..scene.acts.len()).map(|act| act_of(scene, findings, act)).collect::<Vec<_>>(),
        "received": received(findings),
        "streams": streams.iter().map(|(party, path, it)| json!({
            "from": name(*party), "to": name(other(*party)), "path": path, "packets": it.packets, "lost": it.lost,
            "jitter_ms": it.jitter_ms, "mos": it.mos,
        })).collect::<Vec<_>>(),
        "latency": histograms.map(|all| all.iter().map(|it| json!({
            "packets": it.name, "count": it.count(), "median_us": it.median.as_micros() as u64,
            "p99_us": it.p99.as_micros() as u64,
        })).collect::<Vec<_>>()),
    });
    let text = serde_json::to_string_pretty(&report)? + "\n";
    fs::write(file, text).with_context(|| format!("cannot write what was measured to {}", file.display()))
}

/// Who heard whom in an act: true, false, or null for unclear, under the name of each listener.
fn act_of(scene: &Scene, findings: &Findings, act: usize) -> Value {
    let heard = |listener: Person| {
        let heard = |speaker: Person| Some((name(speaker), findings.heard(act, listener, speaker)?.is_heard()));
        let heard: serde_json::Map<_, _> =
            PEOPLE.into_iter().filter_map(heard).map(|(name, heard)| (name.to_owned(), json!(heard))).collect();
        (name(listener).to_owned(), Value::Object(heard))
    };
    json!({
        "mode": scene.acts[act].mode.map(Mode::key),
        "supervisor": scene.acts[act].deed.name(),
        "hears": PEOPLE.map(heard).into_iter().collect::<serde_json::Map<_, _>>(),
        "as_expected": findings.is_as_expected(act),
    })
}

fn received(findings: &Findings) -> Vec<Value> {
    let one = |it: &crate::findings::Received| {
        json!({
            "act": it.act, "to": name(it.party), "mixed": it.with_supervisor, "alike": it.alike,
            "payloads": it.compared.map(|it| json!({
                "sent": it.sent(), "identical": it.identical, "changed": it.changed, "missing": it.missing,
            })),
        })
    };
    findings.received.iter().map(one).collect()
}
