//! A flood from who is no peer.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use undertone_tests::Result;

use super::{
    exchange::{Exchange, Plan},
    ground::Who,
    scenarios::CALL,
};
use crate::daemon::operator::other;

/// Messages in a second, and for how long.
const PER_SECOND: u32 = 20_000;
const FLOOD: Duration = Duration::from_secs(2);
/// Messages sent at once.
const BURST: u32 = 100;
/// What the daemon may grow by.
const GROWTH_MAX_KIB: u64 = 20 << 10;

impl Exchange {
    /// The memory that the daemon has, in KiB.
    pub(super) fn resident_kib(&mut self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.daemon().pid())).map_err(other)?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.ok_or_else(|| other("no VmRSS"))
    }
}

/// Sends messages at this rate and for this time; says how many.
fn flood(socket: &UdpSocket, to: SocketAddr) -> Result<u32> {
    let start = Instant::now();
    let methods = ["INVITE", "OPTIONS", "REGISTER"];
    let mut sent = 0;
    while start.elapsed() < FLOOD {
        for _ in 0..BURST {
            let method = methods[sent as usize % methods.len()];
            let message = format!(
                "{method} sip:100@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {to};branch=z9hG4bKflood{sent}\r\nMax-Forwards: 70\r\n\
                 From: <sip:x@{to}>;tag={sent}\r\nTo: <sip:100@{to}>\r\nCall-ID: flood-{sent}\r\nCSeq: 1 {method}\r\n\
                 Content-Length: 0\r\n\r\n"
            );
            socket.send_to(message.as_bytes(), to).map_err(other)?;
            sent += 1;
        }
        let next = start + Duration::from_secs(1) * sent / PER_SECOND;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(sent)
}

#[test]
fn a_flood_of_strangers_gets_no_answer_and_disturbs_no_call() -> Result<()> {
    let mut exchange = Plan::loopback()?.start()?;
    let pbx = exchange.callee(Who::Pbx, "uas", 1, &[])?;
    let carrier = exchange.caller(Who::Carrier, "uac", 1, &["-d", "3000"])?;
    exchange.wait_for_calls(1)?;
    let before = exchange.resident_kib()?;

    let (family, to) = (exchange.line(Who::Carrier).family, exchange.address_for(Who::Carrier));
    let stranger = UdpSocket::bind((exchange.ground.theirs(Who::Stranger, family), 5060)).map_err(other)?;
    let sent = flood(&stranger, to)?;
    assert!(sent >= PER_SECOND * FLOOD.as_secs() as u32 * 9 / 10, "only {sent} were sent");
    carrier.done(CALL)?;
    pbx.done(CALL)?;
    exchange.assert_idle(1)?;

    let grown = exchange.resident_kib()?.saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "the daemon has grown by {grown} KiB");
    stranger.set_nonblocking(true).map_err(other)?;
    let answer = stranger.recv(&mut [0; 2048]).map_err(|error| error.kind());
    assert_eq!(answer, Err(std::io::ErrorKind::WouldBlock), "nobody answers strangers");
    Ok(())
}
