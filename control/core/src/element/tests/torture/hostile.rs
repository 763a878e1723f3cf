//! Cut and flipped messages, alone and in the middle of a call: nothing panics, what the element sends can be read, and
//! calls go on being made.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::*;
use crate::call::{CallId, Cause};

/// Flipped messages that each of the tests below takes in.
const FLIPS_ALONE: usize = 17_000;
const FLIPS_WITHIN_CALLS: usize = 3_000;

/// Messages of one bench, so that its calls and transactions are many at once, and not too many.
const AT_ONCE: usize = 500;

/// What peers send in the course of a call with everything in it, in order.
fn script() -> Vec<(&'static str, Vec<u8>)> {
    let mut bench = Bench::new();
    let mut script = Vec::new();
    let mut send = |bench: &mut Bench, from: &'static str, message: Vec<u8>| {
        bench.send(from, &message);
        script.push((from, message));
    };
    send(&mut bench, CARRIER, invite("1").with("Supported: 100rel").text().into());
    let asked = bench.request(PBX);
    let ringing =
        Answer::new(183).with("Contact", format!("<sip:party@{PBX}>")).with("Require", "100rel").with("RSeq", "1");
    send(&mut bench, PBX, with_body(&asked.answer(&ringing, "bob"), &sdp("203.0.113.7:6000")));
    let early = bench.response(CARRIER);
    send(&mut bench, CARRIER, calls::within("PRACK", "p", 2, &early).with("RAck: 1 1 INVITE").text().into());
    let prack = bench.request(PBX);
    send(&mut bench, PBX, reply(&prack, 200, "bob", PBX, ""));
    send(&mut bench, PBX, reply(&asked, 200, "bob", PBX, ""));
    bench.heard(CARRIER);
    send(&mut bench, CARRIER, calls::within("ACK", "a", 1, &early).text().into());
    bench.heard(PBX);
    let hold = Draft { body: sdp("198.51.100.7:4000") + "a=sendonly\r\n", ..calls::within("INVITE", "h", 3, &early) };
    send(&mut bench, CARRIER, hold.text().into());
    let held = bench.request(PBX);
    send(&mut bench, PBX, reply(&held, 200, "bob", PBX, &(sdp("203.0.113.7:6000") + "a=recvonly\r\n")));
    send(&mut bench, CARRIER, calls::within("ACK", "ha", 3, &early).text().into());
    bench.heard(CARRIER);
    send(&mut bench, PBX, calls::from_pbx("BYE", "b", 1, &early).text().into());
    let bye = bench.request(CARRIER);
    send(&mut bench, CARRIER, reply(&bye, 200, "ann", CARRIER, ""));
    bench.assert_idle();
    assert_eq!(bench.records.len(), 1);
    script
}

fn with_body(response: &[u8], body: &str) -> Vec<u8> {
    let Ok(Message::Response(mut response)) = Message::parse(response) else { panic!("a response") };
    response.set_header("Content-Type", "application/sdp");
    response.set_body(body.as_bytes().to_vec());
    response.to_bytes().to_vec()
}

/// One bit of it is another, or two or three.
fn flipped(message: &[u8], dice: &mut ChaCha8Rng) -> Vec<u8> {
    let mut flipped = message.to_vec();
    for _ in 0..=dice.next_u64() % 3 {
        let bit = dice.next_u64() as usize % (message.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
    flipped
}

/// A call can still be made, and in the end nothing is left.
fn assert_well(bench: &mut Bench) {
    end_calls(bench);
    bench.wait(Duration::from_secs(70));
    bench.sent.clear();
    calls::call_up(bench);
    end_calls(bench);
    bench.assert_idle();
}

fn end_calls(bench: &mut Bench) {
    let calls: Vec<CallId> = bench.element.calls().map(|call| call.id).collect();
    for call in calls {
        bench.element.end_call(bench.now, call, Cause::by_us(480, "The End"));
    }
    bench.drain();
}

#[test]
fn a_message_cut_anywhere_does_no_harm() {
    let torture = table().into_iter().map(|(_, message, _)| (CARRIER, message));
    for (from, message) in torture.chain(script()) {
        let mut bench = Bench::new();
        for length in 0..message.len() {
            bench.send(from, &message[..length]);
        }
        assert_well(&mut bench);
    }
}

#[test]
fn flipped_bits_do_no_harm() {
    let mut dice = ChaCha8Rng::seed_from_u64(4475);
    let script = script();
    let torture: Vec<_> = table().into_iter().map(|(_, message, _)| (CARRIER, message)).chain(script).collect();
    for _ in 0..FLIPS_ALONE / AT_ONCE {
        let mut bench = Bench::new();
        for _ in 0..AT_ONCE {
            let (from, message) = &torture[dice.next_u64() as usize % torture.len()];
            bench.send(from, flipped(message, &mut dice));
        }
        assert_well(&mut bench);
    }
}

#[test]
fn flipped_bits_in_the_middle_of_a_call_do_no_harm() {
    let mut dice = ChaCha8Rng::seed_from_u64(3261);
    let script = script();
    for round in 0..FLIPS_WITHIN_CALLS {
        let mut bench = Bench::new();
        let wrong = round % script.len();
        for (index, (from, message)) in script.iter().enumerate() {
            if index == wrong {
                bench.send(from, flipped(message, &mut dice));
                // Sometimes what was meant comes after it, as if it were a repetition.
                if dice.next_u64() % 2 == 0 {
                    continue;
                }
            }
            bench.send(from, message);
        }
        assert_well(&mut bench);
    }
}
