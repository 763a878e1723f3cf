//! The audit cannot be written.

use std::time::Duration;

use super::*;
use crate::monitor::AuditFailure;

/// A session that whispers while the audit fails.
fn whispering(audit_failure: AuditFailure) -> (Scene, SessionId) {
    let mut scene = Scene::with(Monitoring { audit_failure, ..monitoring() });
    call_up(&mut scene.bench);
    scene.turn();
    let (id, _) = scene.monitors();
    scene.switch(id, Mode::WhisperToAgent).expect("it is permitted");
    scene.written();
    scene.done();
    (scene, id)
}

impl Scene {
    fn audit_fails(&mut self, seconds: u64) {
        self.desk.tick(self.bench.now, Some(Duration::from_secs(seconds)));
        self.turn();
    }
}

#[test]
fn meanwhile_no_session_begins_and_nobody_comes_to_be_heard() {
    let (mut scene, id) = whispering(AuditFailure::End);
    scene.audit_fails(1);
    assert_eq!(scene.call(wish(Mode::Listen)), Err(NotCalled::Denied(Denial::Unaudited)));
    let refusal = scene.dial("007101");
    assert_eq!((refusal.status(), header(&refusal, "Reason")), (503, Denial::Unaudited.reason_header()));
    assert_eq!(scene.switch(id, Mode::Barge), Err(Denial::Unaudited));
    assert_eq!(scene.states(), [(State::Up, Mode::WhisperToAgent)]);
    assert_eq!(scene.desk.counters().refused.of(Denial::Unaudited), 3);
    assert_eq!(scene.switch(id, Mode::Listen), Ok(()), "who is silent does no harm");
    scene.desk.tick(scene.bench.now, None);
    assert_eq!(scene.switch(id, Mode::Barge), Ok(()));
}

#[test]
fn sessions_end_when_that_lasts() {
    let (mut scene, _) = whispering(AuditFailure::End);
    scene.audit_fails(AUDIT_GRACE.as_secs() - 1);
    assert_eq!(scene.states().len(), 1, "it may be over at once");
    for _ in 0..2 {
        scene.audit_fails(AUDIT_GRACE.as_secs());
    }
    let bye = scene.bench.request(PBX);
    assert_eq!((bye.method(), asked(&bye, "Reason").contains("cause=503")), (&Method::Bye, true));
    let ended = (What::SessionEnded, Some(Mode::WhisperToAgent), "The Audit Cannot Be Written".to_owned());
    assert_eq!((scene.written(), scene.desk.counters().unaudited), (vec![ended], 1));
    scene.assert_idle();
}

#[test]
fn sessions_go_on_where_they_are_to() {
    let (mut scene, id) = whispering(AuditFailure::Continue);
    scene.audit_fails(600);
    assert_eq!(scene.states(), [(State::Up, Mode::WhisperToAgent)]);
    assert_eq!(scene.switch(id, Mode::Barge), Err(Denial::Unaudited));
    assert_eq!(scene.dial("007101").status(), 503);
    assert_eq!(scene.desk.counters().unaudited, 0);
}
