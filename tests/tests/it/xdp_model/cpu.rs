//! Which CPU a thread runs on.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::gettid;

/// Keeps the calling thread on the first CPU it may run on.
pub(super) fn stay_on_one_cpu() {
    let allowed = sched_getaffinity(gettid()).expect("the kernel knows where a thread may run");
    let mut cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(cpus.next().expect("a thread may run somewhere")).expect("a CPU of this machine");
    sched_setaffinity(gettid(), &one).expect("a thread may say where it runs");
}
