//! Recording calls: which, where to, and what becomes of it.
//!
//! Sans I/O. [`Recordings`] is told what happens ([`call_changed`](Recordings::call_changed), [`ask`](Recordings::ask),
//! [`stop`](Recordings::stop), [`unwritten`](Recordings::unwritten), [`file`](Recordings::file)), and after each of them
//! [`poll`](Recordings::poll) says what to do. Calls are looked at in the [`Element`], and never changed: all that a recording
//! does is to have their streams copied. Arrays of two are of the caller and the agent, as the channels of a file are.
//!
//! A call is recorded from its answer on. Its recording has the call's name, for there is one of each.

mod counters;
mod entry;
mod kept;
mod pattern;
mod settings;
#[cfg(test)]
mod tests;
mod told;

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
};

use undertone_core::mixer::SampleRate;

pub use self::{
    counters::{Counters, Faults, Refusals},
    entry::{Begun, Fault, File, FileState, Recording, Stamp, Stream, Track, Why, Writing},
    kept::Kept,
    pattern::{PATTERN_DEFAULT, Pattern, PatternError, Values, is_whole, part_of, whole_of},
    settings::{AT_ONCE_DEFAULT, Copies, Files, PORTS_EACH, Refusal, Settings},
};
use crate::{
    audit::{By, Event, On, What},
    call::{Call, CallId, Media, Phase, Ports, Role, SoundStream},
    element::Element,
    monitor::Monitoring,
    time::Nanos,
    trunk::Side,
};

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Write down that a recording begins; when that cannot be, [`Recordings::unwritten`].
    Begin(CallId, Event),
    /// Write something down.
    Audit(Event),
    /// Copy the stream that comes to a media port somewhere.
    Copy(SocketAddr, To),
    /// Do so no longer.
    EndCopy(SocketAddr, To),
    /// Begin to write a file, or go on with one.
    Open(CallId, Writing),
    /// What the streams of a file are: where they come to, and what their payload types stand for.
    Follow(CallId, [Track; 2]),
    /// Finish a file.
    Close(CallId),
    /// Keep what there is of a recording, in place of what was kept: [`Recordings::kept`].
    Keep(CallId),
    /// Keep nothing of it any more.
    Forget(CallId),
    /// Tell whoever follows.
    Tell(Told),
}

/// Where a copy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// Our own recorder.
    File,
    /// A port of the operator's.
    Port(SocketAddr),
}

/// What has happened, for whoever follows.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A recording has begun.
    Started(Box<Recording>),
    /// Its streams are others.
    Changed(Box<Recording>),
    /// Its file is not written any more. It may go on to the operator's recorder.
    Failed(Box<Recording>, Fault),
    /// It is over, and its file whole. With the reason.
    Ended(Box<Recording>, &'static str),
    /// A call is not recorded.
    Refused(CallId, Refusal),
}

/// When something happens, and whether it can be written down.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// When.
    pub at: Nanos,
    /// The same by the node's clock.
    pub stamp: &'a dyn Fn() -> Stamp,
    /// Whether the audit can be written.
    pub can_audit: bool,
}

/// What has become of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileReport {
    /// It is whole.
    Finished,
    /// It is whole, and shorter than it should be.
    Failed(Fault),
}

/// How it stands with a call.
#[derive(Debug)]
enum State {
    Running(Box<Recording>),
    /// Somebody has ended its recording, or that has ended itself: it does not begin again.
    Stopped,
    /// It is not recorded, and everybody has heard so.
    Refused(Refusal),
}

/// The recordings of a node.
#[derive(Debug)]
pub struct Recordings {
    settings: Option<Arc<Settings>>,
    monitoring: Arc<Monitoring>,
    calls: BTreeMap<CallId, State>,
    /// Recordings that are over, and whose files are not whole yet.
    ending: BTreeMap<CallId, (Box<Recording>, &'static str)>,
    /// How many recordings calls have had: each has a file of its own.
    files: BTreeMap<CallId, u32>,
    ports: Option<Ports>,
    counters: Counters,
    outputs: VecDeque<Output>,
}

impl Recordings {
    /// Without recordings. `None` records nothing.
    pub fn new(settings: Option<Arc<Settings>>, monitoring: Arc<Monitoring>) -> Self {
        Self {
            ports: settings.as_deref().and_then(ports),
            settings,
            monitoring,
            calls: BTreeMap::new(),
            ending: BTreeMap::new(),
            files: BTreeMap::new(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Works by another configuration from now on, for calls that are up as well. What runs goes on as it began, unless the
    /// call may not be recorded any more.
    pub fn set_settings<M: Media>(
        &mut self,
        settings: Option<Arc<Settings>>,
        monitoring: Arc<Monitoring>,
        now: Moment<'_>,
        element: &Element<M>,
    ) {
        let copies = |settings: &Option<Arc<Settings>>| settings.as_ref().and_then(|it| it.copies);
        if copies(&settings) != copies(&self.settings) {
            self.ports = settings.as_deref().and_then(ports);
            for recording in self.calls.values().filter_map(State::running) {
                claim(&mut self.ports, recording.begun.to);
            }
        }
        (self.settings, self.monitoring) = (settings, monitoring);
        let calls: Vec<_> = element.calls().map(|call| call.id).collect();
        for call in calls {
            self.call_changed(call, now, element);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What was counted.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The recordings that run.
    pub fn running(&self) -> impl Iterator<Item = &Recording> {
        self.calls.values().filter_map(State::running)
    }

    /// The files that are being written, or finished.
    pub fn files_in_work(&self) -> impl Iterator<Item = &std::path::Path> {
        let ending = self.ending.values().map(|(recording, _)| &**recording);
        self.running().chain(ending).filter_map(|it| Some(it.begun.file.as_ref()?.path.as_path()))
    }

    /// A call has come up, has changed, or is over.
    pub fn call_changed<M: Media>(&mut self, id: CallId, now: Moment<'_>, element: &Element<M>) {
        let Some(call) = element.call(id) else { return self.call_ended(id) };
        if call.phase != Phase::Up {
            return;
        }
        match self.calls.get(&id) {
            Some(State::Stopped) => {}
            Some(State::Running(_)) => match self.admit(call, element) {
                Ok(()) => self.follow(call, element.media()),
                Err(refusal) => {
                    self.end(id, By::node(), refusal.key());
                    self.calls.insert(id, State::Refused(refusal));
                }
            },
            Some(State::Refused(_)) | None => self.consider(call, now, element),
        }
    }

    /// Records a call if the rules have it.
    fn consider<M: Media>(&mut self, call: &Call, now: Moment<'_>, element: &Element<M>) {
        let Some(settings) = &self.settings else { return };
        let why = match (call.recorded, settings.chooses(call, &element.trunks().directory)) {
            (true, _) => Why::Route,
            (false, true) => Why::Rule,
            (false, false) => return,
        };
        let agent = agent_of(call);
        match self.begin(call, agent, By::node(), why, now, element) {
            // Sound may be agreed on later.
            Ok(()) | Err(Refusal::NoSound) => {}
            Err(refusal) => {
                let was = self.calls.insert(call.id, State::Refused(refusal));
                if !matches!(was, Some(State::Refused(before)) if before == refusal) {
                    self.refused(call, agent, By::node(), refusal);
                }
            }
        }
    }

    /// Records a call because somebody asks for it: by its name, or by an extension that has it, of several the newest.
    pub fn ask<M: Media>(
        &mut self,
        target: &str,
        by: By,
        now: Moment<'_>,
        element: &Element<M>,
    ) -> Result<CallId, Refusal> {
        let Some((call, agent)) = find(element, target) else {
            self.counters.refused.count(Refusal::NoCall);
            let event = Event::new(What::RecordingRefused, by);
            let on = On { extension: target.to_owned(), ..On::default() };
            let reason = Refusal::NoCall.key().into();
            self.outputs.push_back(Output::Audit(Event { on, reason, ..event }));
            return Err(Refusal::NoCall);
        };
        let outcome = match self.calls.get(&call.id) {
            Some(State::Running(_)) => Err(Refusal::Already),
            _ => self.begin(call, agent, by.clone(), Why::Asked, now, element),
        };
        match outcome {
            Ok(()) => Ok(call.id),
            Err(refusal) => {
                self.refused(call, agent, by, refusal);
                Err(refusal)
            }
        }
    }

    /// Ends the recording of a call, for good. False when there is none.
    pub fn stop(&mut self, id: CallId, by: By) -> bool {
        let is_running = matches!(self.calls.get(&id), Some(State::Running(_)));
        if is_running {
            self.end(id, by, "stopped");
            self.calls.insert(id, State::Stopped);
            self.outputs.push_back(Output::Keep(id));
        }
        is_running
    }

    /// That a recording begins cannot be written down: it does not.
    pub fn unwritten(&mut self, id: CallId) {
        let Some(recording) = self.take(id) else { return };
        self.counters.begun -= 1;
        self.counters.refused.count(Refusal::Unaudited);
        self.outputs.push_back(Output::Tell(Told::Refused(id, Refusal::Unaudited)));
        self.calls.insert(id, State::Refused(Refusal::Unaudited));
        self.release(recording, "unaudited");
    }

    fn admit<M: Media>(&self, call: &Call, element: &Element<M>) -> Result<(), Refusal> {
        let settings = self.settings.as_ref();
        settings.map_or(Ok(()), |it| it.admit(call, &self.monitoring, &element.trunks().directory))
    }

    fn begin<M: Media>(
        &mut self,
        call: &Call,
        agent: Role,
        by: By,
        why: Why,
        now: Moment<'_>,
        element: &Element<M>,
    ) -> Result<(), Refusal> {
        let settings = self.settings.clone().ok_or(Refusal::NotConfigured)?;
        self.admit(call, element)?;
        let sound = sound(call, agent).ok_or(Refusal::NoSound)?;
        let streams = sound.map(|sound| Stream::of(&sound, element.media()));
        let is_readable = streams.iter().all(|stream| stream.format.is_some() && !stream.is_secret);
        let files = settings.files.as_ref().filter(|_| is_readable);
        if files.is_none() && settings.copies.is_none() {
            return Err(Refusal::Unreadable);
        }
        if !now.can_audit {
            return Err(Refusal::Unaudited);
        }
        if self.running().count() >= settings.at_once_max {
            return Err(Refusal::NoRoom);
        }
        let to = match &settings.copies {
            Some(copies) => Some(take_ports(self.ports.as_mut(), copies).ok_or(Refusal::NoRoom)?),
            None => None,
        };
        let rate = rate_of(&streams);
        let file = files.map(|files| {
            let name = self.name_of(call.id);
            let path = files.directory.join(files.name.path(&values(call, agent, &(now.stamp)(), &name)));
            File { path, rate, group_readable: files.group_readable, state: FileState::Writing }
        });
        let recording = Recording { call: call.id, begun: Begun { agent, by, why, since: now.at, to, file }, streams };
        self.counters.begun += 1;
        let event = recording.event(What::RecordingStarted, recording.begun.by.clone(), extension_of(call, agent));
        let event = Event { reason: why.key().into(), ..event };
        self.outputs.push_back(Output::Begin(call.id, event));
        self.run(recording, sound.each_ref(), false);
        Ok(())
    }

    /// What stands for a call in the name of its next file.
    fn name_of(&mut self, id: CallId) -> String {
        let count = self.files.entry(id).or_default();
        *count += 1;
        if *count == 1 { id.to_string() } else { format!("{id}-{count}") }
    }

    /// Has all done that a recording needs.
    fn run(&mut self, recording: Recording, sound: [&SoundStream; 2], goes_on: bool) {
        let (id, begun) = (recording.call, &recording.begun);
        self.outputs.extend(begun.file.as_ref().map(|file| {
            let File { path, rate, group_readable, state: _ } = file.clone();
            Output::Open(id, Writing { path, rate, group_readable, since: begun.since, goes_on })
        }));
        self.outputs.extend(begun.file.as_ref().map(|_| Output::Follow(id, sound.map(Track::of))));
        for (stream, to) in recording.streams.iter().zip(recording.destinations()) {
            self.outputs.extend(to.into_iter().map(|to| Output::Copy(stream.at, to)));
        }
        self.outputs.extend([Output::Keep(id), Output::Tell(Told::Started(Box::new(recording.clone())))]);
        self.calls.insert(id, State::Running(Box::new(recording)));
    }

    /// Follows the media of a call.
    fn follow(&mut self, call: &Call, media: &impl Media) {
        let Some(State::Running(recording)) = self.calls.get_mut(&call.id) else { return };
        let Some(sound) = sound(call, recording.begun.agent) else { return };
        let streams = sound.each_ref().map(|sound| Stream::of(sound, media));
        if streams == recording.streams {
            return;
        }
        let was = std::mem::replace(&mut recording.streams, streams);
        if recording.is_written() {
            self.outputs.push_back(Output::Follow(call.id, sound.each_ref().map(Track::of)));
        }
        for ((was, is), to) in was.iter().zip(&streams).zip(recording.destinations()) {
            if was.at != is.at {
                self.outputs.extend(to.iter().map(|to| Output::Copy(is.at, *to)));
                self.outputs.extend(to.iter().map(|to| Output::EndCopy(was.at, *to)));
            }
        }
        self.outputs.push_back(Output::Tell(Told::Changed(recording.clone())));
    }

    fn call_ended(&mut self, id: CallId) {
        match self.calls.get(&id) {
            Some(State::Running(_)) => self.end(id, By::node(), "call-ended"),
            Some(State::Stopped) => self.outputs.push_back(Output::Forget(id)),
            Some(State::Refused(_)) | None => {}
        }
        self.calls.remove(&id);
        self.files.remove(&id);
    }

    fn take(&mut self, id: CallId) -> Option<Box<Recording>> {
        match self.calls.remove(&id)? {
            State::Running(recording) => Some(recording),
            other => {
                self.calls.insert(id, other);
                None
            }
        }
    }

    /// A recording ends.
    fn end(&mut self, id: CallId, by: By, reason: &'static str) {
        let Some(recording) = self.take(id) else { return };
        let event = recording.event(What::RecordingEnded, by, recording.begun.by.extension.clone());
        self.outputs.push_back(Output::Audit(Event { reason: reason.into(), ..event }));
        self.release(recording, reason);
    }

    /// Gives back what a recording has taken; when its file is whole, that is told.
    fn release(&mut self, recording: Box<Recording>, reason: &'static str) {
        let id = recording.call;
        for (stream, to) in recording.streams.iter().zip(recording.destinations()) {
            self.outputs.extend(to.into_iter().map(|to| Output::EndCopy(stream.at, to)));
        }
        if let (Some(ports), Some(to)) = (&mut self.ports, recording.begun.to) {
            for to in to {
                ports.give(to.ip(), to.port());
            }
        }
        if recording.is_written() {
            self.outputs.push_back(Output::Close(id));
            self.ending.insert(id, (recording, reason));
        } else {
            self.outputs.extend([Output::Forget(id), Output::Tell(Told::Ended(recording, reason))]);
        }
    }

    /// Something has become of a file.
    pub fn file(&mut self, id: CallId, report: FileReport) {
        let fault = match report {
            FileReport::Finished => None,
            FileReport::Failed(fault) => Some(fault),
        };
        if let Some(fault) = fault {
            self.counters.failed.count(fault);
        }
        if let Some((mut recording, reason)) = self.ending.remove(&id) {
            if let Some(fault) = fault {
                recording.fail(fault);
                self.failed(&recording, fault);
            }
            // Somebody may have had it begin again meanwhile.
            if !self.calls.contains_key(&id) {
                self.outputs.push_back(Output::Forget(id));
            }
            return self.outputs.push_back(Output::Tell(Told::Ended(recording, reason)));
        }
        let Some(fault) = fault else { return };
        let Some(State::Running(recording)) = self.calls.get_mut(&id) else { return };
        recording.fail(fault);
        let recording = recording.clone();
        self.failed(&recording, fault);
        self.outputs.extend(recording.streams.iter().map(|stream| Output::EndCopy(stream.at, To::File)));
        if recording.begun.to.is_none() {
            self.end(id, By::node(), fault.key());
            self.calls.insert(id, State::Stopped);
        }
        self.outputs.push_back(Output::Keep(id));
    }

    fn failed(&mut self, recording: &Recording, fault: Fault) {
        let event = recording.event(What::RecordingFailed, By::node(), recording.begun.by.extension.clone());
        self.outputs.push_back(Output::Audit(Event { reason: fault.key().into(), ..event }));
        self.outputs.push_back(Output::Tell(Told::Failed(Box::new(recording.clone()), fault)));
    }

    fn refused(&mut self, call: &Call, agent: Role, by: By, refusal: Refusal) {
        self.counters.refused.count(refusal);
        let event = Event::new(What::RecordingRefused, by);
        let on = On { extension: extension_of(call, agent), user: call.leg(agent).party.user.clone() };
        let reason = refusal.key().into();
        self.outputs.push_back(Output::Audit(Event { on, call: Some(call.id), reason, ..event }));
        self.outputs.push_back(Output::Tell(Told::Refused(call.id, refusal)));
    }

    /// What is to be kept of a call's recording; `None` where nothing is.
    pub fn kept(&self, id: CallId) -> Option<Kept> {
        Kept::new(id, self.calls.get(&id)?)
    }

    /// Takes up a recording from before the daemon was started. False for what cannot go on.
    pub fn restore<M: Media>(&mut self, kept: &Kept, element: &Element<M>) -> bool {
        let Some((id, begun)) = kept.begun() else { return false };
        let Some(call) = element.call(id) else { return false };
        let Some(begun) = begun else {
            self.calls.insert(id, State::Stopped);
            return true;
        };
        let Some(sound) = sound(call, begun.agent) else { return false };
        claim(&mut self.ports, begun.to);
        self.files.insert(id, 1);
        let streams = sound.each_ref().map(|sound| Stream::of(sound, element.media()));
        self.run(Recording { call: id, begun, streams }, sound.each_ref(), true);
        true
    }
}

impl State {
    const fn running(&self) -> Option<&Recording> {
        match self {
            Self::Running(recording) => Some(recording),
            Self::Stopped | Self::Refused(_) => None,
        }
    }
}

/// The streams of a call's sound: the caller's, and the agent's.
fn sound(call: &Call, agent: Role) -> Option<[SoundStream; 2]> {
    let [caller, callee] = call.session.sound()?;
    Some(match agent {
        Role::Callee => [caller, callee],
        Role::Caller => [callee, caller],
    })
}

/// Who the agent of a call is that nobody has named: who is ours, and of two of ours who was called.
fn agent_of(call: &Call) -> Role {
    match call.legs.each_ref().map(|leg| leg.side) {
        [Side::OnNet, Side::OffNet] => Role::Caller,
        _ => Role::Callee,
    }
}

/// The call of a name, or the newest that is up of an extension; and who its agent is then.
fn find<'a, M: Media>(element: &'a Element<M>, target: &str) -> Option<(&'a Call, Role)> {
    let is_up = |call: &&Call| call.phase == Phase::Up;
    let by_name = target.parse().ok().filter(|_| target.len() == 16).and_then(|id| element.call(id)).filter(is_up);
    if let Some(call) = by_name {
        return Some((call, agent_of(call)));
    }
    let has = |call: &Call, role: &Role| call.leg(*role).party.extension == target && !target.is_empty();
    let of_target = |call: &'a Call| Some((call, Role::BOTH.into_iter().find(|role| has(call, role))?));
    element.calls().filter(is_up).filter_map(of_target).max_by_key(|(call, _)| (call.answered, call.id))
}

fn extension_of(call: &Call, agent: Role) -> String {
    call.leg(agent).party.extension.clone()
}

fn values<'a>(call: &'a Call, agent: Role, stamp: &'a Stamp, id: &'a str) -> Values<'a> {
    let name = |role| {
        let party = &call.leg(role).party;
        if party.extension.is_empty() { party.number.as_str() } else { party.extension.as_str() }
    };
    let (caller, dialled) = (name(agent.other()), call.dialled.as_str());
    Values { date: &stamp.date, time: &stamp.time, caller, agent: name(agent), dialled, call: id }
}

/// The rate of a file: the higher one of what both were agreed to send when it began. Later it stays.
fn rate_of(streams: &[Stream; 2]) -> SampleRate {
    let rates = streams.iter().filter_map(|stream| Some(stream.format?.codec.rate()));
    rates.max().unwrap_or(SampleRate::Hz8000)
}

fn ports(settings: &Settings) -> Option<Ports> {
    let Copies { address, ports } = settings.copies?;
    Some(Ports::new(&[address], ports.first, ports.last))
}

fn take_ports(ports: Option<&mut Ports>, copies: &Copies) -> Option<[SocketAddr; 2]> {
    let ports = ports?;
    let caller = ports.take(0)?;
    let Some(agent) = ports.take(0) else {
        ports.give(copies.address, caller);
        return None;
    };
    Some([caller, agent].map(|port| SocketAddr::new(copies.address, port)))
}

fn claim(ports: &mut Option<Ports>, to: Option<[SocketAddr; 2]>) {
    if let (Some(ports), Some(to)) = (ports, to) {
        for to in to {
            ports.claim(to.ip(), to.port());
        }
    }
}
