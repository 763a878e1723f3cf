//! What is asked of monitor sessions.

use undertone_control_core::{monitor::SessionId, permission::Via};
use undertone_core::mixer::Mode;

use super::Daemon;
use crate::{
    monitor::Monitor,
    protocol::{Code, MonitorSpec, MonitorView, Refusal},
    sip::Sip,
};

impl Daemon {
    /// The monitor sessions that there are, the oldest first.
    pub(super) fn monitors(&self) -> Result<Vec<MonitorView>, Refusal> {
        self.with_monitor(|_, monitor| monitor.views())
    }

    /// One of them.
    pub(super) fn monitor(&self, name: &str) -> Result<MonitorView, Refusal> {
        self.monitors()?.into_iter().find(|view| view.id == name).ok_or_else(|| unknown(name))
    }

    /// Has a supervisor called. The session has its name at once.
    pub(super) fn begin_monitor(&self, spec: MonitorSpec, from: (Via, &str)) -> Result<MonitorView, Refusal> {
        self.check_extensions(&spec)?;
        let id = self.with_monitor(|sip, monitor| monitor.call(sip, spec.wish(from)))??;
        self.monitor(&id.to_string())
    }

    /// Whoever has written the name of a user, where an extension is wanted, is told that user's.
    fn check_extensions(&self, spec: &MonitorSpec) -> Result<(), Refusal> {
        let is_name = |sip: &Sip| {
            sip.with(|element| {
                let directory = &element.trunks().directory;
                let named =
                    |word: &String| directory.bearer(word).is_none().then(|| directory.user_named(word)).flatten();
                [&spec.extension, &spec.supervisor].into_iter().find_map(|word| named(word).cloned())
            })
        };
        let Some(user) = self.with_sip(is_name)? else { return Ok(()) };
        let extensions = user.extensions.join(", ");
        Err(Refusal::new(Code::NotFound, format!("{} is the name of a user, and no extension", user.name))
            .with_way_out(format!("name an extension of theirs: {extensions}")))
    }

    /// Gives one of them another mode. `from` is how and from where that is asked for.
    pub(super) fn switch_monitor(&self, name: &str, mode: Mode, from: (Via, &str)) -> Result<MonitorView, Refusal> {
        let id = self.monitor_id(name)?;
        self.with_monitor(|sip, monitor| monitor.switch(sip, id, mode, from))??;
        self.monitor(name)
    }

    /// Ends one of them. Says what was done.
    pub(super) fn end_monitor(&self, name: &str, from: (Via, &str)) -> Result<Vec<String>, Refusal> {
        let id = self.monitor_id(name)?;
        self.with_monitor(|sip, monitor| monitor.end(sip, id, from))?;
        Ok(vec![format!("ended the monitor session {id}")])
    }

    /// The name of a session that there is.
    fn monitor_id(&self, name: &str) -> Result<SessionId, Refusal> {
        self.monitor(name)?.id.parse().map_err(|_| unknown(name))
    }

    fn with_monitor<T>(&self, act: impl FnOnce(&Sip, &Monitor) -> T) -> Result<T, Refusal> {
        let monitor = self.monitor.borrow().clone();
        let none = || {
            Refusal::new(Code::Refused, "this daemon monitors no calls: its data plane has no mixer")
                .with_way_out("its log says why; start it again when that is mended")
        };
        self.with_sip(|sip| monitor.as_ref().map(|monitor| act(sip, monitor)).ok_or_else(none))?
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::new(Code::NotFound, format!("there is no monitor session {name}")).with_way_out(
        "`undertone monitors` lists all; to monitor an extension, name who is to be called: --as EXTENSION",
    )
}
