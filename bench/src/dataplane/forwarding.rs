//! Rows in which the kernel generates, forwards and counts.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use aya::programs::{XdpMode, links::FdLink};
use undertone_abi::{Reason, limits::GROUPS_DEFAULT};
use undertone_dataplane::kernel::{Kernel, Sizes};

use crate::{
    dataplane::{
        driver::{Counts, Driver},
        rows::Frames,
        tables::{self, MONITORS},
        traffic,
    },
    machine::{self, Namespace},
    rounds::Measured,
};

/// Interface indices, of our choice because the network is ours: where frames start and where the relay takes them.
pub(super) const GENERATOR: u32 = 100;
const RELAY_IN: u32 = 101;
/// Where the relay sends streams from, and where they end.
pub(super) const RELAY_OUT: u32 = 102;
const PARTY: u32 = 103;
/// Where the relay sends copies from: each second index, the other end at the next.
pub(super) const MONITOR_FIRST: u32 = 104;

/// How often a measurement is begun again that something disturbed.
const ATTEMPTS_MAX: u32 = 5;

/// What stands between the generator and the party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relay {
    /// A program that redirects and does nothing else.
    Bare,
    /// A program that redirects once it has read a line of memory of the frame's stream.
    BareCold,
    /// The product, in the driver.
    Native,
    /// The product, in the driver, where every packet reads the clock.
    ClockPerPacket,
    /// The product, in the kernel's stack, after a socket buffer was made.
    Generic,
}

/// What the relay has to carry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// Streams that take turns, as a power of two.
    pub(super) streams_log2: u32,
    /// Whether the streams of each turn come in another order.
    pub(super) shuffled: bool,
    pub(super) frames: Frames,
    /// Copies of each stream.
    pub(super) copies: u8,
    pub(super) relay: Relay,
}

impl Load {
    /// 262,144 streams over IPv4, in order, not copied.
    pub(super) const PLAIN: Self =
        Self { streams_log2: 18, shuffled: false, frames: Frames::V4, copies: 0, relay: Relay::Native };

    pub(super) const fn streams(&self) -> u32 {
        1 << self.streams_log2
    }

    /// Media addresses that the streams are spread over.
    pub(super) const fn addresses(&self) -> u32 {
        self.streams().div_ceil(traffic::STREAMS_PER_ADDRESS)
    }
}

/// A row's network, programs and tables.
pub(super) struct Forwarding {
    load: Load,
    driver: Driver,
    /// `None` when the product is not what is measured.
    kernel: Option<Kernel>,
    /// What has the packets of a poll share a time.
    _poll_end: Option<FdLink>,
    /// Packets of one measurement.
    packets: u32,
    namespace: Namespace,
}

impl Forwarding {
    /// Gets everything ready to measure `load`, `seconds` at a time.
    pub(super) fn new(load: Load, seconds: f64) -> Result<Self> {
        let mut kernel = match load.relay {
            Relay::Bare | Relay::BareCold => None,
            Relay::Native | Relay::ClockPerPacket | Relay::Generic => {
                let kernel = Kernel::load(Sizes { addresses: load.addresses(), groups: GROUPS_DEFAULT }, None)?;
                tables::write(kernel.memory(), &load);
                Some(kernel)
            }
        };
        let poll_end = match &mut kernel {
            Some(kernel) if load.relay != Relay::ClockPerPacket => Some(kernel.share_time()?),
            _ => None,
        };
        let (namespace, driver) = (Namespace::quiet()?, Driver::load(&load)?);
        let mut row = Self { load, driver, kernel, _poll_end: poll_end, packets: 0, namespace };
        row.connect()?;
        row.calibrate(seconds)?;
        Ok(row)
    }

    /// Builds the links and attaches the programs to them.
    fn connect(&mut self) -> Result<()> {
        let Self { load, driver, kernel, namespace, .. } = self;
        namespace.run(|| {
            machine::ip(&links())?;
            driver.connect(GENERATOR)?;
            let mode = match load.relay {
                Relay::Bare | Relay::BareCold | Relay::Native | Relay::ClockPerPacket => XdpMode::Driver,
                Relay::Generic => {
                    // Without a program in its driver, a veth takes redirected frames only while it aggregates.
                    machine::ethtool("-K relay-in gro on")?;
                    XdpMode::Skb
                }
            };
            driver.attach("sink", "party", mode)?;
            for monitor in 0..MONITORS {
                driver.attach("sink_copies", &format!("monitor{monitor}"), XdpMode::Driver)?;
            }
            let Some(kernel) = kernel else {
                let program = if load.relay == Relay::BareCold { "bare_cold" } else { "bare" };
                return driver.redirect(program, "relay-in", RELAY_OUT);
            };
            tables::connect(kernel, load)?;
            kernel.relay()?.attach("relay-in", mode)?;
            Ok(())
        })
    }

    /// Lets every stream be learned, and finds out how many packets fill the time.
    fn calibrate(&mut self, seconds: f64) -> Result<()> {
        self.generate(self.turn())?;
        let packets = self.turn().max(1 << 19);
        let rate = f64::from(packets) / self.generate(packets)?.as_secs_f64();
        // Whole turns, so that every stream gets as many.
        let turns = (rate * seconds / f64::from(self.turn())).ceil().max(1.0);
        self.packets = (turns as u32).saturating_mul(self.turn());
        Ok(())
    }

    /// Packets after which every stream had its turn, and a cache that others used is warm again.
    fn turn(&self) -> u32 {
        self.load.streams().max(1 << 16)
    }

    /// Generates `packets`, again when frames were lost: a link's ring overflows when something else takes the core at a
    /// bad moment. What is always lost is an error.
    fn generate(&self, packets: u32) -> Result<Duration> {
        let mut attempts = 1;
        loop {
            match self.try_generate(packets) {
                Err(_) if attempts < ATTEMPTS_MAX => attempts += 1,
                outcome => return outcome,
            }
        }
    }

    /// Generates `packets` and makes sure that each of them went the way that it was to go.
    fn try_generate(&self, packets: u32) -> Result<Duration> {
        let before = (self.driver.counts()?, self.reasons()?);
        let duration = self.namespace.run(|| self.driver.generate(packets))?;
        let (sent, copies) = (u64::from(packets), u64::from(packets) * u64::from(self.load.copies));
        let expected = Counts {
            generated: before.0.generated + sent,
            party: before.0.party + sent,
            copies: before.0.copies + copies,
        };
        self.wait_for(expected)?;
        if self.kernel.is_some() {
            let reason = if copies == 0 { Reason::Forwarded } else { Reason::Copied };
            let mut reasons = before.1;
            for (counted, more) in [(reason, sent), (Reason::CopySent, copies)] {
                reasons[counted as usize].1 += more;
            }
            check(&self.reasons()?, &reasons)?;
        }
        Ok(duration)
    }

    /// The last frames may still be on their way when the generator is done.
    fn wait_for(&self, expected: Counts) -> Result<()> {
        let deadline = Instant::now() + Duration::from_millis(200);
        loop {
            let counts = self.driver.counts()?;
            if counts == expected {
                return Ok(());
            }
            if Instant::now() > deadline {
                let not_sent: Vec<_> = self.reasons()?.into_iter().filter(|(_, packets)| *packets > 0).collect();
                bail!("frames went astray: counted {counts:?}, expected {expected:?}, by the relay {not_sent:?}");
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn reasons(&self) -> Result<Vec<(Reason, u64)>> {
        Ok(match &self.kernel {
            Some(kernel) => kernel.reasons()?,
            None => Vec::new(),
        })
    }
}

impl Measured for Forwarding {
    fn run(&mut self) -> Result<f64> {
        self.generate(self.turn())?;
        let duration = self.generate(self.packets)?;
        let packets_out = f64::from(self.packets) * f64::from(1 + self.load.copies);
        Ok(packets_out / duration.as_secs_f64())
    }

    fn finish(&mut self) -> Result<()> {
        match &self.kernel {
            Some(kernel) => tables::check(kernel.memory(), &self.load, self.driver.counts()?.generated),
            None => Ok(()),
        }
    }
}

fn check(counted: &[(Reason, u64)], expected: &[(Reason, u64)]) -> Result<()> {
    for ((reason, counted), (_, expected)) in counted.iter().zip(expected) {
        if counted != expected {
            bail!("the relay counted {counted} packets as {reason:?}, not {expected}");
        }
    }
    Ok(())
}

/// The links as `ip` makes them.
fn links() -> String {
    let mut script = format!(
        "link add generator index {GENERATOR} type veth peer name relay-in index {RELAY_IN}\n\
         link add relay-out index {RELAY_OUT} type veth peer name party index {PARTY}\n"
    );
    let mut names: Vec<_> = ["generator", "relay-in", "relay-out", "party"].map(String::from).into();
    for monitor in 0..MONITORS {
        let index = MONITOR_FIRST + 2 * u32::from(monitor);
        let ends = [format!("copies-out{monitor}"), format!("monitor{monitor}")];
        script += &format!("link add {} index {index} type veth peer name {} index {}\n", ends[0], ends[1], index + 1);
        names.extend(ends);
    }
    for name in names {
        script += &format!("link set {name} up\n");
    }
    script
}
