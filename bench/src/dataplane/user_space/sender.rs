//! Who sends the streams.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::{
    STREAMS,
    scene::{SENDER, Scene},
};
use crate::{dataplane::traffic, machine};

/// How far what is sent may be ahead of what has arrived, in packets: little more than one of each stream.
const WINDOW: u64 = 256;
/// Packets between two looks at what has arrived.
const BURST: usize = 16;
/// How long a packet may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a relay may take until all its ports work.
const START: Duration = Duration::from_secs(20);
/// Bytes of an RTP header.
const RTP: usize = 12;

/// The port that stream `number` is sent from.
pub(super) const fn source_port(number: u16) -> u16 {
    4000 + 2 * number
}

/// A socket for each stream.
pub(super) struct Sender {
    sockets: Vec<UdpSocket>,
    core: usize,
}

impl Sender {
    /// Makes the sockets, each connected to its stream's port at the relay.
    pub(super) fn new(scene: &Scene, ports: &[SocketAddr], core: usize) -> Result<Self> {
        let connect = |(number, port): (u16, &SocketAddr)| {
            let socket = UdpSocket::bind((SENDER, source_port(number)))?;
            socket.connect(port)?;
            anyhow::Ok(socket)
        };
        let sockets = scene.sender.run(|| (0..STREAMS).zip(ports).map(connect).collect::<Result<Vec<_>>>())?;
        if sockets.len() != usize::from(STREAMS) {
            bail!("the relay has {} ports for {STREAMS} streams", sockets.len());
        }
        Ok(Self { sockets, core })
    }

    /// Returns when a packet of every stream has come through.
    pub(super) fn wait_until_all_pass(&self, scene: &Scene) -> Result<()> {
        let deadline = Instant::now() + START;
        for number in 0_u32.. {
            let before = scene.arrived()?;
            for socket in &self.sockets {
                // Until the relay has the port, the kernel answers that nobody is there.
                let _ = socket.send(&packet(number));
            }
            thread::sleep(Duration::from_millis(50));
            let arrived = scene.arrived()?.saturating_sub(before);
            if arrived == u64::from(STREAMS) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("after {} s the relay let {arrived} of {STREAMS} packets through", START.as_secs());
            }
        }
        Ok(())
    }

    /// Sends for `duration`, and says how many packets. All of them have arrived.
    pub(super) fn send(&self, scene: &Scene, duration: Duration) -> Result<u64> {
        thread::scope(|scope| {
            let sending = scope.spawn(|| {
                machine::pin(self.core)?;
                self.send_windowed(scene, duration)
            });
            sending.join().map_err(|_| anyhow!("the sender panicked"))?
        })
    }

    fn send_windowed(&self, scene: &Scene, duration: Duration) -> Result<u64> {
        let (start, before) = (Instant::now(), scene.arrived()?);
        let mut sent = 0;
        // Far from the numbers of the run before: the relay takes it for a sender that started afresh.
        for number in (before as u32).. {
            for burst in self.sockets.chunks(BURST) {
                for socket in burst {
                    socket.send(&packet(number)).context("cannot send to the relay")?;
                }
                sent += burst.len() as u64;
                wait_for(scene, before + sent.saturating_sub(WINDOW))?;
            }
            if start.elapsed() >= duration {
                break;
            }
        }
        wait_for(scene, before + sent)?;
        Ok(sent)
    }
}

/// Waits until `packets` have arrived.
fn wait_for(scene: &Scene, packets: u64) -> Result<()> {
    let mut deadline = None;
    loop {
        let arrived = scene.arrived()?;
        if arrived >= packets {
            return Ok(());
        }
        if Instant::now() > *deadline.get_or_insert_with(|| Instant::now() + PATIENCE) {
            bail!("{} packets were lost", packets - arrived);
        }
        std::hint::spin_loop();
    }
}

/// A stream's packet: 20 ms of G.711.
fn packet(number: u32) -> [u8; RTP + traffic::PAYLOAD] {
    let mut packet = [0x55; RTP + traffic::PAYLOAD];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&(number as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&number.wrapping_mul(160).to_be_bytes());
    packet[8..RTP].copy_from_slice(b"bnch");
    packet
}
