//! A call whose parties do what a test tells them, and a supervisor beside.

use std::time::Duration;

use serde_json::Value;
use undertone_core::mixer::Mode;
use undertone_tests::{Result, lab::wait_for, phone::Phone, speech::tone};

use super::{
    super::{
        exchange::{Exchange, Plan},
        ground::Who,
    },
    Ear, MONITORING, TONE, TONES, assert_heard, audit,
    handset::{Handset, Talk},
};
use crate::daemon::operator::SOON;

/// The call, and what the supervisor has: a real telephone, or a handset. What speaks ends before what it speaks through.
pub(super) struct Scene<S> {
    pub(super) supervisor: S,
    pub(super) agent: Talk,
    pub(super) caller: Talk,
    /// The agent's, and the caller's.
    pub(super) handsets: [Handset; 2],
    pub(super) exchange: Exchange,
}

impl Scene<Phone> {
    pub(super) fn new() -> Result<Self> {
        Self::with("")
    }

    /// With more lines of `[monitoring]`.
    pub(super) fn with(more: &str) -> Result<Self> {
        let (_, hz) = TONES[2];
        Scene::begin(more, "", |exchange| exchange.phone_of(Who::Spare, "200", &tone(hz, TONE), ""))
    }

    pub(super) fn dial(&self, number: &str) -> Result<()> {
        self.supervisor.call(&format!("sip:{number}@{}", self.exchange.address_for(Who::Spare)))
    }

    /// The supervisor listens to the call.
    pub(super) fn monitor(&mut self) -> Result<Value> {
        self.dial("007100")?;
        self.supervisor.established()?;
        self.session("up")
    }

    /// Everybody hears whom the table says, and nobody else.
    pub(super) fn assert_heard(&self, mode: Option<Mode>) -> Result<()> {
        self.assert_heard_with(mode, &self.supervisor)
    }
}

impl Scene<Handset> {
    /// With more lines of `[monitoring]`.
    pub(super) fn with_handset(more: &str) -> Result<Self> {
        Scene::begin(more, "", |exchange| Handset::new(exchange, Who::Spare, TONES[2].1))
    }

    /// The supervisor listens to the call.
    pub(super) fn monitor(&self) -> Result<Talk> {
        let talk = self.supervisor.call("007100")?;
        self.session("up")?;
        Ok(talk)
    }
}

impl Scene<()> {
    /// With more sections of the configuration.
    pub(super) fn without_supervisor(sections: &str) -> Result<Self> {
        Scene::begin("", sections, |_| Ok(()))
    }
}

impl<S> Scene<S> {
    fn begin(more: &str, sections: &str, supervisor: impl FnOnce(&Exchange) -> Result<S>) -> Result<Self> {
        let mut plan = Plan::loopback()?;
        plan.sip = MONITORING.replace("[monitoring]\n", &format!("[monitoring]\n{more}")) + sections;
        let exchange = plan.with_spare().start()?;
        let supervisor = supervisor(&exchange)?;
        let [(_, agent), (_, caller), _] = TONES;
        let handsets = [Handset::new(&exchange, Who::Pbx, agent)?, Handset::new(&exchange, Who::Carrier, caller)?];
        let caller = handsets[1].call("100")?;
        let agent = handsets[0].came()?;
        exchange.wait_for_calls(1)?;
        Ok(Self { supervisor, agent, caller, handsets, exchange })
    }

    /// The same, where the supervisor hears by this ear.
    pub(super) fn assert_heard_with(&self, mode: Option<Mode>, supervisor: &dyn Ear) -> Result<()> {
        assert_heard(mode, [&self.agent.sound, &self.caller.sound, supervisor])
    }

    /// The one session that there is, as soon as it is in a state.
    pub(super) fn session(&self, state: &str) -> Result<Value> {
        self.session_where(&format!("a session that is {state}"), |session| session["state"] == state)
    }

    /// The one session that there is, as soon as it is so.
    pub(super) fn session_where(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(what, 2 * SOON, || match self.sessions().ok()?.as_slice() {
            [session] if is(session) => Some(session.clone()),
            _ => None,
        })
    }

    pub(super) fn sessions(&self) -> Result<Vec<Value>> {
        Ok(self.exchange.operator.ask(&["monitors"])?.as_array().cloned().unwrap_or_default())
    }

    /// Waits until there is no session any more.
    pub(super) fn no_session(&self, timeout: Duration) -> Result<()> {
        wait_for("no session", timeout, || self.sessions().ok()?.is_empty().then_some(()))
    }

    /// The newest row of the audit that says so.
    pub(super) fn written(&self, what: &str) -> Result<Value> {
        wait_for(&format!("{what} in the audit"), SOON, || {
            audit(&self.exchange).ok()?.into_iter().rev().find(|row| row["what"] == what)
        })
    }
}
