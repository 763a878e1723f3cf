//! The daemon is killed while many speak.

use std::time::Duration;

use serde_json::Value;
use undertone_core::mixer::{Mode, Person};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
};

use super::{
    super::{
        exchange::{Exchange, Over, Plan},
        ground::{Ground, Who},
    },
    MONITORING, TONES, assert_heard,
    handset::{Handset, Talk},
};
use crate::daemon::operator::{SOON, START};

/// What parties may miss when the daemon is killed while they are spoken to.
const GAP_MAX: Duration = Duration::from_millis(250);
/// Sessions, by what each does.
const CODES: [(&str, Mode); 10] = [
    ("*82", Mode::Barge),
    ("*82", Mode::Barge),
    ("*83", Mode::WhisperToAgent),
    ("*82", Mode::Barge),
    ("*81", Mode::WhisperToCaller),
    ("*82", Mode::Barge),
    ("*80", Mode::Listen),
    ("*82", Mode::Barge),
    ("*82", Mode::Barge),
    ("*82", Mode::Barge),
];

/// A call, and who is at it.
struct Monitored {
    agent: Talk,
    caller: Talk,
    supervisor: Talk,
    mode: Mode,
}

impl Monitored {
    fn assert_heard(&self) -> Result<()> {
        assert_heard(Some(self.mode), [&self.agent.sound, &self.caller.sound, &self.supervisor.sound])
    }
}

/// Session and call, what it does, and how far it is.
fn sessions(exchange: &Exchange) -> Result<Vec<[Value; 4]>> {
    let sessions = exchange.operator.ask(&["monitors"])?.as_array().cloned().unwrap_or_default();
    Ok(sessions.iter().map(|it| ["id", "call", "mode", "state"].map(|key| it[key].clone())).collect())
}

mod privileged {
    use super::*;

    #[test]
    fn ten_sessions_outlive_a_daemon_that_is_killed_and_their_calls_hardly_notice() -> Result<()> {
        let mut plan = Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]);
        plan.sip = MONITORING.into();
        let mut exchange = plan.with_spare().start()?;
        let [agents, callers, supervisors] = [(Who::Pbx, 0), (Who::Carrier, 1), (Who::Spare, 2)]
            .map(|(who, person)| Handset::new(&exchange, who, TONES[person].1));
        let (agents, callers, supervisors) = (agents?, callers?, supervisors?);
        let mut all = Vec::new();
        for (code, mode) in CODES {
            let caller = callers.call("100")?;
            let agent = agents.came()?;
            exchange.wait_for_calls(all.len() + 1)?;
            // The newest call of the extension is the one that is monitored.
            let mut supervisor = supervisors.call("007100")?;
            supervisor.press(code)?;
            all.push(Monitored { agent, caller, supervisor, mode });
        }
        all.iter().try_for_each(Monitored::assert_heard)?;
        let before = sessions(&exchange)?;
        let modes: Vec<_> = before.iter().map(|it| it[2].clone()).collect();
        assert_eq!(modes, CODES.map(|(_, mode)| Value::from(mode.key())));

        exchange.daemon().kill9()?;
        let packets: Vec<_> = all.iter().map(|it| it.agent.sound.packets()).collect();
        // A second without a daemon.
        wait_for("calls to go on without a daemon", SOON, || {
            all.iter().zip(&packets).all(|(it, before)| it.agent.sound.packets() > before + 40).then_some(())
        })?;
        exchange.restart()?;
        wait_for("the sessions as they were", START, || (sessions(&exchange).ok()? == before).then_some(()))?;
        all.iter().try_for_each(Monitored::assert_heard)?;
        for (number, it) in all.iter().enumerate() {
            for (person, talk) in [(Person::Agent, &it.agent), (Person::Caller, &it.caller)] {
                let gap = talk.sound.longest_gap();
                println!("call {number}, {person:?}, {}: {gap:?}", it.mode.key());
                // Whom nobody speaks to misses nothing at all.
                let gap_max = if it.mode.hears(person, Person::Supervisor) { GAP_MAX } else { Duration::ZERO };
                assert!(gap <= gap_max, "the {person:?} of call {number} missed {gap:?}");
            }
        }
        for it in &mut all {
            it.supervisor.hang_up()?;
            it.caller.hang_up()?;
        }
        exchange.assert_idle(CODES.len()).map(drop)
    }
}
