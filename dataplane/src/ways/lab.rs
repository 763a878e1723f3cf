//! Two network namespaces with cables between them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use undertone_core::Way;

use super::Ways;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The near end of the first cable: interface, index and MAC address.
pub(super) const N0: (&str, u32, [u8; 6]) = ("n0", 10, [2, 0, 0, 0, 1, 0]);
/// The near end of the second cable.
pub(super) const N1: (&str, u32, [u8; 6]) = ("n1", 11, [2, 0, 0, 0, 1, 1]);
/// The MAC address at the far end of the first cable, interface `f0`.
pub(super) const F0: [u8; 6] = [2, 0, 0, 0, 2, 0];
/// The MAC address at the far end of the second cable, interface `f1`.
pub(super) const F1: [u8; 6] = [2, 0, 0, 0, 2, 1];

/// A `near` namespace, where ways are watched, and a `far` one with the neighbours; both go with the value.
///
/// The cables are up and have no addresses. One lab exists at a time, so that what is measured in it is not
/// disturbed by another.
pub(super) struct Lab {
    near: Namespace,
    far: Namespace,
    _alone: MutexGuard<'static, ()>,
}

struct Namespace {
    name: String,
}

/// A watcher in the near namespace, and what it reported.
pub(super) struct Watching {
    pub(super) ways: Ways,
    reports: mpsc::Receiver<Report>,
    latest: RefCell<HashMap<IpAddr, Report>>,
}

/// When what was reported of which address.
pub(super) type Report = (Instant, IpAddr, Option<Way>);

impl Lab {
    pub(super) fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let lab = Self { near: Namespace::new("near"), far: Namespace::new("far"), _alone: alone };
        for (near, far, far_mac) in [(N0, "f0", F0), (N1, "f1", F1)] {
            let (name, index, mac) = near;
            let (mac, far_mac) = (text(mac), text(far_mac));
            let ends = (&lab.near.name, &lab.far.name);
            ip(&format!(
                "link add {name} index {index} netns {} address {mac} type veth peer name {far} netns {} address {far_mac}",
                ends.0, ends.1
            ));
            lab.near(&format!("link set {name} up"));
            lab.far(&format!("link set {far} up"));
        }
        lab
    }

    /// A lab whose first cable carries 10.0.0.0/24 and `fd00::/64`: `.1` and `::1` are near, `.2` and `::2` far.
    pub(super) fn with_addresses() -> Self {
        let lab = Self::new();
        lab.near("addr add 10.0.0.1/24 dev n0");
        lab.near("addr add fd00::1/64 dev n0 nodad");
        lab.far("addr add 10.0.0.2/24 dev f0");
        lab.far("addr add fd00::2/64 dev f0 nodad");
        lab
    }

    /// Runs `ip` in the near namespace.
    pub(super) fn near(&self, command: &str) -> String {
        self.near.ip(command)
    }

    /// Runs `ip` in the far namespace.
    pub(super) fn far(&self, command: &str) -> String {
        self.far.ip(command)
    }

    /// Runs many `ip` commands, one a line, in the near namespace.
    fn near_batch(&self, commands: &str) {
        let mut child = Command::new("ip")
            .args(["-n", &self.near.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
        succeeded("ip -batch", &child.wait_with_output().unwrap());
    }

    /// Has the near namespace's kernel announce very many routes, which lead nowhere.
    pub(super) fn near_flood(&self) {
        let mut commands = String::new();
        for bits in 0xac10_0000..0xac10_0000 + 20_000 {
            let _ = writeln!(commands, "route add blackhole {}/32", Ipv4Addr::from_bits(bits));
        }
        self.near_batch(&commands);
    }

    /// Sets a kernel parameter in the near namespace.
    pub(super) fn near_set(&self, parameter: &str, value: u32) {
        self.near.set(parameter, value);
    }

    /// Sets a kernel parameter in the far namespace.
    pub(super) fn far_set(&self, parameter: &str, value: u32) {
        self.far.set(parameter, value);
    }

    /// Does `work` on a thread in the near namespace.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.near.inside(work)
    }

    /// Watches `ips` from the near namespace.
    pub(super) fn watch<const N: usize>(&self, ips: [&str; N]) -> Watching {
        let (sender, reports) = mpsc::channel();
        let report = move |ip, way| drop(sender.send((Instant::now(), ip, way)));
        let ways = self.inside(|| Ways::start(report)).unwrap();
        for ip in ips {
            ways.watch(ip.parse().unwrap());
        }
        Watching { ways, reports, latest: RefCell::default() }
    }
}

impl Namespace {
    fn new(role: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ways-{}-{}-{role}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let output = Command::new("ip").args(["netns", "add", &name]).output();
        let made = output.expect("this test runs `ip`: install iproute2");
        assert!(
            made.status.success(),
            "this test makes network namespaces, which needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN): {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let namespace = Self { name };
        // Else IPv6 is silent for a second after a link comes up, to find out whether its address is taken.
        namespace.set("net.ipv6.conf.default.accept_dad", 0);
        namespace.ip("link set lo up");
        namespace
    }

    fn ip(&self, command: &str) -> String {
        ip(&format!("-n {} {command}", self.name))
    }

    fn set(&self, parameter: &str, value: u32) {
        // The kernel shows each reader the parameters of its own namespace.
        let path = format!("/proc/sys/{}", parameter.replace('.', "/"));
        self.inside(|| std::fs::write(&path, value.to_string())).unwrap_or_else(|cause| panic!("{parameter}: {cause}"));
    }

    fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            let namespace = File::open(format!("/run/netns/{}", self.name)).unwrap();
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            work()
        };
        thread::scope(|scope| scope.spawn(enter).join().unwrap())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

impl Watching {
    /// Waits until the way to `ip` is as `expected`, and says when that was reported.
    pub(super) fn until(&self, ip: &str, expected: impl Fn(Option<&Way>) -> bool) -> Instant {
        let ip: IpAddr = ip.parse().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some((at, _, way)) = self.latest.borrow().get(&ip)
                && expected(way.as_ref())
            {
                return *at;
            }
            assert!(self.next(end).is_some(), "{ip}: nothing new after {:?}", self.latest.borrow().get(&ip));
        }
    }

    /// Waits until the neighbour on the way to `ip` has this MAC address, and says when that was reported.
    pub(super) fn until_mac(&self, ip: &str, mac: [u8; 6]) -> Instant {
        self.until(ip, |way| way.is_some_and(|way| way.mac == Some(mac)))
    }

    /// Waits until there is no way to `ip`, and says when that was reported.
    pub(super) fn until_none(&self, ip: &str) -> Instant {
        self.until(ip, |way| way.is_none())
    }

    /// The next report, unless none comes before `end`.
    pub(super) fn next(&self, end: Instant) -> Option<Report> {
        let report = self.reports.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
        self.latest.borrow_mut().insert(report.1, report.clone());
        Some(report)
    }

    /// Drops the watcher, and says whether its thread ended with it.
    pub(super) fn stop(self) -> bool {
        drop(self.ways);
        loop {
            match self.reports.try_recv() {
                Ok(_) => {}
                Err(state) => return state == mpsc::TryRecvError::Disconnected,
            }
        }
    }

    /// Everything that is reported during `time`.
    pub(super) fn during(&self, time: Duration) -> Vec<Report> {
        let end = Instant::now() + time;
        std::iter::from_fn(|| self.next(end)).collect()
    }
}

/// A measurement of how late this machine wakes a thread that should run.
pub(super) struct Lateness {
    done: Arc<AtomicBool>,
    worst: JoinHandle<Duration>,
}

impl Lateness {
    pub(super) fn measure() -> Self {
        const NAP: Duration = Duration::from_millis(1);
        let done = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&done);
        let worst = thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !end.load(Ordering::Relaxed) {
                let asleep = Instant::now();
                thread::sleep(NAP);
                worst = worst.max(asleep.elapsed().saturating_sub(NAP));
            }
            worst
        });
        Self { done, worst }
    }

    /// The worst that was seen.
    pub(super) fn worst(self) -> Duration {
        self.done.store(true, Ordering::Relaxed);
        self.worst.join().unwrap()
    }
}

/// A MAC address as `ip` takes it.
pub(super) fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn ip(command: &str) -> String {
    let output = Command::new("ip").args(command.split_whitespace()).output().unwrap();
    succeeded(command, &output);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeded(command: &str, output: &Output) {
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
