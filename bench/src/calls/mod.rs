//! `calls`: a SIP and RTP load generator for any target.

mod exchange;
mod html;
mod media;
mod options;
#[cfg(test)]
mod pair;
mod progress;
mod report;
mod sip;
mod tally;
#[cfg(test)]
mod tests;
mod uac;
mod uas;

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

pub(crate) use self::options::Options;
use self::{
    exchange::Sockets,
    media::{Legs, Silence, Sound},
    options::Job,
    progress::Progress,
    report::Report,
};

/// Places calls, and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    let job = options.check()?;
    let outputs = [&job.json, &job.html].map(|path| path.as_deref().map(writable).transpose());
    let [json, html] = outputs;
    let (json, html) = (json?, html?);
    let report = place(&job)?;
    print!("{}", report::text(&report));
    if let Some(path) = json {
        write(path, &report.json()?)?;
    }
    if let Some(path) = html {
        write(path, &html::page(&report))?;
    }
    if !report.passed {
        bail!("more calls failed than --max-failures {} allows", report.failures_max);
    }
    Ok(())
}

/// Runs the calls of a job, and says what came of them and of their sound.
fn place(job: &Job) -> Result<Report> {
    let sound = match &job.wav {
        Some(path) => Sound::read(path)?,
        None => Sound::voice(),
    };
    let sockets = Sockets::open(job)?;
    let progress = Progress::new(job)?;
    let (exchanged, heard) = if job.rtp {
        let mut legs = Legs::new(sound)?;
        let exchanged = exchange::run(job, sockets, &mut legs, &progress);
        (exchanged, Some(legs.finish()))
    } else {
        (exchange::run(job, sockets, &mut Silence::default(), &progress), None)
    };
    progress.finish();
    let heard = heard.transpose()?;
    Ok(Report::new(job, exchanged?, heard.as_ref()))
}

/// Makes sure, before anything runs, that a report can be written there.
fn writable(path: &Path) -> Result<&Path> {
    let file = fs::OpenOptions::new().append(true).create(true).open(path);
    file.with_context(|| {
        format!("cannot write the report to {}: give a path in a folder that there is", path.display())
    })?;
    Ok(path)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
