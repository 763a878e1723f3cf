//! What telephones say to each other through the daemon is heard.

use std::time::Duration;

use undertone_tests::{
    Result,
    lab::Family,
    speech::{SAMPLE_RATE, say, similarity},
};

use super::{
    exchange::{Exchange, Over, Plan},
    ground::{Ground, Who},
};

/// How alike what is heard has to be to what was said, with G.711 and real time between them.
const ALIKE: f64 = 0.95;
/// Silence around what is said: before, for media to be set up; behind, so that it does not end first.
const BEFORE: usize = SAMPLE_RATE as usize;
const BEHIND: usize = 30 * SAMPLE_RATE as usize;

/// A call between two telephones, in which both hear what the other says.
pub(super) fn converse(exchange: &Exchange, more: [&str; 2]) -> Result<()> {
    let said = [
        say("en-gb", "Good morning, this is the carrier. Your parcel will arrive tomorrow.")?,
        say("en-us+f3", "Thank you for calling. We are looking forward to it very much.")?,
    ];
    let padded = said.each_ref().map(|said| [vec![0; BEFORE], said.clone(), vec![0; BEHIND]].concat());
    let mut pbx = exchange.phone(Who::Pbx, &padded[1], more[1])?;
    let mut carrier = exchange.phone(Who::Carrier, &padded[0], more[0])?;
    carrier.call(&exchange.extension(Who::Carrier))?;
    carrier.established()?;
    pbx.established()?;
    let calls = exchange.wait_for_calls(1)?;
    assert_eq!(calls[0]["streams"].as_array().map(Vec::len), Some(2), "{}", calls[0]);
    let longest = said.iter().map(Vec::len).max().unwrap_or_default() + BEFORE + SAMPLE_RATE as usize;
    let length = Duration::from_secs_f64(longest as f64 / f64::from(SAMPLE_RATE));
    for phone in [&carrier, &pbx] {
        phone.wait_for_recording(length)?;
    }
    carrier.hang_up()?;
    let heard = [pbx.heard()?, carrier.heard()?];
    for ((said, heard), who) in said.iter().zip(&heard).zip(["the carrier", "the PBX"]) {
        let found = similarity(said, heard, heard.len());
        assert!(found.score > ALIKE, "what {who} says: {found:?}");
    }
    Ok(())
}

#[test]
fn both_parties_of_a_call_hear_what_the_other_says() -> Result<()> {
    let exchange = Plan::loopback()?.start()?;
    converse(&exchange, [""; 2])?;
    let records = exchange.assert_idle(1)?;
    let streams = records[0]["streams"].as_array().cloned().unwrap_or_default();
    assert!(streams.len() == 2 && streams.iter().all(|it| it["packets"].as_u64() > Some(100)), "{}", records[0]);
    Ok(())
}

mod privileged {
    use super::*;

    #[test]
    fn both_parties_hear_each_other_over_xdp_and_ipv4() -> Result<()> {
        over_xdp([Family::V4; 2])
    }

    #[test]
    fn both_parties_hear_each_other_over_xdp_and_ipv6() -> Result<()> {
        over_xdp([Family::V6; 2])
    }

    #[test]
    fn both_parties_hear_each_other_from_ipv4_to_ipv6() -> Result<()> {
        over_xdp([Family::V4, Family::V6])
    }

    fn over_xdp(families: [Family; 2]) -> Result<()> {
        let exchange = Plan::on(Ground::lab()?, families.map(|family| (family, Over::Udp))).start()?;
        converse(&exchange, [""; 2])?;
        exchange.assert_idle(1).map(drop)
    }
}
