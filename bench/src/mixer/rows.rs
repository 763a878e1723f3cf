//! What is measured, and how.

use std::{
    cell::{OnceCell, RefCell},
    rc::Rc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use undertone_core::mixer::Mode;

use super::{
    appliance::{Appliance, CALLS_MAX, Figures},
    peer::Peer,
};
use crate::{
    machine::Rtpengine,
    report::{Spread, Unit},
    rounds::{self, Measured, Search},
};

/// What 99 in 100 packets may take longer through the mixer, in microseconds, for a number of sessions to be carried.
const ADDED_US_MAX: f64 = 2_000.0;
/// By how much what a supervisor hears may be late: half a packet's time.
const MIX_LATE_US_MAX: f64 = 10_000.0;
/// The part of what is to be mixed that may not be.
const SILENT_MAX: f64 = 0.01;
/// The part from which on a number says nothing of the mixer.
const MOSTLY_SILENT: f64 = 0.5;
/// How late the telephones may be themselves; if they are later, they are what limits.
const PHONES_LATE_US_MAX: f64 = 5_000.0;
/// How often a number of sessions may fail before it counts as too many: once is what else the machine does.
const TRIES: usize = 2;
/// The searches end when what was carried and what was not are as close as this.
const CLOSE: f64 = 1.1;

/// What a row's number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Of the packets through the mixer, the number at this place of [`Figures::added_us`].
    Added(usize),
    Sessions(Mode),
    CpuPerCall,
    ModeChange,
    Allocations,
}

/// A row that can be measured.
pub(super) struct Plan {
    name: &'static str,
    subject: Subject,
}

/// Every row, in the order of the table.
pub(super) const ALL: &[Plan] = &[
    Plan { name: "whisper-latency-p50", subject: Subject::Added(0) },
    Plan { name: "whisper-latency-p99", subject: Subject::Added(1) },
    Plan { name: "whisper-sessions-per-core", subject: Subject::Sessions(Mode::WhisperToAgent) },
    Plan { name: "listen-sessions-per-core", subject: Subject::Sessions(Mode::Listen) },
    Plan { name: "listen-cpu-per-call", subject: Subject::CpuPerCall },
    Plan { name: "mode-change", subject: Subject::ModeChange },
    Plan { name: "allocations-per-packet", subject: Subject::Allocations },
];

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Whispering sessions at which latency is measured.
    pub(super) sessions: u32,
    /// Sessions up to which the most are searched for.
    pub(super) sessions_max: u32,
    /// Calls whose time is measured.
    pub(super) calls: u16,
    /// Changes of mode.
    pub(super) changes: u32,
    /// How long one measurement takes.
    pub(super) duration: Duration,
    /// The core of the telephones.
    pub(super) beside: usize,
}

impl rounds::Plan for Plan {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ratio_to(&self) -> Option<&'static str> {
        None
    }

    fn obstacle(&self) -> Option<String> {
        match self.subject {
            Subject::CpuPerCall => Rtpengine::obstacle(),
            _ => None,
        }
    }
}

impl Plan {
    /// Starts what the row needs.
    pub(super) fn prepare(&self, site: &Rc<Site>) -> Result<(Unit, Box<dyn Measured>)> {
        let site = Rc::clone(site);
        Ok(match self.subject {
            Subject::Added(at) => (Unit::Microseconds, Box::new(Latency { site, number: Number::Added(at) })),
            Subject::Allocations => (Unit::Allocations, Box::new(Latency { site, number: Number::Allocations })),
            Subject::ModeChange => (Unit::Milliseconds, Box::new(ModeChange { site })),
            Subject::Sessions(mode) => (Unit::Sessions, Box::new(Sessions { site, mode, last: None })),
            Subject::CpuPerCall => {
                let Extent { calls, beside, .. } = site.extent;
                let rtpengine = Peer::rtpengine(calls, beside).context("calls through rtpengine")?;
                let straight = Peer::straight(calls, beside).context("calls through nothing")?;
                (Unit::Ratio, Box::new(CpuPerCall { site, rtpengine, straight }))
            }
        })
    }
}

/// What the rows share.
pub(super) struct Site {
    extent: Extent,
    appliance: OnceCell<RefCell<Appliance>>,
    /// The last measurement of latency, and which of its numbers were told.
    latest: RefCell<Option<(Figures, Vec<Number>)>>,
    /// What is worth to be known beside the numbers.
    notes: RefCell<Vec<String>>,
}

/// A number of [`Figures`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Added(usize),
    Allocations,
}

impl Site {
    pub(super) fn new(extent: Extent) -> Rc<Self> {
        Rc::new(Self { extent, appliance: OnceCell::new(), latest: RefCell::default(), notes: RefCell::default() })
    }

    /// What is worth to be known beside the numbers.
    pub(super) fn notes(&self) -> Vec<String> {
        self.notes.borrow().clone()
    }

    fn note(&self, note: String) {
        self.notes.borrow_mut().push(note);
    }

    fn appliance(&self) -> Result<&RefCell<Appliance>> {
        if let Some(appliance) = self.appliance.get() {
            return Ok(appliance);
        }
        let appliance = Appliance::start(self.extent.beside)?;
        self.note(format!("packets go through by {}", appliance.path()));
        Ok(self.appliance.get_or_init(|| RefCell::new(appliance)))
    }

    /// A number of a measurement with whispering sessions; of one that told others, when it was the last.
    fn whispers(&self, number: Number) -> Result<Figures> {
        let mut latest = self.latest.borrow_mut();
        if let Some((figures, told)) = latest.as_mut().filter(|(_, told)| !told.contains(&number)) {
            told.push(number);
            return Ok(figures.clone());
        }
        let mut appliance = self.appliance()?.borrow_mut();
        appliance.set(self.extent.sessions, Mode::WhisperToAgent)?;
        let figures = appliance.measure(self.extent.duration)?;
        self.note(format!("latency: {}", figures.told()));
        if figures.silent > MOSTLY_SILENT {
            bail!("of what was to be mixed {:.1} % was not", figures.silent * 100.0);
        }
        *latest = Some((figures.clone(), vec![number]));
        Ok(figures)
    }
}

impl Figures {
    fn told(&self) -> String {
        format!(
            "{} sessions, {} packets lost, {:.1} % not mixed, added {:.0} and {:.0} µs (p50, p99), mixes late by {:.1} ms (p99); the appliance's \
             threads took {:.0} % of a core, the telephones {:.0} % and were late by {:.1} ms (p99); those that no packet goes \
             through asked for memory {:.0} times a second",
            self.sessions,
            self.lost,
            self.silent * 100.0,
            self.added_us[0],
            self.added_us[1],
            self.mix_late_us / 1e3,
            self.load * 100.0,
            self.phones_load * 100.0,
            self.phones_late_us / 1e3,
            self.others_asked,
        )
    }

    fn is_carried(&self, mode: Mode) -> bool {
        let is_in_time = match mode {
            Mode::Listen => self.mix_late_us < MIX_LATE_US_MAX,
            _ => self.added_us[1] < ADDED_US_MAX,
        };
        self.lost == 0 && self.silent < SILENT_MAX && is_in_time
    }
}

/// Latency of whispered packets, and what else that measurement tells.
struct Latency {
    site: Rc<Site>,
    number: Number,
}

impl Measured for Latency {
    fn run(&mut self) -> Result<f64> {
        let figures = self.site.whispers(self.number)?;
        Ok(match self.number {
            Number::Added(at) => figures.added_us[at],
            Number::Allocations => figures.allocations,
        })
    }
}

/// The time from the end of a digit to the first packet in which the party hears the supervisor.
struct ModeChange {
    site: Rc<Site>,
}

impl Measured for ModeChange {
    fn run(&mut self) -> Result<f64> {
        let Extent { calls, changes, .. } = self.site.extent;
        let sessions = u32::from(calls);
        let mut appliance = self.site.appliance()?.borrow_mut();
        appliance.set(sessions, Mode::WhisperToAgent)?;
        let changes = (0..changes.min(sessions)).map(|number| appliance.change_mode(number));
        let took: Vec<_> = changes.map(|took| took.map(|took| took.as_secs_f64() * 1e3)).collect::<Result<_>>()?;
        let spread = Spread::of(took.iter().copied());
        self.site.note(format!(
            "mode change: {} of them took {:.1} to {:.1} ms, among {sessions} sessions",
            took.len(),
            spread.min,
            spread.max
        ));
        Ok(spread.median)
    }
}

/// The most sessions that are carried.
struct Sessions {
    site: Rc<Site>,
    mode: Mode,
    /// What was carried in the round before.
    last: Option<f64>,
}

impl Sessions {
    fn carries(&self, sessions: u32) -> Result<bool> {
        let mut appliance = self.site.appliance()?.borrow_mut();
        appliance.set(sessions, self.mode)?;
        for _ in 0..TRIES {
            let figures = appliance.measure(self.site.extent.duration)?;
            let is_carried = figures.is_carried(self.mode);
            let limit = match is_carried {
                true => "carried",
                false if figures.phones_late_us > PHONES_LATE_US_MAX => {
                    "not carried, and the telephones are what limits"
                }
                false => "not carried",
            };
            self.site.note(format!("{} {limit}: {}", self.mode.key(), figures.told()));
            if is_carried {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Measured for Sessions {
    fn run(&mut self) -> Result<f64> {
        let Extent { sessions, sessions_max, .. } = self.site.extent;
        let most = sessions_max.min(CALLS_MAX).into();
        let search = Search { first: f64::from(sessions).min(most), most, close: CLOSE };
        self.last = search.highest(self.last, |sessions| self.carries(sessions as u32))?.map(f64::floor);
        self.site.appliance()?.borrow_mut().set(0, Mode::Listen)?;
        Ok(self.last.unwrap_or(0.0))
    }
}

/// The time on a core of a call that a supervisor listens to, beside that of a call through rtpengine.
struct CpuPerCall {
    site: Rc<Site>,
    rtpengine: Peer,
    straight: Peer,
}

impl Measured for CpuPerCall {
    fn run(&mut self) -> Result<f64> {
        let Extent { calls, duration, .. } = self.site.extent;
        let mut appliance = self.site.appliance()?.borrow_mut();
        appliance.set(calls.into(), Mode::Listen)?;
        let [ours, beside_ours] = appliance.time_per_call(duration)?;
        appliance.set(0, Mode::Listen)?;
        let [theirs, beside_theirs] = self.rtpengine.time_per_call(duration)?;
        let [_, straight] = self.straight.time_per_call(duration)?;
        // A listened call has three who send and hear, the others two.
        let (whole_ours, whole_theirs) = (ours + beside_ours - straight * 1.5, theirs + beside_theirs - straight);
        self.site.note(format!(
            "a listened call takes {ours:.0} µs/s and one through rtpengine {theirs:.0}, by their own threads; with what the \
             kernel does for them in the telephones' time, beyond what calls through nothing take, {whole_ours:.0} and \
             {whole_theirs:.0}: a ratio of {:.2}",
            whole_ours / whole_theirs
        ));
        Ok(ours / theirs)
    }
}
