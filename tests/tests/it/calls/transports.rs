//! The same call over other transports and IP versions, and from one to another.

use undertone_tests::{Result, lab::Family};

use super::{
    exchange::{Over, Plan},
    ground::Ground,
};

fn check(ground: Ground, lines: [(Family, Over); 2]) -> Result<()> {
    let exchange = Plan::on(ground, lines).start()?;
    exchange.call("uac", "uas")?;
    exchange.call("uac_hold", "uas_hold")?;
    exchange.assert_idle(2).map(drop)
}

#[test]
fn tcp_on_both_sides() -> Result<()> {
    check(Ground::loopback()?, [(Family::V4, Over::Tcp); 2])
}

#[test]
fn from_udp_to_tcp() -> Result<()> {
    check(Ground::loopback()?, [(Family::V4, Over::Udp), (Family::V4, Over::Tcp)])
}

#[test]
fn from_tcp_to_udp() -> Result<()> {
    check(Ground::loopback()?, [(Family::V4, Over::Tcp), (Family::V4, Over::Udp)])
}

mod privileged {
    use super::*;

    #[test]
    fn ipv6_on_both_sides() -> Result<()> {
        check(Ground::lab()?, [(Family::V6, Over::Udp); 2])
    }

    #[test]
    fn from_ipv4_to_ipv6() -> Result<()> {
        check(Ground::lab()?, [(Family::V4, Over::Udp), (Family::V6, Over::Udp)])
    }

    #[test]
    fn from_ipv6_and_tcp_to_ipv4_and_udp() -> Result<()> {
        check(Ground::lab()?, [(Family::V6, Over::Tcp), (Family::V4, Over::Udp)])
    }
}
