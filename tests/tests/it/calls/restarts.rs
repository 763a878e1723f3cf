//! Calls that outlive the daemon.

use std::fs;

use undertone_tests::{Result, lab::wait_for};

use super::{
    exchange::{Exchange, Plan},
    ground::Who,
    scenarios::CALL,
};
use crate::daemon::operator::SOON;

/// How long a party waits before it goes on with its call, in milliseconds: long enough to be stopped meanwhile.
const PAUSE_MS: &str = "2000";

impl Exchange {
    /// Waits until a call's state with this text in it stands in the database, where it is put a moment later.
    pub(super) fn wait_for_kept(&self, kept: &str) -> Result<()> {
        wait_for("the call to be kept", SOON, || {
            let has = |name| {
                let bytes = fs::read(self.operator.file(name)).unwrap_or_default();
                bytes.windows(kept.len()).any(|window| window == kept.as_bytes())
            };
            (has("undertone.db-wal") || has("undertone.db")).then_some(())
        })
    }
}

/// A daemon is killed in the middle of a call, and the next one serves its re-INVITEs and its BYE.
fn outlive(exchange: &mut Exchange, meanwhile: impl FnOnce(&mut Exchange) -> Result<()>) -> Result<()> {
    let pbx = exchange.callee(Who::Pbx, "uas_hold", 1, &[])?;
    let mut carrier = exchange.caller(Who::Carrier, "uac_hold", 1, &["-d", PAUSE_MS])?;
    let before = exchange.wait_for_calls(1)?.remove(0);
    carrier.freeze()?;
    exchange.wait_for_kept(&format!("\"id\":{},\"is_up\":true", before["id"]))?;
    meanwhile(exchange)?;
    let after = exchange.calls()?;
    assert_eq!([&after[0]["id"], &after[0]["streams"]], [&before["id"], &before["streams"]], "the same call");
    carrier.thaw()?;
    carrier.done(CALL)?;
    pbx.done(CALL)?;
    let records = exchange.assert_idle(1)?;
    let record = &records[0];
    assert_eq!((&record["id"], &record["status"]), (&before["id"], &200.into()), "{record}");
    assert!(record["duration_ms"].as_u64() >= Some(2000), "{record}");
    Ok(())
}

#[test]
fn a_call_goes_on_after_the_daemon_was_killed() -> Result<()> {
    let mut exchange = Plan::loopback()?.start()?;
    outlive(&mut exchange, |exchange| {
        exchange.daemon().kill9()?;
        exchange.restart()
    })
}

mod privileged {
    use std::{
        fs,
        sync::atomic::{AtomicBool, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use undertone_tests::{
        lab::Family,
        rtp::{Endpoint, Packet, Stream},
    };

    use super::*;
    use crate::{
        calls::{
            exchange::{Over, SERVICE_USER},
            ground::Ground,
        },
        daemon::operator::other,
    };

    /// Between packets, as telephones send them.
    const INTERVAL: Duration = Duration::from_millis(20);

    #[test]
    fn not_a_packet_of_a_call_is_lost_when_the_daemon_is_killed() -> Result<()> {
        survive(&mut Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]).start()?)
    }

    /// The daemon is started as its systemd unit has it: an unprivileged user, and three capabilities, of which one is
    /// given up when the programs are loaded.
    #[test]
    fn an_unprivileged_daemon_takes_calls_copies_them_and_takes_over_from_one_that_was_killed() -> Result<()> {
        let mut plan = Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]);
        plan.is_service = true;
        let mut exchange = plan.start()?;
        assert_eq!(privileges(exchange.daemon().pid())?, [SERVICE_USER_AND_KEPT; 1]);
        survive(&mut exchange)?;
        assert_eq!(privileges(exchange.daemon().pid())?, [SERVICE_USER_AND_KEPT; 1]);
        Ok(())
    }

    /// User, effective and permitted capabilities (`CAP_NET_ADMIN`, 12, and `CAP_BPF`, 39), and that there will be no more.
    const SERVICE_USER_AND_KEPT: (u32, u64, u64, u64) = (SERVICE_USER, 1 << 12 | 1 << 39, 1 << 12 | 1 << 39, 1);

    /// What the threads of a process may do, each kind once.
    fn privileges(pid: u32) -> Result<Vec<(u32, u64, u64, u64)>> {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(other)?;
        let mut all = Vec::new();
        for task in tasks.flatten() {
            let status = fs::read_to_string(task.path().join("status")).map_err(other)?;
            let field = |key: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
                line.split_whitespace().next().unwrap_or_default().to_owned()
            };
            let number = |key: &str| u64::from_str_radix(&field(key), 16).map_err(other);
            let user = field("Uid:").parse().map_err(other)?;
            all.push((user, number("CapEff:")?, number("CapPrm:")?, number("NoNewPrivs:")?));
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    fn survive(exchange: &mut Exchange) -> Result<()> {
        let bind = |exchange: &Exchange, who| {
            let namespace = exchange.ground.namespace(who).expect("a lab");
            Endpoint::bind(namespace, (exchange.ground.theirs(who, Family::V4), 7000))
        };
        let parties = [bind(exchange, Who::Carrier)?, bind(exchange, Who::Pbx)?];
        let monitor = bind(exchange, Who::Spare)?;
        outlive(exchange, |exchange| {
            let call = exchange.calls()?.remove(0);
            let ports = [port(&call, "caller")?, port(&call, "callee")?];
            let packets: Vec<_> = Stream::pcmu(7).numbered(60_000).iter().map(Packet::to_bytes).collect();
            // Both say something, so that the ports know where they are.
            wait_for("media to flow", SOON, || {
                for (party, port) in parties.iter().zip(ports) {
                    party.send(&packets[0], port).ok()?;
                }
                parties.iter().all(|party| !party.received().is_empty()).then_some(())
            })?;
            let copy = ["copy", "add", &ports[0].to_string(), &monitor.local().to_string()];
            exchange.operator.say(&copy)?.done()?;
            wait_for("a copy", SOON, || {
                parties[0].send(&packets[0], ports[0]).ok()?;
                (!monitor.received().is_empty()).then_some(())
            })?;
            for endpoint in parties.iter().chain([&monitor]) {
                endpoint.wait_for_silence(5 * INTERVAL);
                endpoint.take_received();
            }
            let sent = speak_while(&parties, ports, &packets[1..], || {
                exchange.daemon().kill9()?;
                exchange.restart()
            })?;
            for (who, party) in ["carrier", "pbx", "monitor"].iter().zip(parties.iter().chain([&monitor])) {
                let received = party.wait_for_packets(sent, SOON)?;
                assert!(received.iter().map(|it| &it.bytes).eq(&packets[1..=sent]), "{who} hears everything, in order");
            }
            Ok(())
        })
    }

    /// Both parties speak while something happens. Says how many packets each has sent.
    fn speak_while(
        parties: &[Endpoint; 2],
        ports: [std::net::SocketAddr; 2],
        packets: &[Vec<u8>],
        meanwhile: impl FnOnce() -> Result<()>,
    ) -> Result<usize> {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let sender = scope.spawn(|| -> Result<usize> {
                let start = Instant::now();
                for (index, packet) in packets.iter().enumerate() {
                    if done.load(Ordering::Relaxed) {
                        return Ok(index);
                    }
                    thread::sleep((start + INTERVAL * index as u32).saturating_duration_since(Instant::now()));
                    for (party, port) in parties.iter().zip(ports) {
                        party.send(packet, port)?;
                    }
                }
                Ok(packets.len())
            });
            let outcome = meanwhile();
            done.store(true, Ordering::Relaxed);
            let sent = sender.join().expect("a sender");
            outcome.and(sent)
        })
    }

    /// The media port that a party of a call sends to.
    fn port(call: &serde_json::Value, from: &str) -> Result<std::net::SocketAddr> {
        let streams = call["streams"].as_array().cloned().unwrap_or_default();
        let stream = streams.iter().find(|stream| stream["from"] == from).cloned().unwrap_or_default();
        stream["port"].as_str().and_then(|port| port.parse().ok()).ok_or_else(|| other(format!("no port in {call}")))
    }
}
