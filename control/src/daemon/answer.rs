//! Answers to requests.

use std::net::SocketAddr;

use tracing::info;
use undertone_control_core::{audit::By, config::rtcp_of};
use undertone_core::{MonitorPort, PlaneError, Relay};
use undertone_dataplane::monotonic_ns;

use super::Daemon;
use crate::protocol::{Answer, Code, PortName, Refusal, Request, Stream};

impl Daemon {
    /// Does what a request of somebody asks for. Captures and reloads are the event loop's.
    pub(super) fn answer(&self, request: &Request, by: &By) -> Answer {
        let did = match request {
            Request::Status => return self.answer_status(),
            Request::Streams { ports } => return self.answer_streams(ports),
            Request::Calls => return self.calls().map_or_else(Answer::Error, Answer::Calls),
            Request::Peers => return self.peers().map_or_else(Answer::Error, Answer::Peers),
            Request::Users => return self.users().map_or_else(Answer::Error, Answer::Users),
            Request::Monitors => return self.monitors().map_or_else(Answer::Error, Answer::Monitors),
            Request::Monitor { monitor } => {
                let begun = self.begin_monitor(monitor.clone(), (by.via, &by.address));
                return begun.map_or_else(Answer::Error, |view| Answer::Monitors(vec![view]));
            }
            Request::SwitchMonitor { monitor, mode } => {
                let switched = self.switch_monitor(monitor, *mode, (by.via, &by.address));
                switched.map(|view| vec![format!("the monitor session {} is in mode {}", view.id, view.mode.key())])
            }
            Request::EndMonitor { monitor } => self.end_monitor(monitor, (by.via, &by.address)),
            Request::Recordings => return self.recordings().map_or_else(Answer::Error, Answer::Recordings),
            Request::Record { recording } => {
                let begun = self.begin_recording(&recording.call, by.clone());
                return begun.map_or_else(Answer::Error, |view| Answer::Recordings(vec![view]));
            }
            Request::EndRecording { call } => self.end_recording(call, by.clone()),
            Request::HangUp { call } => self.hang_up(call),
            Request::Drain { on } => self.drain(*on),
            Request::AddRelay { relay, rtcp } => self.add_relay(relay.into(), *rtcp),
            Request::ChangeRelay { relay, rtcp } => self.change_relay(relay.into(), *rtcp),
            Request::RemoveRelay { port, rtcp } => self.remove_relay(*port, *rtcp),
            Request::AddCopy { port, to } => self.add_copy(*port, *to),
            Request::RemoveCopy { port, to } => self.remove_copy(*port, *to),
            Request::Divert { port, on } => self.divert(*port, *on),
            Request::Reload | Request::Capture { .. } => Err(Refusal::new(Code::BadRequest, "not here")),
        };
        match did {
            Ok(did) => {
                for did in &did {
                    info!("asked for: {did}");
                }
                Answer::Done { did }
            }
            Err(refusal) => Answer::Error(refusal),
        }
    }

    /// The media port that a request names.
    pub(super) fn find(&self, name: PortName) -> Result<SocketAddr, Refusal> {
        let config = self.config.borrow();
        let ports = config.media.addresses.iter().map(|ip| SocketAddr::new(*ip, name.port));
        let named: Vec<_> = ports.filter(|at| name.names(*at) && self.dataplane.report(*at).is_ok()).collect();
        match named[..] {
            [at] => Ok(at),
            [] => {
                Err(Refusal::new(Code::NotFound, format!("no stream at media port {name}")).with_way_out(LIST_STREAMS))
            }
            [first, ..] => {
                let all: Vec<_> = named.iter().map(ToString::to_string).collect();
                let error = format!("several streams are at port {name}: {}", all.join(", "));
                Err(Refusal::new(Code::NotFound, error).with_way_out(format!("name one in full, like {first}")))
            }
        }
    }

    fn answer_status(&self) -> Answer {
        match self.status() {
            Ok(status) => Answer::Status(Box::new(status)),
            Err(error) => Answer::Error(Refusal::new(Code::Refused, error.to_string())),
        }
    }

    fn answer_streams(&self, ports: &[PortName]) -> Answer {
        let named = |name: &PortName| {
            self.find(*name).and_then(|at| self.dataplane.report(at).map_err(|error| refused(&error)))
        };
        let reports = if ports.is_empty() { Ok(self.dataplane.reports()) } else { ports.iter().map(named).collect() };
        // Read after the reports: a packet that comes between would be in the future.
        let now_ns = monotonic_ns();
        match reports {
            Ok(reports) => Answer::Streams(reports.iter().map(|report| Stream::new(report, now_ns)).collect()),
            Err(refusal) => Answer::Error(refusal),
        }
    }

    fn add_relay(&self, relay: Relay, rtcp: bool) -> Result<Vec<String>, Refusal> {
        let companion = companion(&relay, rtcp)?;
        self.add_to_dataplane(&relay).map_err(|error| refused(&error))?;
        if let Some(companion) = companion
            && let Err(error) = self.add_to_dataplane(&companion)
        {
            // It was added a moment ago; nothing else can have removed it.
            let _ = self.dataplane.remove(relay.a.local);
            return Err(refused(&error));
        }
        Ok(done("added the relay", &relay, companion.as_ref()))
    }

    /// Adds a relay that is no call's. A port that a call has taken for an offer is in use, though nothing is there yet.
    pub(super) fn add_to_dataplane(&self, relay: &Relay) -> Result<(), PlaneError> {
        let sip = self.sip.borrow();
        let is_of_call = |at: &SocketAddr| sip.as_ref().is_some_and(|sip| sip.with(|element| element.is_of_call(*at)));
        match [relay.a.local, relay.b.local].into_iter().find(is_of_call) {
            Some(port) => Err(PlaneError::PortInUse { port }),
            None => self.dataplane.add(relay),
        }
    }

    fn change_relay(&self, relay: Relay, rtcp: bool) -> Result<Vec<String>, Refusal> {
        let companion = companion(&relay, rtcp)?;
        // Asked first, so that either both are changed or none.
        if let Some(relay) = &companion {
            self.dataplane.report(relay.a.local).map_err(|error| refused(&error))?;
        }
        for relay in std::iter::once(&relay).chain(&companion) {
            self.dataplane.change(relay).map_err(|error| refused(&error))?;
        }
        Ok(done("changed the relay", &relay, companion.as_ref()))
    }

    fn remove_relay(&self, port: PortName, rtcp: bool) -> Result<Vec<String>, Refusal> {
        let at = self.find(port)?;
        let next = rtcp.then(|| PortName { ip: Some(at.ip()), port: at.port().saturating_add(1) });
        let next = next.map(|next| self.find(next)).transpose()?;
        let mut did = Vec::new();
        for at in std::iter::once(at).chain(next) {
            self.dataplane.remove(at).map_err(|error| refused(&error))?;
            did.push(format!("removed the relay at {at}"));
        }
        Ok(did)
    }

    fn add_copy(&self, port: PortName, to: SocketAddr) -> Result<Vec<String>, Refusal> {
        let at = self.find(port)?;
        self.dataplane.add_copy(at, MonitorPort::Network(to)).map_err(|error| refused(&error))?;
        Ok(vec![format!("copying {at} to {to}")])
    }

    fn remove_copy(&self, port: PortName, to: SocketAddr) -> Result<Vec<String>, Refusal> {
        let at = self.find(port)?;
        let report = self.dataplane.report(at).map_err(|error| refused(&error))?;
        let copy = report.copies.iter().find(|(_, goes)| *goes == MonitorPort::Network(to));
        let (id, _) = copy.ok_or_else(|| {
            let error = format!("{at} has no copy to {to}");
            Refusal::new(Code::NotFound, error)
                .with_way_out("`undertone streams --json` lists the copies of each stream")
        })?;
        self.dataplane.remove_copy(at, *id).map_err(|error| refused(&error))?;
        Ok(vec![format!("ended the copy of {at} to {to}")])
    }

    fn divert(&self, port: PortName, on: bool) -> Result<Vec<String>, Refusal> {
        let at = self.find(port)?;
        self.dataplane.set_divert(at, on).map_err(|error| refused(&error))?;
        Ok(vec![if on { format!("diverting {at} through the mixer") } else { format!("{at} is no longer diverted") }])
    }
}

const LIST_STREAMS: &str = "`undertone streams` lists all";

/// What the data plane would not do, as an answer.
pub(super) fn refused(error: &PlaneError) -> Refusal {
    let (code, way_out) = match error {
        PlaneError::NoStream { .. } => (Code::NotFound, Some(LIST_STREAMS)),
        PlaneError::NoCopy { .. } => (Code::NotFound, None),
        PlaneError::PortInUse { .. } => {
            (Code::Refused, Some("`undertone relay change` changes what is there, `undertone relay remove` ends it"))
        }
        PlaneError::NotOurs { .. } | PlaneError::OutsideRange { .. } => {
            (Code::Refused, Some("take a media address and port of the configuration's [media] section"))
        }
        PlaneError::NotPartners { .. } => {
            (Code::Refused, Some("`undertone streams` shows which ports belong together"))
        }
        PlaneError::Family { .. } => {
            (Code::Refused, Some("give the party a media port on an address of its own IP version"))
        }
        PlaneError::NoPeer { .. } => (Code::Refused, Some("name a unicast address and a port other than 0")),
        PlaneError::NoMixer => (Code::Refused, Some("the daemon's log says why it has no mixer; start it again")),
        PlaneError::NoSource { .. } => {
            (Code::Refused, Some("add a media address of that IP version, or choose a monitor port of the other"))
        }
        _ => (Code::Refused, None),
    };
    Refusal { code, error: error.to_string(), way_out: way_out.map(Into::into) }
}

fn companion(relay: &Relay, rtcp: bool) -> Result<Option<Relay>, Refusal> {
    if !rtcp {
        return Ok(None);
    }
    let companion = rtcp_of(relay).ok_or_else(|| {
        Refusal::new(
            Code::Refused,
            "there is no RTCP on the next ports: the relay is not of kind rtp, or has no next port",
        )
        .with_way_out("leave --rtcp out")
    })?;
    Ok(Some(companion))
}

fn done(what: &str, relay: &Relay, companion: Option<&Relay>) -> Vec<String> {
    let describe = |relay: &Relay| {
        let Relay { a, b, .. } = relay;
        format!("{what} {} = {} with {} = {}", a.peer, a.local, b.local, b.peer)
    };
    std::iter::once(relay).chain(companion).map(describe).collect()
}
