//! An impaired network that knows what it did: loss, duplicates, reordering and jitter from a seed, without I/O.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::truth::{Arrival, Truth, WINDOW};
use super::{Packet, Schedule, Stream};
use crate::{Error, Result};

/// Which packets of a sequence something happens to.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Pick {
    /// None.
    #[default]
    Never,
    /// Each with this probability, 0 to 1.
    Chance(f64),
    /// Those at these positions in the clean sequence, from 0 on.
    At(Vec<usize>),
}

/// By how much packets are late.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Jitter {
    /// Not at all.
    #[default]
    None,
    /// Evenly distributed from nothing to this.
    Uniform(Duration),
    /// Normally distributed, but never early.
    Normal {
        /// The mean.
        mean: Duration,
        /// The standard deviation.
        deviation: Duration,
    },
}

/// What the network does to a stream.
///
/// The first packet goes out first and in time, and the last one is never lost, because no receiver can count what
/// is missing before the first or behind the last packet it sees.
#[derive(Clone, PartialEq, Debug)]
pub struct Impairment {
    /// Which packets are lost.
    pub loss: Pick,
    /// Which packets come twice.
    pub duplicate: Pick,
    /// How many packets behind the original the second copy comes, 0 to 31.
    pub duplicate_distance: usize,
    /// Which packets are held back.
    pub reorder: Pick,
    /// How many later packets overtake one that is held back, 1 to 31.
    pub reorder_distance: usize,
    /// By how much packets are late.
    pub jitter: Jitter,
}

/// A stream as it leaves the impaired network.
#[derive(Clone, Debug)]
pub struct Impaired {
    /// What to send, and when.
    pub schedule: Schedule,
    /// What a receiver of exactly this must count.
    pub truth: Truth,
    arrivals: Vec<Arrival>,
    clock_rate: u32,
}

impl Default for Impairment {
    /// A network that does nothing to a packet.
    fn default() -> Self {
        Self {
            loss: Pick::Never,
            duplicate: Pick::Never,
            duplicate_distance: 0,
            reorder: Pick::Never,
            reorder_distance: 1,
            jitter: Jitter::None,
        }
    }
}

impl Impairment {
    /// Impairs a stream's clean packets; the same seed does the same again.
    ///
    /// Each kind draws from a sequence of its own, so that changing one leaves the others where they were.
    pub fn apply(&self, stream: &Stream, clean: &[Packet], seed: u64) -> Result<Impaired> {
        self.check(clean.len())?;
        let mut network = Network::new(self, stream.ptime(), clean.len(), seed);
        let mut sent: Vec<_> =
            clean.iter().enumerate().flat_map(|(index, packet)| network.pass(index, packet)).collect();
        sent.sort_by_key(|(at, _)| *at);
        Ok(Impaired::new(&sent, stream.clock_rate))
    }

    fn check(&self, count: usize) -> Result<()> {
        let refuse = |what: &str| Err(Error::Invalid(format!("an impairment cannot have {what}")));
        let picks = [&self.loss, &self.duplicate, &self.reorder];
        if picks.iter().any(|pick| matches!(pick, Pick::Chance(chance) if !(0.0..=1.0).contains(chance))) {
            return refuse("a probability outside 0 to 1");
        }
        if picks.iter().any(|pick| matches!(pick, Pick::At(positions) if positions.iter().any(|at| *at >= count))) {
            return refuse("a position behind the last packet");
        }
        if matches!(&self.loss, Pick::At(positions) if positions.iter().any(|at| *at == 0 || at + 1 == count)) {
            return refuse("the first or the last packet lost");
        }
        if matches!(&self.reorder, Pick::At(positions) if positions.contains(&0)) {
            return refuse("the first packet held back");
        }
        if !(1..WINDOW as usize).contains(&self.reorder_distance) || self.duplicate_distance >= WINDOW as usize {
            return refuse("a distance of 0, or beyond a receiver's window");
        }
        Ok(())
    }
}

impl Impaired {
    fn new(sent: &[(Duration, &Packet)], clock_rate: u32) -> Self {
        let arrival = |&(at, packet): &(Duration, &Packet)| Arrival {
            at,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
        };
        let arrivals: Vec<_> = sent.iter().map(arrival).collect();
        let truth = Truth::of(arrivals.iter().copied(), clock_rate);
        let schedule = sent.iter().map(|(at, packet)| (*at, packet.to_bytes())).collect();
        Self { schedule, truth, arrivals, clock_rate }
    }

    /// The truth for the times at which the schedule was really sent, as [`super::Endpoint::send_schedule`] gives
    /// them: on a busy machine these differ, and with them the jitter.
    pub fn truth_as_sent(&self, times: &[Duration]) -> Truth {
        let retimed = self.arrivals.iter().zip(times).map(|(arrival, at)| Arrival { at: *at, ..*arrival });
        Truth::of(retimed, self.clock_rate)
    }
}

/// One passage of a stream, with its sources of chance.
struct Network<'a> {
    impairment: &'a Impairment,
    ptime: Duration,
    last: usize,
    loss: ChaCha8Rng,
    duplicate: ChaCha8Rng,
    reorder: ChaCha8Rng,
    jitter: ChaCha8Rng,
}

impl<'a> Network<'a> {
    fn new(impairment: &'a Impairment, ptime: Duration, count: usize, seed: u64) -> Self {
        let source = |number| {
            let mut source = ChaCha8Rng::seed_from_u64(seed);
            source.set_stream(number);
            source
        };
        Self {
            impairment,
            ptime,
            last: count.saturating_sub(1),
            loss: source(0),
            duplicate: source(1),
            reorder: source(2),
            jitter: source(3),
        }
    }

    /// When the copies of a packet come out: none, one or two.
    fn pass<'packet>(&mut self, index: usize, packet: &'packet Packet) -> Vec<(Duration, &'packet Packet)> {
        let is_lost = self.impairment.loss.hits(index, &mut self.loss);
        let is_held_back = self.impairment.reorder.hits(index, &mut self.reorder);
        let is_doubled = self.impairment.duplicate.hits(index, &mut self.duplicate);
        let delay = self.impairment.jitter.delay(&mut self.jitter);
        if is_lost && index != 0 && index != self.last {
            return Vec::new();
        }
        let at = match index {
            0 => Duration::ZERO,
            _ if is_held_back => self.behind(index + self.impairment.reorder_distance, 2),
            _ => self.ptime * index as u32 + delay,
        };
        let copy_at = at + self.ptime * self.impairment.duplicate_distance as u32 + self.ptime / 4;
        [Some(at), is_doubled.then_some(copy_at)].into_iter().flatten().map(|at| (at, packet)).collect()
    }

    /// The moment a fraction of a packet's duration after the packet at this position, which may be the last.
    fn behind(&self, index: usize, fraction: u32) -> Duration {
        self.ptime * index.min(self.last) as u32 + self.ptime / fraction
    }
}

impl Pick {
    fn hits(&self, index: usize, chance: &mut ChaCha8Rng) -> bool {
        let drawn: f64 = chance.random();
        match self {
            Self::Never => false,
            Self::Chance(probability) => drawn < *probability,
            Self::At(positions) => positions.contains(&index),
        }
    }
}

impl Jitter {
    fn delay(self, chance: &mut ChaCha8Rng) -> Duration {
        // Two draws make one normally distributed number (Box and Muller).
        let (one, other): (f64, f64) = (1.0 - chance.random::<f64>(), chance.random());
        match self {
            Self::None => Duration::ZERO,
            Self::Uniform(most) => most.mul_f64(other),
            Self::Normal { mean, deviation } => {
                let normal = (-2.0 * one.ln()).sqrt() * (TAU * other).cos();
                Duration::from_secs_f64((mean.as_secs_f64() + normal * deviation.as_secs_f64()).max(0.0))
            }
        }
    }
}

#[cfg(test)]
mod tests;
