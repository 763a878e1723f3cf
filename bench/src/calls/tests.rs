//! Both sides face each other on this machine, without anything in between.

use super::*;
use clap::Parser;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    options: Options,
}

fn job(line: &str) -> Job {
    Cli::parse_from(std::iter::once("calls").chain(line.split_whitespace())).options.check().unwrap()
}

/// An address of loopback that nobody has.
fn free() -> std::net::SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn refusal(line: &str) -> String {
    format!("{:#}", place(&job(line)).unwrap_err())
}

#[test]
fn fifty_calls_are_set_up_and_heard_and_ended() {
    let uas = free();
    let report = place(&job(&format!("--target {uas} --uas {uas} --calls 50 --rate 50 --duration 1s"))).unwrap();
    let calls = report.calls.as_ref().unwrap();
    assert_eq!((calls.placed, calls.completed, calls.failed), (50, 50, 0), "{report:?}");
    assert_eq!(report.answered.as_ref().map(|side| (side.answered, side.ended, side.running)), Some((50, 50, 0)));
    let recorded = |times: Option<&report::Distribution>| times.map_or(0, |times| times.count);
    for times in [&report.setup_ms, &report.ringing_ms, &report.teardown_ms] {
        assert_eq!(recorded(times.as_ref()), 50);
    }
    let rtp = report.rtp.as_ref().unwrap();
    assert_eq!((rtp.streams, rtp.deaf, rtp.doubles, rtp.strange), (100, 0, 0, 0), "{rtp:?}");
    // A second of sound each way. What the kernel had no room for is what may be missing, and is then counted as such.
    assert!(rtp.sent > 100 * 40, "{rtp:?}");
    assert!(rtp.received + rtp.lost <= rtp.sent && rtp.lost <= rtp.sent - rtp.received, "{rtp:?}");
    assert_eq!(recorded(rtp.latency_ms.as_ref()), rtp.received);
    assert!(report.passed);
}

#[test]
fn calls_wait_while_enough_are_there() {
    let uas = free();
    let line = format!(
        "--target {uas} --uas {uas} --calls 12 --rate 200 --duration 200ms --concurrent 4 --no-rtp --ringing 50"
    );
    let report = place(&job(&line)).unwrap();
    let calls = report.calls.as_ref().unwrap();
    assert_eq!((calls.completed, calls.up_max), (12, 4));
    assert!(report.setup_ms.as_ref().unwrap().min >= 50.0 && report.ringing_ms.as_ref().unwrap().min < 50.0);
    assert!(report.notes.iter().any(|note| note.contains("--concurrent")), "{:?}", report.notes);
}

#[test]
fn what_cannot_work_is_refused_before_any_call() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let told = refusal(&format!("--target 127.0.0.1:9 --uas {} --calls 1", taken.local_addr().unwrap()));
    assert!(told.contains("another program has port"), "{told}");
    let told = refusal(&format!("--target {} --calls 1", free()));
    assert!(told.contains("nobody listens"), "{told}");
    let told = refusal("--target 127.0.0.1:9 --calls 1 --local 192.0.2.1:5060");
    assert!(told.contains("no interface of this machine"), "{told}");
    let told = refusal("--target 127.0.0.1:9 --calls 1 --wav Cargo.toml");
    assert!(told.contains("no WAV file") && told.contains("sox"), "{told}");
}
