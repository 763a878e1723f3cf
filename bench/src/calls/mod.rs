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
use self::{exchange::Sockets, media::Silence, progress::Progress};

/// Places calls, and reports.
pub(crate) fn run(options: &Options) -> Result<()> {
    let job = options.check()?;
    let sockets = Sockets::open(&job)?;
    let progress = Progress::new(&job)?;
    let exchanged = exchange::run(&job, sockets, &mut Silence::default(), &progress)?;
    progress.finish();
    println!("{exchanged:?}");
    Ok(())
}
