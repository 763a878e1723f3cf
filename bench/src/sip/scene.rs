//! The network of an element: the load's two addresses, and the element's between them.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::machine::{self, Namespace, Process};

/// The caller's address.
pub(super) const CALLER: &str = "10.9.0.2:5080";
/// The callee's address.
pub(super) const CALLED: &str = "10.8.0.2:5090";
/// The element's address towards the caller.
pub(super) const TOWARDS_CALLER: &str = "10.9.0.1:5060";
/// The element's address towards the callee.
pub(super) const TOWARDS_CALLED: &str = "10.8.0.1:5060";
/// Media ports of each of the element's addresses: enough for 15,000 calls whose RTCP has ports of its own.
pub(super) const PORTS: (u16, u16) = (20_000, 49_999);

/// How long an element may take to start.
const START: Duration = Duration::from_secs(20);

/// Two namespaces with two links between them.
pub(super) struct Scene {
    pub(super) load: Namespace,
    pub(super) element: Namespace,
}

impl Scene {
    /// Builds the network.
    pub(super) fn new() -> Result<Self> {
        let (load, element) = (Namespace::quiet()?, Namespace::quiet()?);
        element.run(|| {
            machine::ip(&format!(
                "link add caller type veth peer name caller netns {load}\n\
                 link add called type veth peer name called netns {load}\n{}",
                in_use(TOWARDS_CALLER, TOWARDS_CALLED),
                load = load.path(),
            ))
        })?;
        load.run(|| {
            machine::ip(&in_use(CALLER, CALLED))?;
            // What XDP sees has its checksum.
            machine::ethtool("-K caller tx off")?;
            machine::ethtool("-K called tx off")
        })?;
        Ok(Self { load, element })
    }

    /// Waits until somebody in the element's namespace listens at a UDP port.
    pub(super) fn wait_for(&self, port: u16, process: &mut Process) -> Result<()> {
        let (wanted, deadline) = (format!(":{port:04X}"), Instant::now() + START);
        loop {
            let sockets = self.element.run(|| Ok(fs::read_to_string("/proc/thread-self/net/udp")?))?;
            if sockets.lines().filter_map(|line| line.split_ascii_whitespace().nth(1)).any(|it| it.ends_with(&wanted)) {
                return Ok(());
            }
            process.check()?;
            if Instant::now() > deadline {
                bail!("nobody listens at UDP port {port}; it said last:\n{}", process.last_words());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Has the two links, and the loopback, used by whoever is at these addresses.
fn in_use(caller: &str, called: &str) -> String {
    let link = |(device, address)| format!("address add {}/24 dev {device}\nlink set {device} up\n", host(address));
    ["link set lo up\n".into(), link(("caller", caller)), link(("called", called))].concat()
}

/// The address without its port.
pub(super) fn host(address: &str) -> &str {
    address.split(':').next().unwrap_or(address)
}
