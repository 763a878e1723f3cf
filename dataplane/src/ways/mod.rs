//! The ways to addresses, kept live from the kernel's routes, links and neighbours.
//!
//! Packets that are forwarded in XDP never meet the kernel's routing, so somebody has to know, before they come,
//! which device, tags and MAC addresses they leave with, and to notice within milliseconds when that changes. A
//! [`Ways`] does it for any number of addresses from one thread:
//!
//! - **Where to**: the kernel is asked for its route to each address, and asked again when a route, rule, address or
//!   link changes. The answer holds for a packet that this host itself would send: policy rules, metrics and
//!   multipath are the kernel's business and are not imitated here.
//! - **Through what**: links are mirrored, so that a VLAN interface becomes its bottom device and one or two tags.
//! - **To whom**: neighbours are mirrored too. The kernel only looks for neighbours that it sends packets to, and
//!   it sees none of these packets: it is asked to look for each neighbour until there is an answer, and to check
//!   again each time that it begins to doubt one.
//!
//! Inside, `tracker` decides everything and does no I/O; `view` holds what the kernel said, and `pursuit` when to ask
//! it for a neighbour. `driver` carries their wishes to the sockets in `netlink` and `events`.

mod decode;
mod driver;
mod events;
#[cfg(test)]
mod lab;
mod netlink;
#[cfg(test)]
mod privileged;
mod pursuit;
mod tracker;
mod view;

use std::net::IpAddr;
use std::thread::{self, JoinHandle};
use std::{io, sync::mpsc as std_mpsc};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use undertone_core::Way;

use self::driver::Driver;

/// A watcher of the ways to addresses. Dropping it stops its thread.
#[derive(Debug)]
pub struct Ways {
    /// Present until the drop: closing the channel is what ends the thread.
    commands: Option<UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// What the owner wants from the thread.
#[derive(Clone, Copy, Debug)]
enum Command {
    Watch(IpAddr),
    Forget(IpAddr),
}

/// Why the ways cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WaysError {
    /// The watcher's thread or its event loop did not start.
    #[error(
        "the thread that watches routes and neighbours did not start: {0}; raise the limits on threads and open files \
         (TasksMax= and LimitNOFILE= of the service, or ulimit -u and -n)"
    )]
    Thread(#[source] io::Error),
    /// There is no netlink socket to be had.
    #[error(
        "no netlink socket for routes and neighbours: {0}; allow AF_NETLINK where it is filtered \
         (RestrictAddressFamilies= of the service, or the container's seccomp profile)"
    )]
    Socket(#[source] io::Error),
    /// The kernel does not let this process ask for neighbours.
    #[error(
        "not allowed to have neighbours resolved in this network namespace; run as root or with CAP_NET_ADMIN \
         (AmbientCapabilities= of the service)"
    )]
    Privilege,
    /// The kernel did not list its links and neighbours.
    #[error(
        "the kernel does not list its {what}: {cause}; check that nothing filters netlink requests of this process"
    )]
    Listing {
        /// What was to be listed.
        what: &'static str,
        /// The kernel's refusal.
        cause: io::Error,
    },
}

impl Ways {
    /// Starts to watch, in the network namespace of the calling thread.
    ///
    /// `changed` is called on the watcher's own thread: once for each address that is newly watched, then each time
    /// that its way differs from the last one reported. `None` says that there is no way: no route, a route to this
    /// host itself or to a group, a link that is down, is not Ethernet or has more than two tags. While `changed`
    /// runs, nothing else is noticed, so it should be short.
    pub fn start(changed: impl FnMut(IpAddr, Option<Way>) + Send + 'static) -> Result<Self, WaysError> {
        let (commands, received) = mpsc::unbounded_channel();
        let (started, start) = std_mpsc::channel();
        let thread = thread::Builder::new()
            .name("ways".to_owned())
            .spawn(move || run(changed, received, &started))
            .map_err(WaysError::Thread)?;
        // From here on a failure drops `ways`, which waits for the thread to end.
        let ways = Self { commands: Some(commands), thread: Some(thread) };
        let ended = || Err(WaysError::Thread(io::Error::other("it ended at once")));
        start.recv().unwrap_or_else(|_| ended())?;
        Ok(ways)
    }

    /// The name of the thread, if it has ended.
    pub(crate) fn ended(&self) -> Option<String> {
        crate::threads::ended(&self.thread)
    }

    /// Watches the way to `ip` from now on; an address that is watched already stays so. Returns at once: the way is
    /// reported as soon as it is known, and its neighbour's MAC address follows when that has answered.
    pub fn watch(&self, ip: IpAddr) {
        self.command(Command::Watch(ip));
    }

    /// Stops watching the way to `ip`. Returns at once: a report that is under way may still come.
    pub fn forget(&self, ip: IpAddr) {
        self.command(Command::Forget(ip));
    }

    fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // The thread only ends before its handle when `changed` panicked, and then nobody is left to be told.
            let _ = commands.send(command);
        }
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            // Dropped from inside `changed`, the thread cannot wait for itself; it ends when `changed` returns.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// The watcher's thread: says through `started` whether it came up, then works until its handle is gone.
fn run(
    changed: impl FnMut(IpAddr, Option<Way>),
    commands: UnboundedReceiver<Command>,
    started: &std_mpsc::Sender<Result<(), WaysError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(cause) => return drop(started.send(Err(WaysError::Thread(cause)))),
    };
    runtime.block_on(async {
        let driver = Driver::open(changed).await;
        match driver {
            Ok(driver) => {
                let _ = started.send(Ok(()));
                driver.run(commands).await;
            }
            Err(cause) => drop(started.send(Err(cause))),
        }
    });
}
