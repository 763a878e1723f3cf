//! How good is what people hear while a supervisor whispers, to a listener.

use std::time::Duration;

use undertone_core::mixer::Mode;
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    phone::{Codec, Phone},
    speech::{SAMPLE_RATE, decode_pcmu, encode_pcmu, pesq, say, similarity},
};

use super::{
    exchange::{Over, Plan},
    ground::Ground,
    monitor::Floor,
};

/// What PESQ has to say, at the least, of a stream that nobody speaks into; and of a supervisor's voice in another one.
/// Against what the speaker's telephone has sent: what G.711 makes of words is none of our doing.
const STRAIGHT: f64 = 4.4;
const WHISPERED: f64 = 4.0;
/// Between two times that somebody says the same.
const PAUSE: usize = SAMPLE_RATE as usize;
const TIMES: usize = 20;
/// A busy machine takes a telephone's time now and then; of so many times, one has to be as good.
const TRIES: usize = 6;

/// The agent speaks, and the supervisor; the caller listens.
fn a_whisper_is_as_good_as_a_telephone(plan: Plan) -> Result<()> {
    let agents = say("en-gb", "The ferry leaves on Friday at noon. Shall I reserve a cabin?")?;
    let supervisors = say("en-us+f3", "Offer them the voucher. They have been waiting for an hour.")?;
    let again_and_again = |words: &[i16]| [words, &[0; PAUSE]].concat().repeat(TIMES);
    let silence = vec![0; TIMES * (agents.len() + PAUSE)];
    let said = [again_and_again(&agents), silence, again_and_again(&supervisors)];
    let mut floor = Floor::speaking(plan, [Codec::Pcmu; 2], said)?;
    floor.dial("007100")?;
    floor.supervisor.established()?;
    floor.session("up")?;
    floor.supervisor.press("*83")?;
    floor.session_in(Mode::WhisperToAgent)?;
    let from = [&floor.caller, &floor.agent].map(Phone::heard_so_far);
    let [from_caller, from_agent] = from.map(|heard| heard.map(|heard| heard.len()));
    let straight = score(&floor.caller, from_caller?, &agents, STRAIGHT)?;
    let whispered = score(&floor.agent, from_agent?, &supervisors, WHISPERED)?;
    println!("PESQ (MOS-LQO): the agent at the caller {straight:.2}, the supervisor at the agent {whispered:.2}");
    assert!(straight >= STRAIGHT, "the caller hears the agent at {straight:.2}");
    assert!(whispered >= WHISPERED, "the agent hears the supervisor at {whispered:.2}");
    Ok(())
}

/// The score of what a telephone hears of these words from a sample on: of the first time that it is enough, or the best.
fn score(phone: &Phone, mut from: usize, words: &[i16], enough: f64) -> Result<f64> {
    let words = decode_pcmu(&encode_pcmu(words));
    let window = 2 * words.len() + PAUSE;
    let mut best: f64 = 0.0;
    for _ in 0..TRIES {
        let heard = wait_for("the telephone to hear more", Duration::from_secs(30), || {
            phone.heard_so_far().ok().filter(|heard| heard.len() >= from + window)
        })?;
        let heard = &heard[from..from + window];
        let found = similarity(&words, heard, heard.len());
        let begin = found.lag.clamp(0, (window - words.len()) as isize) as usize;
        best = best.max(pesq(&words, &heard[begin..begin + words.len()])?);
        if best >= enough {
            break;
        }
        from += window;
    }
    Ok(best)
}

#[test]
fn a_whisper_is_as_good_as_a_telephone_without_privilege() -> Result<()> {
    a_whisper_is_as_good_as_a_telephone(Plan::loopback()?)
}

mod privileged {
    use super::*;

    #[test]
    fn a_whisper_is_as_good_as_a_telephone_over_xdp() -> Result<()> {
        a_whisper_is_as_good_as_a_telephone(Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]))
    }
}
