//! The loop between the tracker and the kernel.

use std::io;
use std::iter;
use std::net::IpAddr;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedReceiver;
use undertone_core::Way;

use super::events::Events;
use super::netlink::Netlink;
use super::tracker::Tracker;
use super::{Command, WaysError};

/// Commands that are taken in one turn of the loop.
const COMMANDS_PER_TURN: usize = 256;
/// Routes that are asked for in one turn, in one system call: a fraction of a millisecond, during which no event is
/// noticed. Their answers take a third of a socket's usual queue.
const LOOKUPS_PER_TURN: usize = 64;
/// Neighbours that are asked for in one turn; each takes three exchanges.
const ASKS_PER_TURN: usize = 16;

/// Carries the tracker's wishes to the kernel, and the kernel's answers and events to the tracker.
pub(super) struct Driver<F> {
    events: Events,
    netlink: Netlink,
    tracker: Tracker,
    changed: F,
    /// Whether it was said that the kernel's neighbour table is full.
    warned: bool,
}

impl<F: FnMut(IpAddr, Option<Way>)> Driver<F> {
    /// Subscribes, then lists what there is, so that no change falls between.
    pub(super) async fn open(changed: F) -> Result<Self, WaysError> {
        let netlink = Netlink::connect()?;
        netlink.check_privilege().await?;
        let events = Events::subscribe()?;
        let tracker = Tracker::new(Instant::now());
        let mut driver = Self { events, netlink, tracker, changed, warned: false };
        driver.tracker.poll_relist(Instant::now());
        driver.relist().await?;
        Ok(driver)
    }

    /// Works until the other end of `commands` is gone.
    ///
    /// A turn takes in whatever has come from one side, then does a bounded part of what is due; what is left makes
    /// the deadline now, and competes with new input for the next turn.
    pub(super) async fn run(mut self, mut commands: UnboundedReceiver<Command>) {
        let mut taken = Vec::with_capacity(COMMANDS_PER_TURN);
        loop {
            let deadline = self.tracker.deadline(Instant::now());
            tokio::select! {
                count = commands.recv_many(&mut taken, COMMANDS_PER_TURN) => {
                    if count == 0 {
                        return;
                    }
                    for command in taken.drain(..) {
                        self.obey(command);
                    }
                }
                events = self.events.next() => {
                    let now = Instant::now();
                    for event in events {
                        self.tracker.handle(event, now);
                    }
                }
                () = reached(deadline) => {}
            }
            self.act().await;
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Watch(ip) => self.tracker.watch(ip),
            Command::Forget(ip) => self.tracker.forget(ip),
        }
    }

    /// Does a bounded part of what is due.
    async fn act(&mut self) {
        if self.tracker.poll_relist(Instant::now())
            && let Err(cause) = self.relist().await
        {
            tracing::warn!("{cause}; the ways stand as they were, next attempt soon");
            self.tracker.unanswered(Instant::now());
            // The socket may be what is broken.
            if let Ok(netlink) = Netlink::connect() {
                self.netlink = netlink;
            }
        }
        let lookups = iter::from_fn(|| self.tracker.poll_lookup(Instant::now()));
        let ips: Vec<IpAddr> = lookups.take(LOOKUPS_PER_TURN).collect();
        if !ips.is_empty() && self.look_up(&ips).await.is_err() {
            // One answer that is missing or cannot be read spoils all.
            for ip in ips {
                if self.look_up(&[ip]).await.is_err() {
                    self.tracker.unanswered(Instant::now());
                }
            }
        }
        for _ in 0..ASKS_PER_TURN {
            let Some(adjacency) = self.tracker.poll_ask(Instant::now()) else { break };
            match self.netlink.resolve(adjacency).await {
                Ok(neighbour) => self.tracker.learn_neighbour(adjacency, neighbour, Instant::now()),
                // The next question is planned already.
                Err(cause) => self.warn_if_full(&cause),
            }
        }
        while let Some((ip, way)) = self.tracker.poll_report() {
            (self.changed)(ip, way);
        }
    }

    async fn look_up(&mut self, ips: &[IpAddr]) -> io::Result<()> {
        let routes = self.netlink.routes(ips).await?;
        for (&ip, route) in ips.iter().zip(routes) {
            self.tracker.routed(ip, route, Instant::now());
        }
        Ok(())
    }

    async fn relist(&mut self) -> Result<(), WaysError> {
        let listing = |what| move |cause| WaysError::Listing { what, cause };
        let interfaces = self.netlink.interfaces().await.map_err(listing("links"))?;
        let neighbours = self.netlink.neighbours().await.map_err(listing("neighbours"))?;
        self.tracker.relisted(interfaces, neighbours, Instant::now());
        Ok(())
    }

    fn warn_if_full(&mut self, cause: &io::Error) {
        if cause.raw_os_error() == Some(libc::ENOBUFS) && !self.warned {
            self.warned = true;
            tracing::warn!(
                "the kernel's neighbour table is full, so some neighbours have no MAC address; raise \
                 net.ipv4.neigh.default.gc_thresh1 to 3, and those of net.ipv6, above the number of neighbours"
            );
        }
    }
}

/// Waits until `deadline`; not at all when that has passed, although the runtime's timer counts whole milliseconds.
async fn reached(deadline: Instant) {
    if deadline > Instant::now() {
        tokio::time::sleep_until(deadline.into()).await;
    }
}
