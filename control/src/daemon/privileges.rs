//! What the daemon may still do once its programs are loaded.

use rustix::{
    io::Result,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities, set_no_new_privs,
    },
};
use tracing::{debug, warn};

/// What is used later, of what there is:
/// - `BPF` and `NET_ADMIN` for the tables of new lists of copies, `NET_ADMIN` for neighbours and socket buffers,
/// - `NET_BIND_SERVICE` for ports below 1024, `IPC_LOCK` for the memory of `io_uring`,
/// - `DAC_OVERRIDE`, where root runs the daemon, for files that are another user's.
const KEPT: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::IPC_LOCK)
    .union(CapabilitySet::DAC_OVERRIDE);

/// Gives up everything else for good, for this thread and those that it will start. There must be no others yet.
pub(super) fn give_up() {
    match try_to() {
        Ok(kept) => {
            let kept: Vec<_> = kept.iter_names().map(|(name, _)| name).collect();
            debug!(capabilities = kept.join(" "), "privileges that are left");
        }
        // A daemon that may more than it has to works all the same.
        Err(error) => warn!(%error, "privileges that are no longer needed are kept"),
    }
}

fn try_to() -> Result<CapabilitySet> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    let kept = capabilities(None)?.permitted & KEPT;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() })?;
    Ok(kept)
}
