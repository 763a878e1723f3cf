//! What is measured, and how.

use std::{
    cell::RefCell,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    element::{Element, System},
    load::{Load, Way},
};
use crate::{
    report::Unit,
    rounds::{self, Measured, Search},
};

const MIB: f64 = (1 << 20) as f64;

/// How long after its last call an element may still work for it: longer than it waits to write a record.
const SETTLING: Duration = Duration::from_millis(400);
/// How the highest rate is searched for, in calls a second.
const RATES: Search = Search { first: 500.0, most: 16_000.0, close: 1.07 };
/// How long the last calls of `memory-10k-calls` may take to come up.
const ARRIVING: Duration = Duration::from_secs(3);
/// Calls that are counted in `memory-10k-calls`.
const MEMORY_CALLS: f64 = 10_000.0;
/// How fast they are placed, in calls a second.
const MEMORY_RATE: f64 = 400.0;

/// What a row's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    CpuPerCall,
    SetupsPerSecond,
    SetupDelay,
    Memory,
}

/// A row that can be measured.
pub(super) struct Plan {
    name: &'static str,
    system: System,
    subject: Subject,
    ratio_to: Option<&'static str>,
}

/// Every row, in the order of the table.
pub(super) const ALL: &[Plan] = &[
    ours("cpu-per-call", Subject::CpuPerCall),
    peers("cpu-per-call-peer", Subject::CpuPerCall, "cpu-per-call"),
    ours("setups-per-second", Subject::SetupsPerSecond),
    peers("setups-per-second-peer", Subject::SetupsPerSecond, "setups-per-second"),
    ours("setup-delay-p99", Subject::SetupDelay),
    peers("setup-delay-p99-peer", Subject::SetupDelay, "setup-delay-p99"),
    ours("memory-10k-calls", Subject::Memory),
    peers("memory-10k-calls-peer", Subject::Memory, "memory-10k-calls"),
];

const fn ours(name: &'static str, subject: Subject) -> Plan {
    Plan { name, system: System::Ours, subject, ratio_to: None }
}

const fn peers(name: &'static str, subject: Subject, ratio_to: &'static str) -> Plan {
    Plan { name, system: System::Peer, subject, ratio_to: Some(ratio_to) }
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Calls of one measurement of time.
    pub(super) calls: u64,
    /// Calls at once in one measurement of memory.
    pub(super) concurrent: u64,
    /// Files that a process may have open.
    pub(super) files: u64,
    /// Seconds for which a rate has to be sustained.
    pub(super) seconds: f64,
}

/// The elements that run through all rounds, each warmed by some calls.
#[derive(Default)]
pub(super) struct Elements {
    ours: Option<Rc<RefCell<Element>>>,
    peer: Option<Rc<RefCell<Element>>>,
}

impl Elements {
    fn of(&mut self, system: System) -> Result<Rc<RefCell<Element>>> {
        let place = match system {
            System::Ours => &mut self.ours,
            System::Peer => &mut self.peer,
        };
        if let Some(element) = place {
            return Ok(Rc::clone(element));
        }
        let element = Element::start(system)?;
        // Whatever is done the first time only is done.
        let warming = Load { calls: 300, rate: 150.0, ..brief(0, 0.0) };
        warming.run(&element.scene.load, Way::Through)?.check().with_context(|| element.last_words())?;
        Ok(Rc::clone(place.insert(Rc::new(RefCell::new(element)))))
    }
}

impl rounds::Plan for Plan {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ratio_to(&self) -> Option<&'static str> {
        self.ratio_to
    }

    fn obstacle(&self) -> Option<String> {
        self.system.obstacle()
    }
}

impl Plan {
    /// Starts what the row needs.
    pub(super) fn prepare(&self, elements: &mut Elements, extent: Extent) -> Result<(Unit, Box<dyn Measured>)> {
        Ok(match self.subject {
            Subject::CpuPerCall => {
                (Unit::Microseconds, Box::new(CpuPerCall { element: elements.of(self.system)?, calls: extent.calls }))
            }
            Subject::SetupsPerSecond => {
                let element = elements.of(self.system)?;
                (Unit::CallsPerSecond, Box::new(SetupsPerSecond { element, seconds: extent.seconds, last: None }))
            }
            Subject::SetupDelay => {
                (Unit::Milliseconds, Box::new(SetupDelay { element: elements.of(self.system)?, calls: extent.calls }))
            }
            Subject::Memory => {
                let concurrent = extent.concurrent.min(self.system.calls_max(extent.files));
                (Unit::Mebibytes, Box::new(Memory { system: self.system, concurrent }))
            }
        })
    }
}

/// Calls that are set up, held for a moment and ended.
fn brief(calls: u64, rate: f64) -> Load {
    Load { calls, rate, hold: Duration::from_millis(200), ringing: Duration::from_millis(20) }
}

/// Time on a core for one call, from its INVITE to its BYE and to its record.
struct CpuPerCall {
    element: Rc<RefCell<Element>>,
    calls: u64,
}

impl CpuPerCall {
    /// Calls a second: far below what an element carries.
    const RATE: f64 = 200.0;
}

impl Measured for CpuPerCall {
    fn run(&mut self) -> Result<f64> {
        let element = self.element.borrow();
        let before = element.time()?;
        brief(self.calls, Self::RATE).run(&element.scene.load, Way::Through)?.check()?;
        thread::sleep(SETTLING);
        Ok(element.time()?.saturating_sub(before).as_secs_f64() * 1e6 / self.calls as f64)
    }
}

/// The highest rate that is carried. The load runs on the same cores.
struct SetupsPerSecond {
    element: Rc<RefCell<Element>>,
    seconds: f64,
    /// What was carried in the round before.
    last: Option<f64>,
}

impl SetupsPerSecond {
    fn carries(&self, rate: f64) -> Result<bool> {
        let load = Load { ringing: Duration::ZERO, ..brief((rate * self.seconds).ceil() as u64, rate) };
        let report = load.run(&self.element.borrow().scene.load, Way::Through)?;
        let is_carried = report.is_carried(&load);
        thread::sleep(SETTLING);
        Ok(is_carried)
    }
}

impl Measured for SetupsPerSecond {
    fn run(&mut self) -> Result<f64> {
        let rate = RATES.highest(self.last, |rate| self.carries(rate))?;
        let rate = rate.context("not even one call a second is carried")?;
        self.last = Some(rate);
        Ok(rate)
    }
}

/// What the element adds to the time from INVITE to 200 that 99 in 100 calls do not exceed.
struct SetupDelay {
    element: Rc<RefCell<Element>>,
    calls: u64,
}

impl SetupDelay {
    const RATE: f64 = 100.0;
}

impl Measured for SetupDelay {
    fn run(&mut self) -> Result<f64> {
        let element = self.element.borrow();
        let load = Load { ringing: Duration::ZERO, ..brief(self.calls, Self::RATE) };
        let p99 = |way| {
            let report = load.run(&element.scene.load, way)?;
            report.check()?;
            report.setup_p99_ms()
        };
        let (straight, through) = (p99(Way::Straight)?, p99(Way::Through)?);
        Ok(through - straight)
    }
}

/// Memory that calls which are up take, in an element that had none before.
struct Memory {
    system: System,
    concurrent: u64,
}

impl Measured for Memory {
    fn run(&mut self) -> Result<f64> {
        let element = Element::start(self.system)?;
        let warming = brief(20, 100.0);
        warming.run(&element.scene.load, Way::Through)?.check().with_context(|| element.last_words())?;
        thread::sleep(SETTLING);
        let before = element.resident()?;
        let placing = Duration::from_secs_f64(self.concurrent as f64 / MEMORY_RATE);
        // They are up until they are told to end.
        let load = Load { hold: Duration::from_secs(3600), ..brief(self.concurrent, MEMORY_RATE) };
        let began = Instant::now();
        let mut running = load.start(&element.scene.load, Way::Through)?;
        thread::sleep((placing + ARRIVING).saturating_sub(began.elapsed()));
        running.check()?;
        let after = element.resident()?;
        running.interrupt()?;
        // The second time it does not wait for answers.
        thread::sleep(SETTLING);
        // It may have been that fast.
        let _ = running.interrupt();
        let report = running.finish()?;
        if report.up_max() != self.concurrent || report.failed() > 0 {
            let (up, failed) = (report.up_max(), report.failed());
            bail!("{up} calls were up and {failed} failed, of {}; {}", self.concurrent, element.last_words());
        }
        Ok((after as f64 - before as f64) / MIB * MEMORY_CALLS / self.concurrent as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ratio_is_to_a_row_that_is_measured_before() {
        rounds::assert_every_ratio_is_to_a_row_before(ALL);
    }
}
