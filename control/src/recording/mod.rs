//! Recording calls: [`Recordings`] with their surroundings: the data plane, our own recorder, the audit, the database.
//!
//! The recorder is a thread of the daemon: what becomes of a file is known to audit, events and metrics at once, and a call
//! costs it two copies and no more. A daemon that is killed leaves files that say how long they are; the next one goes on with
//! them. Copies to the operator's recorder go on meanwhile wherever packets do.

mod folder;
mod recorder;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, tz::TimeZone};
use tokio::{
    task::{spawn_blocking, spawn_local},
    time::{MissedTickBehavior, interval},
};
use tracing::{error, info, warn};
use undertone_control_core::{
    audit::{By, Event, What},
    call::CallId,
    config,
    recording::{Counters, Files, Kept, Moment, Output, Recording, Recordings, Refusal, Settings, Stamp, To, Told},
};
use undertone_core::{CopyId, MonitorPort};
use undertone_dataplane::Dataplane;

use self::{folder::Chore, recorder::Recorder};
use crate::{
    protocol::RecordingView,
    sip::{Sip, Witness, now},
    storage::{Storage, shown},
};

/// By how much a file system's clock may be behind.
const CLOCK_STEP: Duration = Duration::from_millis(100);
/// How often files are looked for that are too old.
const SWEEP: Duration = Duration::from_secs(3600);

/// The recordings and their surroundings. A handle.
#[derive(Clone)]
pub(crate) struct Recorded {
    shared: Rc<Shared>,
}

/// Who wants to know what becomes of recordings.
pub(crate) trait Audience {
    /// Something has happened. `view` shows a recording as it is now.
    fn told(&self, told: &Told, view: &dyn Fn(&Recording) -> RecordingView);
}

struct Shared {
    recordings: RefCell<Recordings>,
    settings: RefCell<Option<Arc<Settings>>>,
    dataplane: Dataplane,
    storage: Rc<Storage>,
    /// Our own recorder, as soon as there is something for it to do.
    recorder: RefCell<Option<Recorder>>,
    copies: RefCell<HashMap<(SocketAddr, To), CopyId>>,
    /// Copies that the data plane had no room for.
    uncopied: Cell<u64>,
    audience: RefCell<Option<Box<dyn Audience>>>,
    /// What was last written before this and is of no recording is an earlier daemon's.
    started: SystemTime,
}

impl Recorded {
    /// Begins to record what is to be.
    pub(crate) fn start(sip: &Sip, config: &config::Sip, dataplane: &Dataplane, storage: &Rc<Storage>) -> Self {
        let shared = Shared {
            recordings: RefCell::new(Recordings::new(None, Arc::new(config.monitoring.clone()))),
            settings: RefCell::default(),
            dataplane: dataplane.clone(),
            storage: Rc::clone(storage),
            recorder: RefCell::default(),
            copies: RefCell::default(),
            uncopied: Cell::new(0),
            audience: RefCell::default(),
            started: SystemTime::now() - CLOCK_STEP,
        };
        let this = Self { shared: Rc::new(shared) };
        let settings = this.prepare(sip, config.recording.as_ref());
        *this.shared.recordings.borrow_mut() = Recordings::new(settings, Arc::new(config.monitoring.clone()));
        this.take_up(sip);
        sip.add_witness(this.clone());
        let sweeping = this.clone();
        spawn_local(async move {
            let mut hours = interval(SWEEP);
            hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                hours.tick().await;
                sweeping.chore();
            }
        });
        this
    }

    /// Works by another configuration from now on.
    pub(crate) fn set_config(&self, sip: &Sip, config: &config::Sip) {
        let settings = self.prepare(sip, config.recording.as_ref());
        let monitoring = Arc::new(config.monitoring.clone());
        self.at_this_moment(sip, |recordings, moment, sip| {
            sip.with(|element| recordings.set_settings(settings, monitoring, moment, element));
        });
        self.chore();
    }

    /// Tells somebody what happens from now on.
    pub(crate) fn set_audience(&self, audience: impl Audience + 'static) {
        *self.shared.audience.borrow_mut() = Some(Box::new(audience));
    }

    /// Looks at the recordings that run.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut dyn Iterator<Item = &Recording>) -> T) -> T {
        look(&mut self.shared.recordings.borrow().running())
    }

    /// What was counted, how many copies the data plane had no room for, and how many packets our own recorder no time.
    pub(crate) fn counters(&self) -> (Counters, u64, u64) {
        let missed = self.shared.recorder.borrow().as_ref().map_or(0, Recorder::missed);
        (self.shared.recordings.borrow().counters(), self.shared.uncopied.get(), missed)
    }

    /// Records the call of a name, or of an extension.
    pub(crate) fn ask(&self, sip: &Sip, target: &str, by: By) -> Result<CallId, Refusal> {
        let outcome = self.at_this_moment(sip, |recordings, moment, sip| {
            sip.with(|element| recordings.ask(target, by, moment, element))
        })?;
        // What could not be written down has not begun.
        let runs = self.look(|mut running| Iterator::any(&mut running, |it| it.call == outcome));
        if runs { Ok(outcome) } else { Err(Refusal::Unaudited) }
    }

    /// Ends the recording of a call. False when there is none.
    pub(crate) fn stop(&self, sip: &Sip, id: CallId, by: By) -> bool {
        self.at_this_moment(sip, |recordings, _, _| recordings.stop(id, by))
    }

    /// A recording, as it is shown.
    pub(crate) fn view(&self, sip: &Sip, recording: &Recording) -> RecordingView {
        let now_ns = now().0;
        let ago = Duration::from_nanos(now_ns.saturating_sub(recording.begun.since.0));
        let started = Timestamp::try_from(SystemTime::now() - ago).map(shown).unwrap_or_default();
        let report = |at| self.shared.dataplane.report(at).ok();
        sip.with(|element| RecordingView::new(recording, element.call(recording.call), (now_ns, started), report))
    }

    /// What of a configuration can be done here: without a recorder there are no files.
    fn prepare(&self, sip: &Sip, wanted: Option<&Settings>) -> Option<Arc<Settings>> {
        let settings = wanted.map(|wanted| {
            let has_recorder = wanted.files.is_some() && self.has_recorder(sip);
            Arc::new(Settings { files: wanted.files.clone().filter(|_| has_recorder), ..wanted.clone() })
        });
        self.shared.settings.borrow_mut().clone_from(&settings);
        settings.filter(|settings| settings.files.is_some() || settings.copies.is_some())
    }

    /// Whether there is a recorder; it is started where there is none.
    fn has_recorder(&self, sip: &Sip) -> bool {
        if self.shared.recorder.borrow().is_some() {
            return true;
        }
        let (recorder, mut reports) = match Recorder::start(&self.shared.dataplane) {
            Ok(started) => started,
            Err(error) => {
                error!(%error, "no files of calls are written: the recorder cannot be started");
                return false;
            }
        };
        *self.shared.recorder.borrow_mut() = Some(recorder);
        let (this, sip) = (self.clone(), sip.clone());
        spawn_local(async move {
            while let Some((id, report)) = reports.recv().await {
                this.shared.recordings.borrow_mut().file(id, report);
                this.perform(&sip);
            }
        });
        true
    }

    /// Goes on with the recordings that an earlier daemon left, and looks at the calls that are up: what is configured may be
    /// something else now.
    fn take_up(&self, sip: &Sip) {
        let kept = self.shared.storage.kept_recordings().unwrap_or_else(|error| {
            warn!(%error, "recordings from before cannot be read");
            Vec::new()
        });
        let mut taken = 0_u32;
        for (id, json) in kept {
            let kept = serde_json::from_str::<Kept>(&json).ok();
            if kept.as_ref().is_some_and(|kept| kept.path().is_some()) && !self.has_recorder(sip) {
                continue;
            }
            let goes_on = kept
                .as_ref()
                .is_some_and(|kept| sip.with(|element| self.shared.recordings.borrow_mut().restore(kept, element)));
            if goes_on {
                taken += 1;
            } else {
                if kept.is_some_and(|kept| kept.is_running()) {
                    warn!(call = %id, "a recording from before cannot go on: its call is over");
                    let event = Event::new(What::RecordingEnded, By::node());
                    self.audit(Event { call: Some(id), reason: "call-lost".into(), ..event });
                }
                self.shared.storage.forget_recording(id);
            }
        }
        if taken > 0 {
            info!(recordings = taken, "went on with the recordings of an earlier daemon");
        }
        self.perform(sip);
        let calls: Vec<_> = sip.with(|element| element.calls().map(|call| call.id).collect());
        for call in calls {
            self.call_changed(sip, call);
        }
    }

    /// Looks after the folder, where it keeps no call waiting.
    fn chore(&self) {
        let settings = self.shared.settings.borrow().clone();
        if let Some(files) = settings.as_ref().and_then(|settings| settings.files.as_ref()) {
            let taken = self.shared.recordings.borrow().files_in_work().map(Into::into).collect();
            let Files { directory, keep_days, .. } = files.clone();
            let chore = Chore { directory, keep_days, orphans_before: self.shared.started, taken };
            spawn_blocking(move || chore.run());
        }
    }

    fn at_this_moment<T>(&self, sip: &Sip, act: impl FnOnce(&mut Recordings, Moment<'_>, &Sip) -> T) -> T {
        let can_audit = self.shared.storage.audit_failing().is_none();
        let moment = Moment { at: now(), stamp: &stamp, can_audit };
        let outcome = act(&mut self.shared.recordings.borrow_mut(), moment, sip);
        self.perform(sip);
        outcome
    }

    /// Does what is to be done.
    fn perform(&self, sip: &Sip) {
        loop {
            let output = self.shared.recordings.borrow_mut().poll();
            let Some(output) = output else { return };
            self.act(sip, output);
        }
    }

    fn act(&self, sip: &Sip, output: Output) {
        let (shared, storage) = (&self.shared, &self.shared.storage);
        let recorder = shared.recorder.borrow();
        match output {
            Output::Begin(id, event) => {
                if !self.audit(event) {
                    shared.recordings.borrow_mut().unwritten(id);
                }
            }
            Output::Audit(event) => {
                self.audit(event);
            }
            Output::Copy(at, to) => self.copy(recorder.as_ref(), at, to),
            Output::EndCopy(at, to) => self.end_copy(at, to),
            Output::Open(id, writing) => recorder.iter().for_each(|it| it.open(id, writing.clone())),
            Output::Follow(id, tracks) => recorder.iter().for_each(|it| it.follow(id, tracks.clone())),
            Output::Close(id) => recorder.iter().for_each(|it| it.close(id)),
            Output::Keep(id) => {
                let kept = shared.recordings.borrow().kept(id);
                if let Some(json) = kept.and_then(|kept| serde_json::to_string(&kept).ok()) {
                    storage.keep_recording(id, json);
                }
            }
            Output::Forget(id) => storage.forget_recording(id),
            Output::Tell(told) => {
                if let Some(audience) = &*shared.audience.borrow() {
                    audience.told(&told, &|recording| self.view(sip, recording));
                }
            }
        }
    }

    /// Writes something down. False when there is no room for it.
    fn audit(&self, event: Event) -> bool {
        let outcome = self.shared.storage.audit(event, SystemTime::now());
        if outcome.is_err() {
            warn!("the audit has no room: what became of a recording is not written down");
        }
        outcome.is_ok()
    }

    /// Copies a stream. A copy that an earlier daemon has made to the operator's recorder goes on.
    fn copy(&self, recorder: Option<&Recorder>, at: SocketAddr, to: To) {
        let dataplane = &self.shared.dataplane;
        let port = match (to, recorder) {
            (To::Port(to), _) => MonitorPort::Network(to),
            (To::File, Some(recorder)) => MonitorPort::Mixer(recorder.port()),
            (To::File, None) => return,
        };
        let report = dataplane.report(at);
        let there = report.iter().flat_map(|it| &it.copies).find(|(_, other)| *other == port).map(|(id, _)| *id);
        match there.map_or_else(|| dataplane.add_copy(at, port), Ok) {
            Ok(id) => drop(self.shared.copies.borrow_mut().insert((at, to), id)),
            Err(error) => {
                self.shared.uncopied.set(self.shared.uncopied.get() + 1);
                warn!(%at, ?to, %error, "a stream cannot be recorded");
            }
        }
    }

    fn end_copy(&self, at: SocketAddr, to: To) {
        if let Some(id) = self.shared.copies.borrow_mut().remove(&(at, to)) {
            // The stream may be over already.
            let _ = self.shared.dataplane.remove_copy(at, id);
        }
    }
}

impl Witness for Recorded {
    fn call_changed(&self, sip: &Sip, call: CallId) {
        self.at_this_moment(sip, |recordings, moment, sip| {
            sip.with(|element| recordings.call_changed(call, moment, element));
        });
    }
}

/// What the node's clock shows, as it stands in names.
fn stamp() -> Stamp {
    let now = Timestamp::now().to_zoned(TimeZone::system());
    Stamp { date: now.strftime("%Y-%m-%d").to_string(), time: now.strftime("%H-%M-%S").to_string() }
}
