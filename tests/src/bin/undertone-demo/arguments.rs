//! What the demo can be told.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Shows a call between a carrier and an agent, and a supervisor who listens to it, whispers to one party and joins: three
/// telephones, SIP, real speech.
///
/// Exits with 0 only if everybody heard whom they should, nobody else, and all of it. Without root, it runs over sockets on the loopback interface and says
/// what that leaves out.
#[derive(Parser)]
#[command(name = "undertone-demo", version)]
pub(crate) struct Arguments {
    /// The path that packets take through the appliance.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) path: Path,

    /// Where the report and the WAV files go, one for each person.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub(crate) out: PathBuf,

    /// Leave a call running instead, with the supervisors' page to try in a browser, until Ctrl-C.
    ///
    /// All of it is on the loopback interface. The page's address, and who can sign in, are told.
    #[arg(long, conflicts_with_all = ["path", "json"])]
    pub(crate) portal: bool,

    /// Write what was measured as JSON too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// A path through the appliance.
#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Path {
    /// The fastest that this machine has.
    #[default]
    Fastest,
    /// XDP in the driver.
    Native,
    /// XDP behind the driver, on socket buffers.
    Generic,
    /// Sockets and `io_uring`.
    IoUring,
}

impl Path {
    /// Its name in the configuration.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Fastest => "fastest",
            Self::Native => "native",
            Self::Generic => "generic",
            Self::IoUring => "io-uring",
        }
    }
}
