//! Peers that are known by DNS names.

use std::{
    net::{SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use serde_json::Value;
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
};

use super::{
    dns::Dns,
    exchange::{Exchange, Line, Over, Plan},
    ground::{Ground, Who},
    scenarios::CALL,
};
use crate::daemon::operator::{SOON, START, other};

/// The daemon asks again after five seconds at the earliest, and after some failures less often.
const FOLLOWED: Duration = Duration::from_secs(40);
/// The port of the test's DNS server.
const PORT: u16 = 5353;
/// Servers of the PBX, by their SRV records.
const SRV: &str = "srv-host=_sip._udp.pbx.test,one.pbx.test,5060,1,1\n";
const SRV_TCP: &str =
    "srv-host=_sip._tcp.pbx.test,one.pbx.test,5060,1,1\nsrv-host=_sip._tcp.pbx.test,two.pbx.test,5060,2,1\n";

/// Where the DNS server is: an address of the test's that nobody else has.
pub(super) fn resolver(ground: &Ground) -> SocketAddr {
    (ground.theirs(Who::Stranger, Family::V4), PORT).into()
}

/// A line of a file of hosts.
pub(super) fn host(ground: &Ground, who: Who, name: &str) -> String {
    format!("{} {name}\n", ground.theirs(who, Family::V4))
}

impl Exchange {
    /// What is shown of the PBX.
    fn pbx(&self) -> Result<Value> {
        let peers = self.operator.ask(&["peers"])?;
        let pbx = peers.as_array().and_then(|all| all.iter().find(|peer| peer["name"] == "pbx").cloned());
        pbx.ok_or_else(|| other(format!("no PBX in {peers}")))
    }

    /// Waits until requests to the PBX go to a host.
    fn wait_for_pbx_at(&self, who: Who) -> Result<Value> {
        let at = SocketAddr::new(self.ground.theirs(who, self.line(Who::Pbx).family), 5060).to_string();
        wait_for("the name to be followed", FOLLOWED, || self.pbx().ok().filter(|pbx| pbx["target"] == *at))
    }
}

#[test]
fn calls_follow_a_name_and_one_that_runs_stays_where_it_is() -> Result<()> {
    let plan = Plan::loopback()?;
    let resolver = resolver(&plan.ground);
    let mut dns = Dns::start(&plan.ground, resolver, SRV, &host(&plan.ground, Who::Pbx, "one.pbx.test"))?;
    let mut exchange = plan.with_named_pbx("pbx.test", resolver).start()?;
    let pbx = exchange.pbx()?;
    assert_eq!((&pbx["names"]["resolved"], &pbx["answers"]), (&true.into(), &true.into()), "{pbx}");

    let first = exchange.callee(Who::Pbx, "uas", 1, &[])?;
    let long = exchange.caller(Who::Carrier, "uac", 1, &["-d", "15000"])?;
    let running = exchange.wait_for_calls(1)?.remove(0);
    dns.set_hosts(&host(&exchange.ground, Who::Spare, "one.pbx.test"))?;
    exchange.wait_for_pbx_at(Who::Spare)?;
    assert_eq!(exchange.calls()?[0]["id"], running["id"], "it runs on");

    exchange.lines.push(Line::new(Who::Spare, Family::V4, Over::Udp));
    let second = exchange.callee(Who::Spare, "uas", 1, &[])?;
    let short = exchange.caller(Who::Carrier, "uac", 1, &["-p", "5070"])?;
    short.done(CALL)?;
    second.done(CALL)?;
    long.done(START)?;
    first.done(CALL)?;
    let records = exchange.assert_idle(2)?;
    assert!(records.iter().all(|record| record["status"] == 200), "{records:?}");
    Ok(())
}

#[test]
fn without_a_dns_server_the_daemon_starts_and_the_peer_comes_when_there_is_one() -> Result<()> {
    let plan = Plan::loopback()?;
    let (resolver, hosts) = (resolver(&plan.ground), host(&plan.ground, Who::Pbx, "one.pbx.test"));
    // Somebody who takes questions and says nothing.
    let silent = UdpSocket::bind(resolver).map_err(other)?;
    let start = Instant::now();
    let mut exchange = plan.with_named_pbx("pbx.test", resolver).start()?;
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "the start took {took:?}");
    let pbx = exchange.pbx()?;
    assert_eq!((&pbx["target"], &pbx["answers"]), (&Value::Null, &false.into()), "{pbx}");
    assert!(pbx["names"]["since"].is_string(), "{pbx}");
    let shown = exchange.operator.say(&["peers"])?.done()?;
    assert!(shown.contains("unresolved since 20"), "{shown}");
    exchange.daemon().wait_for_line("name not resolved", SOON)?;

    drop(silent);
    let _dns = Dns::start(&exchange.ground, resolver, SRV, &hosts)?;
    let pbx = exchange.wait_for_pbx_at(Who::Pbx)?;
    assert_eq!((&pbx["names"]["resolved"], &pbx["answers"]), (&true.into(), &true.into()), "{pbx}");
    exchange.call("uac", "uas")?;
    exchange.assert_idle(1).map(drop)
}

#[test]
fn a_dns_server_that_goes_leaves_a_peer_where_it_was() -> Result<()> {
    let plan = Plan::loopback()?;
    let resolver = resolver(&plan.ground);
    let dns = Dns::start(&plan.ground, resolver, SRV, &host(&plan.ground, Who::Pbx, "one.pbx.test"))?;
    let mut exchange = plan.with_named_pbx("pbx.test", resolver).start()?;
    drop(dns);
    exchange.daemon().wait_for_line("name not resolved", FOLLOWED)?;
    let pbx = exchange.pbx()?;
    assert_eq!((&pbx["names"]["resolved"], &pbx["answers"]), (&false.into(), &true.into()), "{pbx}");
    exchange.call("uac", "uas")?;
    exchange.assert_idle(1).map(drop)
}

#[test]
fn a_target_that_takes_no_connection_is_followed_by_the_next() -> Result<()> {
    let plan = Plan::on(Ground::loopback()?, [(Family::V4, Over::Udp), (Family::V4, Over::Tcp)]);
    let resolver = resolver(&plan.ground);
    let hosts = host(&plan.ground, Who::Pbx, "one.pbx.test") + &host(&plan.ground, Who::Spare, "two.pbx.test");
    let _dns = Dns::start(&plan.ground, resolver, SRV_TCP, &hosts)?;
    let mut exchange = plan.with_named_pbx("pbx.test", resolver).start()?;
    exchange.wait_for_pbx_at(Who::Pbx)?;
    exchange.lines.push(Line::new(Who::Spare, Family::V4, Over::Tcp));
    let spare = exchange.callee(Who::Spare, "uas", 1, &[])?;
    let carrier = exchange.caller(Who::Carrier, "uac", 1, &[])?;
    carrier.done(CALL)?;
    spare.done(CALL)?;
    exchange.wait_for_pbx_at(Who::Spare)?;
    exchange.daemon().wait_for_line("target does not answer", SOON)?;
    let records = exchange.assert_idle(1)?;
    assert_eq!((&records[0]["status"], &records[0]["callee"]["peer"]), (&200.into(), &"pbx".into()), "{}", records[0]);
    Ok(())
}

#[test]
fn check_says_where_names_lead_and_that_one_leads_nowhere() -> Result<()> {
    let plan = Plan::loopback()?;
    let resolver = resolver(&plan.ground);
    let at = plan.ground.theirs(Who::Pbx, Family::V4);
    let mut dns = Dns::start(&plan.ground, resolver, SRV, &host(&plan.ground, Who::Pbx, "one.pbx.test"))?;
    let exchange = plan.with_named_pbx("pbx.test", resolver).start()?;
    let config = exchange.operator.config();
    let check = || exchange.operator.say(&["check", "--config", &config.to_string_lossy()])?.done();
    let said = check()?;
    assert!(said.contains(&format!("pbx.test (udp) is {at}:5060")), "{said}");
    dns.set_hosts("")?;
    wait_for("the name to be gone", SOON, || {
        check().ok().filter(|said| said.contains("warning         pbx.test (udp) does not resolve now: "))
    })?;
    Ok(())
}

mod privileged {
    use super::*;

    #[test]
    fn a_name_with_addresses_of_both_versions_is_followed_over_the_one_that_is_listened_at() -> Result<()> {
        let plan = Plan::on(Ground::lab()?, [(Family::V4, Over::Udp), (Family::V6, Over::Udp)]);
        let (resolver, name) = (resolver(&plan.ground), "one.pbx.test");
        let hosts = Family::ALL.map(|family| format!("{} {name}\n", plan.ground.theirs(Who::Pbx, family))).concat();
        let _dns = Dns::start(&plan.ground, resolver, SRV, &hosts)?;
        let exchange = plan.with_named_pbx("pbx.test", resolver).start()?;
        let pbx = exchange.wait_for_pbx_at(Who::Pbx)?;
        assert_eq!((&pbx["names"]["resolved"], &pbx["answers"]), (&true.into(), &true.into()), "{pbx}");
        exchange.call("uac", "uas")?;
        exchange.call("uac_hold", "uas_hold")?;
        let records = exchange.assert_idle(2)?;
        assert!(records.iter().all(|record| record["status"] == 200), "{records:?}");
        Ok(())
    }
}
