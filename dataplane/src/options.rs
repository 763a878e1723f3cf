//! What a data plane is opened with, and what it says of itself.

use std::{net::Ipv4Addr, path::PathBuf};

use undertone_abi::limits::LANES_MAX;
use undertone_core::Node;

/// The path that packets take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// XDP in the driver.
    Native,
    /// XDP behind the driver, on socket buffers: slower, for drivers without XDP.
    Generic,
    /// Sockets and `io_uring`, in this process.
    Sockets,
}

impl Path {
    /// The name in configuration, output and metrics.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Native => "xdp-native",
            Self::Generic => "xdp-generic",
            Self::Sockets => "io-uring",
        }
    }
}

/// Which paths may be taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathChoice {
    /// The fastest there is: native XDP, generic XDP, `io_uring`. XDP is given up as a whole when any interface has
    /// neither.
    #[default]
    Fastest,
    /// XDP in the driver, or an error.
    Native,
    /// XDP on socket buffers, or an error.
    Generic,
    /// Sockets.
    Sockets,
}

/// What a data plane is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Media addresses and ports.
    pub node: Node,
    /// Interfaces that media arrives on, by name. The `io_uring` path needs none.
    pub interfaces: Vec<String>,
    /// Which paths may be taken.
    pub path: PathChoice,
    /// A folder on a BPF file system where programs and tables are pinned, so that they outlive the process. `None`
    /// pins nothing.
    pub pins: Option<PathBuf>,
    /// Streams that can be copied at the same time.
    pub groups: u32,
    /// The link to the local mixer.
    pub mixer: MixerOptions,
}

/// The link to the local mixer: a pair of virtual devices on the XDP path, loopback on the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MixerOptions {
    /// The device that packets are redirected to; its other end is this with `x` at the end. At most 14 characters.
    pub interface: String,
    /// The mixer's address, the first of a /24: address 16 + n of it stands for media address n. On the `io_uring`
    /// path its last two bytes within 127.64.0.0/16 are used.
    pub address: Ipv4Addr,
    /// Threads that mix, at most [`LANES_MAX`]; `None` for one a processor.
    pub threads: Option<u32>,
}

impl MixerOptions {
    /// How many lanes there are: threads that mix, each with ports of its own.
    pub(crate) fn lanes(&self) -> u32 {
        let processors = || std::thread::available_parallelism().map_or(1, |count| count.get() as u32);
        self.threads.unwrap_or_else(processors).clamp(1, LANES_MAX)
    }
}

impl Default for MixerOptions {
    fn default() -> Self {
        Self { interface: "utmix".into(), address: Ipv4Addr::new(169, 254, 64, 1), threads: None }
    }
}

/// The path of one interface, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfacePath {
    /// The interface; `*` for all, on the `io_uring` path.
    pub interface: String,
    /// The path.
    pub path: Path,
    /// Why it is not a faster one; or why it is this one.
    pub reason: String,
}

/// Whether a data plane found streams that an earlier process had left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Streams that go on.
    pub streams: usize,
    /// Whether the tables were there at all.
    pub tables: bool,
}
