//! Which machine it is, and how busy.

use std::fs;

/// In one line: processor, cores, kernel, and the average load of the last minute.
pub(crate) fn facts() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, name)| name.trim());
    // Also of a thread that keeps to one of them.
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    let model = model.unwrap_or("unknown processor");
    format!("machine: {model}, {cores} cores, Linux {}; load average {load}", kernel.trim())
}
