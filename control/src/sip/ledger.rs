//! Calls in the database.

use std::{rc::Rc, time::SystemTime};

use tracing::{error, info, warn};
use undertone_control_core::call::{CallId, Record, Snapshot};
use undertone_dataplane::Dataplane;

use super::{Ledger, Sip};
use crate::storage::{Storage, StorageError};

/// Writes calls into a database.
pub(crate) struct Book(pub(crate) Rc<Storage>);

impl Ledger for Book {
    fn keep(&mut self, call: &Snapshot) {
        let (Ok(id), Ok(json)) = (call.id.parse(), serde_json::to_string(call)) else { return };
        self.0.keep(id, json);
    }

    fn ended(&mut self, record: &Record, at: SystemTime) {
        self.0.record(record.clone(), at);
    }
}

/// Takes up the calls that an earlier daemon left, and ends the media of those that cannot go on.
pub(crate) fn take_up(sip: &Sip, storage: &Storage, dataplane: &Dataplane) -> Result<(), StorageError> {
    let (mut up, mut over) = (0_u32, 0_u32);
    for (id, json) in storage.kept()? {
        match serde_json::from_str::<Snapshot>(&json) {
            Ok(snapshot) if sip.drive(|element| element.restore(&snapshot)) => up += 1,
            Ok(snapshot) => {
                over += 1;
                end(id, &snapshot, dataplane);
                storage.forget(id);
            }
            Err(error) => {
                error!(call = %id, %error, "what was kept of a call cannot be read: it is given up");
                storage.forget(id);
            }
        }
    }
    if up + over > 0 {
        info!(calls = up, given_up = over, "took up the calls of an earlier daemon");
    }
    Ok(())
}

fn end(id: CallId, snapshot: &Snapshot, dataplane: &Dataplane) {
    warn!(call = %id, "a call from before was not up, or its peers are gone: it is given up");
    for at in snapshot.relays() {
        // Not every line has RTCP beside it, and not all of them were there already.
        let _ = dataplane.remove(at);
    }
}
