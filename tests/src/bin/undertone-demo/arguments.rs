//! What the demo can be told.

use std::path::PathBuf;

use clap::{Parser, ValueEnum, value_parser};
use undertone_dataplane::PathChoice;

/// Shows a call crossing the appliance: real speech, both directions, over IPv4 and then IPv6, copied to two monitor
/// ports.
///
/// Exits with 0 only if everything arrived as it was sent. Without root, it runs over sockets on the loopback
/// interface and says what that leaves out.
#[derive(Parser)]
#[command(name = "undertone-demo", version)]
pub(crate) struct Arguments {
    /// The path that packets take through the appliance.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) path: Path,

    /// Where the WAV files go, one per monitor port.
    #[arg(long, value_name = "DIR", default_value = "target/demo")]
    pub(crate) out: PathBuf,

    /// How long each call lasts; if not told, as long as the parties have something to say.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(3..=600))]
    pub(crate) seconds: Option<u16>,

    /// Write the table as JSON too, one object a line for each stream.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// A path through the appliance.
#[derive(Clone, Copy, Default, ValueEnum)]
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

impl From<Path> for PathChoice {
    fn from(path: Path) -> Self {
        match path {
            Path::Fastest => Self::Fastest,
            Path::Native => Self::Native,
            Path::Generic => Self::Generic,
            Path::IoUring => Self::Sockets,
        }
    }
}
