//! Who has the calls of our own.

use undertone_control_core::{
    call::CallId,
    ua::{Event, UaId},
};

use super::{Sip, now};

/// Who decides what becomes of calls to our own numbers, and has those that are up.
pub(crate) trait Switchboard {
    /// Something has happened in a call of our own: [`Sip::drive`] takes what is done about it.
    fn happened(&self, sip: &Sip, event: &Event);

    /// A call between two peers is up, has changed, or is over.
    fn call_changed(&self, sip: &Sip, call: CallId);

    /// A call of our own that is up has changed, or is new. It is to be forgotten with [`Event::Ended`].
    fn keep(&self, sip: &Sip, call: UaId);
}

/// Who wants to know of calls between peers.
pub(crate) trait Witness {
    /// A call is up, has changed, or is over.
    fn call_changed(&self, sip: &Sip, call: CallId);
}

/// Nobody: there is no such number.
pub(super) struct Nobody;

impl Switchboard for Nobody {
    fn happened(&self, sip: &Sip, event: &Event) {
        if let Event::Incoming(incoming) = event {
            sip.drive(|element| element.turn_down(now(), incoming.id, 404, "No Such Call", None));
        }
    }

    fn call_changed(&self, _sip: &Sip, _call: CallId) {}

    fn keep(&self, _sip: &Sip, _call: UaId) {}
}
