//! Which CPU a thread runs on, and who goes first there.

use std::process::Command;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, gettid};

/// Keeps the calling thread on the first CPU it may run on, and says which one that is.
pub(super) fn stay_on_one_cpu() -> usize {
    let allowed = sched_getaffinity(gettid()).expect("the kernel knows where a thread may run");
    let mut cpus = (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let cpu = cpus.next().expect("a thread may run somewhere");
    move_to(gettid(), cpu);
    cpu
}

/// Keeps a thread on a CPU.
pub(super) fn move_to(thread: Pid, cpu: usize) {
    let mut one = CpuSet::new();
    one.set(cpu).expect("a CPU of this machine");
    sched_setaffinity(thread, &one).expect("root may say where a thread runs");
}

/// Lets the calling thread run before all ordinary ones, until it sleeps.
pub(super) fn go_first() {
    let thread = gettid().to_string();
    let status = Command::new("chrt").args(["--fifo", "--pid", "1", &thread]).status();
    assert!(status.is_ok_and(|status| status.success()), "`chrt`, of the package util-linux, sets a thread's priority");
}
