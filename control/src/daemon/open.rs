//! From a configuration file to an open data plane.

use std::{fs, path::Path};

use tracing::{info, warn};
use undertone_control_core::Config;
use undertone_dataplane::{Dataplane, MixerOptions, Node, Options, Path as PacketPath, PathChoice, host};

use super::{path_choice, privileges};
use crate::{
    failure::{Exit, Failure},
    portal::Shown,
    sip::Identity,
};

/// Reads a configuration file.
pub(crate) fn read_config(file: &Path) -> Result<Config, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format!("cannot read the configuration {}: {error}", file.display()))
            .with_way_out("name it with --config FILE; undertone.example.toml shows what goes into one")
            .with_exit(Exit::Wrong)
    })?;
    Config::parse(&text).map_err(|error| Failure::of_config(file, &error))
}

/// Opens the data plane, and says which way packets take and why.
pub(super) fn open(config: &Config) -> Result<Dataplane, Failure> {
    check_host(config)?;
    let options = options(config);
    let dataplane =
        Dataplane::open_then(&options, &privileges::give_up).map_err(|error| Failure::new(error.to_string()))?;
    for it in dataplane.paths() {
        info!(interface = it.interface, path = it.path.key(), reason = it.reason, "path");
    }
    if is_sockets(&dataplane) && options.path == PathChoice::Fastest {
        warn!("no XDP here: packets take the io_uring path, and end when this process does");
    }
    let adopted = dataplane.adopted();
    if adopted.tables {
        info!(streams = adopted.streams, "took over what an earlier daemon had left");
    }
    Ok(dataplane)
}

/// Finds what of this host is not ready: mistakes to be put right, and no reasons to take a slower path.
pub(crate) fn check_host(config: &Config) -> Result<(), Failure> {
    let problems = host::problems(&options(config));
    if !problems.is_empty() {
        return Err(Failure::of_host(&problems));
    }
    let tls = config.sip.as_ref().and_then(|sip| sip.tls.as_ref());
    tls.map_or(Ok(()), |tls| Identity::load(tls).map(drop))?;
    config.portal.as_ref().map_or(Ok(()), Shown::check)
}

/// Whether packets pass through this process.
pub(super) fn is_sockets(dataplane: &Dataplane) -> bool {
    dataplane.paths().iter().any(|it| it.path == PacketPath::Sockets)
}

fn options(config: &Config) -> Options {
    let media = &config.media;
    let default = MixerOptions::default();
    Options {
        node: Node { addresses: media.addresses.clone(), port_first: media.ports.first, port_last: media.ports.last },
        interfaces: media.interfaces.clone(),
        path: path_choice(media.path),
        pins: media.pins.clone(),
        groups: media.groups,
        mixer: MixerOptions {
            interface: media.mixer_interface.clone().unwrap_or(default.interface),
            address: media.mixer_address.unwrap_or(default.address),
            threads: media.mixer_threads,
        },
    }
}
