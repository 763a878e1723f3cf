//! A daemon in trouble: no more ports, no more calls, a database that cannot be written, no time to run. Running calls go on.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use nix::sys::signal::Signal;
use undertone_tests::{Result, lab::wait_for};

use super::{
    exchange::{Exchange, Plan},
    ground::{Ground, Who},
    peer::Peer,
    scenarios::CALL,
};
use crate::daemon::operator::{SOON, other};

/// What is said when the database cannot be written, and when it can again.
const WAITS: &str = "call records wait, and are tried again";
const WRITTEN: &str = "call records are written again";

/// Longer than the longest pause between two attempts to write.
const NEXT_ATTEMPT: Duration = Duration::from_secs(30);

/// How long a party waits before it goes on with its call, in milliseconds: long enough to be stopped meanwhile.
const PAUSE_MS: &str = "2000";

/// A plan whose daemon tells its metrics.
fn measured(mut plan: Plan) -> Plan {
    let at = plan.ground.ours(Who::Carrier, plan.lines[0].family);
    plan.sip += &format!("[http]\nlisten = \"{at}:8080\"\n");
    plan
}

impl Exchange {
    /// A metric without labels.
    fn metric(&self, name: &str) -> Result<u64> {
        let at = (self.address_for(Who::Carrier).ip(), 8080);
        let mut page = String::new();
        let mut stream = TcpStream::connect(at).map_err(other)?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}:8080\r\nConnection: close\r\n\r\n", at.0);
        stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut page)).map_err(other)?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
        value.ok_or_else(|| other(format!("no {name} in {page}")))
    }

    /// Another call from the carrier: how it is answered in the end.
    fn invite(&self) -> Result<String> {
        let (us, carrier) = (self.address_for(Who::Carrier), self.address_of(Who::Carrier));
        let socket = UdpSocket::bind((carrier.ip(), 0)).map_err(other)?;
        socket.set_read_timeout(Some(SOON)).map_err(other)?;
        let at = socket.local_addr().map_err(other)?;
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 9000 RTP/AVP 0\r\n",
            ip = at.ip()
        );
        let invite = format!(
            "INVITE sip:100@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKtrouble;rport\r\nMax-Forwards: 70\r\n\
             From: <sip:+4940@{at}>;tag=1\r\nTo: <sip:100@{us}>\r\nCall-ID: trouble@{at}\r\nCSeq: 1 INVITE\r\n\
             Contact: <sip:+4940@{at}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        socket.send_to(invite.as_bytes(), us).map_err(other)?;
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).map_err(other)?;
            let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !answer.starts_with("SIP/2.0 1") {
                return Ok(answer);
            }
        }
    }
}

/// While a call is up there is no room for another one, which is told so in these words, counted and logged. The call
/// that is up goes on.
fn has_no_room(plan: Plan, words: &str, metric: &str, logged: &[&str], records: usize) -> Result<()> {
    let mut exchange = measured(plan).start()?;
    let pbx = exchange.callee(Who::Pbx, "uas_hold", 1, &[])?;
    let mut carrier = exchange.caller(Who::Carrier, "uac_hold", 1, &["-d", PAUSE_MS])?;
    let up = exchange.wait_for_calls(1)?.remove(0);
    carrier.freeze()?;
    let answer = exchange.invite()?;
    assert!(answer.starts_with(&format!("SIP/2.0 503 {words}\r\n")), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 5\r\n"), "{answer}");
    assert_eq!(exchange.metric(metric)?, 1);
    let line = exchange.daemon().wait_for_line(logged[0], SOON)?;
    assert!(logged.iter().all(|words| line.contains(words)), "{line}");
    assert_eq!(exchange.wait_for_calls(1)?[0]["id"], up["id"], "the running call");
    carrier.thaw()?;
    carrier.done(CALL)?;
    pbx.done(CALL)?;
    let records = exchange.assert_idle(records)?;
    assert!(records.iter().any(|record| record["id"] == up["id"] && record["status"] == 200), "{records:?}");
    Ok(())
}

#[test]
fn a_call_without_a_port_is_refused_and_told() -> Result<()> {
    let mut plan = Plan::loopback()?;
    // A pair for each party of one call.
    plan.ports = 4;
    let logged = ["call ended", "503", "No Media Port"];
    has_no_room(plan, "No Media Port", "undertone_calls_without_port_total", &logged, 2)
}

#[test]
fn a_call_too_many_is_refused_and_told() -> Result<()> {
    let mut plan = Plan::loopback()?;
    plan.sip = "calls = 1\n".into();
    let logged = ["a call was not taken", "503", "Too Many Calls"];
    has_no_room(plan, "Too Many Calls", "undertone_calls_refused_total", &logged, 1)
}

#[test]
fn a_daemon_that_could_not_run_hears_answers_before_it_repeats_requests() -> Result<()> {
    /// More than it reads before others have their turn.
    const WAITING: u32 = 150;
    let mut exchange = Plan::loopback()?.start()?;
    let (carrier, pbx) = (Peer::new(&exchange, Who::Carrier)?, Peer::new(&exchange, Who::Pbx)?);
    carrier.send(&carrier.request("INVITE", 0, "", &carrier.sdp()))?;
    let invite = pbx.hear("INVITE")?;
    exchange.daemon().signal(Signal::SIGSTOP)?;
    for number in 1..=WAITING {
        carrier.send(&carrier.request("REGISTER", number, "", ""))?;
    }
    pbx.send(&pbx.answer(&invite, "180 Ringing", "", ""))?;
    // After half a second without an answer INVITE is repeated (RFC 3261 §17.1.1.2).
    thread::sleep(Duration::from_millis(700));
    exchange.daemon().signal(Signal::SIGCONT)?;
    carrier.hear("SIP/2.0 180")?;
    let repeated: Vec<_> = pbx.heard()?.into_iter().filter(|text| text.starts_with("INVITE")).collect();
    assert!(repeated.is_empty(), "{repeated:?}");
    Ok(())
}

/// Calls begin, go on and end while the database cannot be written; then their records are.
fn outlive_a_database(
    exchange: &mut Exchange,
    break_it: impl FnOnce() -> Result<()>,
    mend_it: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let pbx = exchange.callee(Who::Pbx, "uas_hold", 1, &[])?;
    let mut carrier = exchange.caller(Who::Carrier, "uac_hold", 1, &["-d", PAUSE_MS])?;
    exchange.wait_for_calls(1)?;
    carrier.freeze()?;
    break_it()?;
    carrier.thaw()?;
    carrier.done(CALL)?;
    pbx.done(CALL)?;
    let pbx = exchange.callee(Who::Pbx, "uas", 3, &[])?;
    exchange.caller(Who::Carrier, "uac", 3, &["-d", "300"])?.done(CALL)?;
    pbx.done(CALL)?;
    wait_for("all calls to be over", SOON, || exchange.calls().ok()?.is_empty().then_some(()))?;
    exchange.daemon().wait_for_line(WAITS, SOON)?;
    assert!(exchange.metric("undertone_storage_failures_total")? > 0);
    assert_eq!(exchange.metric("undertone_storage_failing")?, 1);
    assert!(exchange.metric("undertone_storage_queued")? >= 4, "the records wait");
    mend_it()?;
    exchange.daemon().wait_for_line(WRITTEN, NEXT_ATTEMPT)?;
    let records = exchange.assert_idle(4)?;
    assert!(records.iter().all(|record| record["status"] == 200 && record["answered_ms"].is_u64()), "{records:?}");
    assert_eq!(exchange.metric("undertone_storage_failing")?, 0);
    assert_eq!(exchange.metric("undertone_storage_dropped_total")?, 0);
    let lines = exchange.daemon().lines();
    assert_eq!(lines.iter().filter(|line| line.contains(WAITS)).count(), 1, "said once");
    Ok(())
}

#[test]
fn calls_go_on_while_the_database_is_locked_and_their_records_follow() -> Result<()> {
    let mut exchange = measured(Plan::loopback()?).start()?;
    let database = rusqlite::Connection::open(exchange.operator.file("undertone.db")).map_err(other)?;
    let run = |statement| database.execute_batch(statement).map_err(other);
    outlive_a_database(&mut exchange, || run("BEGIN EXCLUSIVE"), || run("ROLLBACK"))
}

mod privileged {
    use undertone_tests::lab::{Family, Tmpfs};

    use super::*;
    use crate::calls::exchange::Over;

    #[test]
    fn calls_go_on_while_the_disk_is_full_and_their_records_follow() -> Result<()> {
        let disk = Tmpfs::mount(1024)?;
        let mut plan = measured(Plan::on(Ground::loopback()?, [(Family::V4, Over::Udp); 2]));
        plan.database = Some(disk.path().join("undertone.db"));
        let mut exchange = plan.start()?;
        outlive_a_database(&mut exchange, || disk.fill(), || disk.make_room())?;
        // Before the disk goes.
        exchange.daemon().terminate().map(drop)
    }
}
