//! Rows in which a process relays: the product's `io_uring` path, and rtpengine without its kernel module.
//!
//! Both run on the measured core, between the same two links, with the same streams; the sender has another core. What
//! is sent is never more than a small window ahead of what has arrived, so that nothing is lost for want of room, and a
//! packet that is lost all the same ends the benchmark. The number is packets per second of the process's time on its
//! core, in user space and in the kernel: what a core carries that does nothing else. A rate by the wall's clock would
//! be the sender's where the relay is the faster of the two. What the kernel does for the relay on the sender's core, up
//! to the relay's sockets, is not counted for either.

mod product;
mod rtpengine;
mod scene;
mod sender;

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use self::{scene::Scene, sender::Sender};
use crate::{
    machine::{Process, Rtpengine},
    rounds::Measured,
};

/// Streams that take turns.
const STREAMS: u16 = 200;

/// Who relays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relay {
    /// The product, over sockets.
    Undertone,
    /// Debian's rtpengine, over sockets.
    Rtpengine,
}

impl Relay {
    /// Why it cannot be measured here, if so.
    pub(super) fn obstacle(self) -> Option<String> {
        match self {
            Self::Undertone => product::obstacle(),
            Self::Rtpengine => Rtpengine::obstacle(),
        }
    }
}

/// A row's links, its relay and who sends to it.
pub(super) struct UserSpace {
    duration: Duration,
    sender: Sender,
    // Ends before its network does.
    process: Process,
    scene: Scene,
}

impl UserSpace {
    /// Starts `relay` and lets every stream through once. The sender runs on core `beside`.
    pub(super) fn new(relay: Relay, beside: usize, seconds: f64) -> Result<Self> {
        let scene = Scene::new()?;
        let (process, ports) = match relay {
            Relay::Undertone => product::start(&scene)?,
            Relay::Rtpengine => rtpengine::start(&scene)?,
        };
        let sender = Sender::new(&scene, &ports, beside)?;
        sender.wait_until_all_pass(&scene).with_context(|| format!("it said last:\n{}", process.last_words()))?;
        Ok(Self { duration: Duration::from_secs_f64(seconds), sender, process, scene })
    }
}

impl Measured for UserSpace {
    fn run(&mut self) -> Result<f64> {
        let before = self.process.time()?;
        let packets = self.sender.send(&self.scene, self.duration)?;
        let spent = self.process.time()?.saturating_sub(before);
        if spent.is_zero() {
            bail!("the relay carried {packets} packets and spent no time: it is not the process that was asked");
        }
        Ok(packets as f64 / spent.as_secs_f64())
    }
}
