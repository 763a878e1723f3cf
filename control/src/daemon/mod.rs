//! `undertone run`: the process that holds the data plane and answers on the control socket.
//!
//! One thread, one event loop ([`serve`]). What it does to the data plane is quick and is done in place; packets are no
//! business of this process on the XDP path, and of other threads on the `io_uring` path.

mod answer;
mod audit;
mod calls;
mod capture;
mod door;
mod http;
mod log;
mod monitors;
mod open;
mod portal;
mod privileges;
mod record;
mod recordings;
mod reload;
mod serve;
mod service;
mod status;

use std::{
    cell::{Cell, RefCell},
    path::PathBuf,
    rc::{Rc, Weak},
    time::Instant,
};

use tracing::{info, warn};
use undertone_control_core::{Config, config::StaticRelay};
use undertone_dataplane::{Dataplane, PathChoice};

use self::{door::Door, record::Record};
pub(crate) use self::{
    log::Format as LogFormat,
    open::{check_host, read_config},
};
use crate::{failure::Failure, monitor::Monitor, names::Names, recording::Recorded, sip::Sip, storage::Storage};

/// What `undertone run` is told beside its configuration.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The configuration file.
    pub(crate) config: PathBuf,
    /// A control socket other than the configured one.
    pub(crate) socket: Option<PathBuf>,
    /// Whether to end all streams on the way out.
    pub(crate) unload_on_exit: bool,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
}

/// Everything that requests and signals work on.
struct Daemon {
    dataplane: Dataplane,
    config_file: PathBuf,
    config: RefCell<Config>,
    /// The relays that the data plane was last made to have by configuration.
    configured: RefCell<Vec<StaticRelay>>,
    record: Record,
    /// What the configuration asks for and the data plane refused.
    problems: RefCell<Vec<String>>,
    captures: Cell<usize>,
    /// Calls, where the configuration has SIP.
    sip: RefCell<Option<Sip>>,
    /// The DNS names of their peers.
    names: Names,
    /// Who monitors them.
    monitor: RefCell<Option<Monitor>>,
    /// Which of them are recorded.
    recorded: RefCell<Option<Recorded>>,
    /// What is written down of them.
    storage: RefCell<Option<Rc<Storage>>>,
    /// The supervisors' page, which has the daemon and not the other way round.
    portal: RefCell<Weak<portal::Portal>>,
    started: Instant,
}

/// Runs until a signal ends it.
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let config = read_config(&options.config)?;
    log::start(options.log_format);
    let socket = options.socket.clone().unwrap_or_else(|| config.control.socket.clone());
    // Before anything is touched: another daemon may be at work.
    let door = Door::lock(&socket)?;
    info!(version = env!("CARGO_PKG_VERSION"), config = %options.config.display(), socket = %socket.display(), "starting");
    let dataplane = open::open(&config)?;
    let pins = config.media.pins.clone().filter(|_| !open::is_sockets(&dataplane));
    let daemon = Rc::new(Daemon::new(dataplane, config, options.config.clone(), Record::beside(&socket)));
    daemon.start();
    let outcome = serve::serve(&daemon, &door);
    // The data plane's own threads end here, and packets on the io_uring path with them.
    let streams = daemon.dataplane.capacity().streams;
    drop(daemon);
    outcome?;
    leave(pins, options.unload_on_exit, streams)
}

impl Daemon {
    fn new(dataplane: Dataplane, config: Config, config_file: PathBuf, record: Record) -> Self {
        Self {
            dataplane,
            config_file,
            config: RefCell::new(config),
            configured: RefCell::default(),
            record,
            problems: RefCell::default(),
            captures: Cell::new(0),
            sip: RefCell::default(),
            names: Names::default(),
            monitor: RefCell::default(),
            recorded: RefCell::default(),
            storage: RefCell::default(),
            portal: RefCell::default(),
            started: Instant::now(),
        }
    }
}

/// Says what becomes of the streams without this process, or ends them.
fn leave(pins: Option<PathBuf>, unload: bool, streams: usize) -> Result<(), Failure> {
    match pins {
        Some(pins) if unload => {
            Dataplane::unload(&pins).map_err(|error| Failure::new(error.to_string()))?;
            info!(streams, pins = %pins.display(), "stopped, all streams ended as --unload-on-exit asks");
        }
        Some(pins) => {
            let hint = "the next `undertone run` takes them over, `undertone unload` ends them";
            info!(streams, pins = %pins.display(), hint, "stopped, pinned programs go on forwarding");
        }
        None if streams > 0 => warn!(streams, "stopped, and the streams with it: nothing is pinned"),
        None => info!("stopped"),
    }
    Ok(())
}

/// The data plane's word for a path that was configured.
fn path_choice(choice: undertone_control_core::names::PathChoice) -> PathChoice {
    use undertone_control_core::names::PathChoice as Configured;
    match choice {
        Configured::Fastest => PathChoice::Fastest,
        Configured::Native => PathChoice::Native,
        Configured::Generic => PathChoice::Generic,
        Configured::IoUring => PathChoice::Sockets,
    }
}
