//! What HTTP is told.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, rc::Rc};

use tokio::task::JoinSet;
use tracing::{info, warn};
use undertone_control_core::{audit::By, call::Role, element::Element, permission::Via, trunk::PeerIndex};
use undertone_core::mixer::Mode;

use super::Daemon;
use crate::{
    failure::Failure,
    http::{
        self, Appliance, CallsOfPeer, Measures, MonitorMeasures, News, PhaseCounts, RecordingMeasures, SipMeasures,
    },
    monitor::Monitor,
    names::{Names, Resolution},
    protocol::{CallView, Code, MonitorSpec, MonitorView, PeerView, RecordingSpec, RecordingView, Refusal, UserView},
    recording::Recorded,
    sip::Sip,
};

/// Begins to answer HTTP, if the configuration has it.
pub(super) fn start(daemon: &Rc<Daemon>, tasks: &mut JoinSet<()>) -> Result<(), Failure> {
    let Some(config) = daemon.config.borrow().http else { return Ok(()) };
    let news = News::new();
    if let Some(sip) = &*daemon.sip.borrow() {
        sip.add_audience(news.clone());
    }
    if let Some(monitor) = &*daemon.monitor.borrow() {
        monitor.add_audience(news.clone());
    }
    if let Some(recorded) = &*daemon.recorded.borrow() {
        recorded.set_audience(news.clone());
    }
    let appliance: Rc<dyn Appliance> = Rc::<Daemon>::clone(daemon);
    let address = http::start(config.listen, appliance, news, tasks)?;
    info!(%address, "HTTP");
    if !address.ip().is_loopback() {
        warn!(%address, "whoever reaches this address may see calls and end them");
    }
    Ok(())
}

impl Appliance for Daemon {
    fn unready(&self) -> Vec<String> {
        let is_draining = self.sip.borrow().as_ref().is_some_and(|sip| sip.with(Element::is_draining));
        let draining = is_draining.then(|| "draining: no new calls are taken".into());
        let fault = self.dataplane.fault().map(|fault| format!("{fault}: restart the daemon"));
        draining.into_iter().chain(fault).collect()
    }

    fn measures(&self) -> Measures {
        // Tables that cannot be read are a fault, which the other numbers tell.
        let reasons = self.reasons().unwrap_or_default();
        Measures {
            uptime_s: self.started.elapsed().as_secs(),
            is_ready: self.unready().is_empty(),
            streams: self.dataplane.capacity().streams,
            paths: self.interfaces(),
            reasons,
            tables: self.usage(),
            sip: self.sip.borrow().as_ref().map(|sip| measures(sip, &self.names)),
            monitoring: self.monitor.borrow().as_ref().map(monitored),
            recording: self.recorded.borrow().as_ref().map(recorded),
            storage: self.storage.borrow().as_ref().map(|storage| storage.counters()),
        }
    }

    fn calls(&self) -> Result<Vec<CallView>, Refusal> {
        self.calls()
    }

    fn call(&self, id: &str) -> Result<CallView, Refusal> {
        self.call(id)
    }

    fn peers(&self) -> Result<Vec<PeerView>, Refusal> {
        self.peers()
    }

    fn users(&self) -> Result<Vec<UserView>, Refusal> {
        self.users()
    }

    fn hang_up(&self, id: &str) -> Result<Vec<String>, Refusal> {
        self.hang_up(id)
    }

    fn monitors(&self) -> Result<Vec<MonitorView>, Refusal> {
        self.monitors()
    }

    fn monitor(&self, id: &str) -> Result<MonitorView, Refusal> {
        self.monitor(id)
    }

    fn begin_monitor(&self, spec: MonitorSpec, from: IpAddr) -> Result<MonitorView, Refusal> {
        self.begin_monitor(spec, (Via::Api, &from.to_string()))
    }

    fn switch_monitor(&self, id: &str, mode: Mode, from: IpAddr) -> Result<MonitorView, Refusal> {
        self.switch_monitor(id, mode, (Via::Api, &from.to_string()))
    }

    fn end_monitor(&self, id: &str, from: IpAddr) -> Result<Vec<String>, Refusal> {
        self.end_monitor(id, (Via::Api, &from.to_string()))
    }

    fn recordings(&self) -> Result<Vec<RecordingView>, Refusal> {
        self.recordings()
    }

    fn recording(&self, call: &str) -> Result<RecordingView, Refusal> {
        self.recording(call)
    }

    fn begin_recording(&self, spec: RecordingSpec, from: IpAddr) -> Result<RecordingView, Refusal> {
        self.begin_recording(&spec.call, over_http(from))
    }

    fn end_recording(&self, call: &str, from: IpAddr) -> Result<Vec<String>, Refusal> {
        self.end_recording(call, over_http(from))
    }

    fn database(&self) -> Result<PathBuf, Refusal> {
        let none = || Refusal::new(Code::Refused, "this daemon takes no calls, and keeps no records");
        let config = self.config.borrow();
        let path = self.storage.borrow().is_some().then(|| config.storage.path.clone());
        path.ok_or_else(|| none().with_way_out("add [sip], [[peer]] and [[route]], and start it again"))
    }
}

/// Somebody who asks from an address.
fn over_http(from: IpAddr) -> By {
    By { via: Via::Api, address: from.to_string(), ..By::node() }
}

fn monitored(monitor: &Monitor) -> MonitorMeasures {
    let count = |mode| monitor.look(|sessions| sessions.filter(|it| it.mode == mode).count() as u64);
    MonitorMeasures {
        sessions: Mode::ALL.map(|mode| (mode, count(mode))),
        counters: monitor.counters(),
        phones: monitor.reports(),
    }
}

fn recorded(recorded: &Recorded) -> RecordingMeasures {
    let (counters, uncopied, missed) = recorded.counters();
    RecordingMeasures { running: recorded.look(|running| running.count() as u64), counters, uncopied, missed }
}

fn measures(sip: &Sip, names: &Names) -> SipMeasures {
    sip.with(|element| {
        let trunks = element.trunks();
        let mut peers = BTreeMap::<String, CallsOfPeer>::new();
        for (index, peer) in (0..).zip(&trunks.peers).filter(|(_, peer)| !peer.is_former()) {
            let measured = peers.entry(peer.name.clone()).or_default();
            measured.answers = Some(element.is_well(PeerIndex(index)));
            measured.resolved = names.resolution(peer).map(|it| it == Resolution::Resolved);
        }
        let mut calls = PhaseCounts::default();
        for call in element.calls() {
            calls.count(call.phase);
            for role in Role::BOTH {
                let Some(peer) = trunks.peer(call.leg(role).peer) else { continue };
                let peer = match peers.get_mut(&peer.name) {
                    Some(peer) => peer,
                    None => peers.entry(peer.name.clone()).or_default(),
                };
                match role {
                    Role::Caller => peer.caller.count(call.phase),
                    Role::Callee => peer.callee.count(call.phase),
                }
            }
        }
        SipMeasures {
            counters: element.counters().clone(),
            is_draining: element.is_draining(),
            calls,
            peers,
            lookups: names.counts(),
            ports: element.ports_used(),
            transactions: element.transactions(),
        }
    })
}
