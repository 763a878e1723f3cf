//! What the demo can be told.

use std::path::PathBuf;

use clap::{Parser, ValueEnum, value_parser};

/// Shows a call through the appliance: two telephones, SIP, real speech in both directions, over IPv4 and then IPv6,
/// copied to two monitor ports.
///
/// Exits with 0 only if all that was said arrived. Without root, it runs over sockets on the loopback interface and says
/// what that leaves out.
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
