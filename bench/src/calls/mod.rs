//! `calls`: a SIP and RTP load generator for any target.

mod exchange;
mod media;
mod options;
mod progress;
mod sip;
mod tally;
mod uac;
mod uas;

use anyhow::Result;

pub(crate) use self::options::Options;
use self::{
    exchange::{Exchanged, Sockets},
    media::{Heard, Legs, Silence, Sound},
    options::Job,
    progress::Progress,
};

/// Places calls, and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    let job = options.check()?;
    let progress = Progress::new(&job)?;
    let (exchanged, heard) = place(&job, &progress)?;
    progress.finish();
    println!("{:?} {:?}", exchanged.took, exchanged.placed.map(|placed| placed.outcomes));
    if let Some(heard) = heard {
        println!("{} {} {} {} deaf {}", heard.streams, heard.sent, heard.received, heard.lost, heard.deaf);
        println!(
            "{:?} {:?} {:?} {:?}",
            heard.latency.quantile_ms(0.5),
            heard.latency.quantile_ms(0.99),
            heard.jitter.quantile_ms(0.99),
            heard.pacing.quantile_ms(0.99)
        );
    }
    Ok(())
}

/// Runs the calls of a job, and says what came of them and of their sound.
fn place(job: &Job, progress: &Progress) -> Result<(Exchanged, Option<Heard>)> {
    let sound = match &job.wav {
        Some(path) => Sound::read(path)?,
        None => Sound::voice(),
    };
    let sockets = Sockets::open(job)?;
    if !job.rtp {
        return Ok((exchange::run(job, sockets, &mut Silence::default(), progress)?, None));
    }
    let mut legs = Legs::new(sound)?;
    let exchanged = exchange::run(job, sockets, &mut legs, progress);
    let heard = legs.finish();
    Ok((exchanged?, Some(heard?)))
}
