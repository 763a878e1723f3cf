//! How good a supervisor's voice is to a listener, over a clean network and over a bad one.

use std::{thread, time::Duration};

use undertone_core::mixer::Mode;
use undertone_dataplane::PathChoice;
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    rtp::{
        Packet, Stream,
        netem::{Impairment, Jitter, Pick},
    },
    speech::{SAMPLE_RATE, decode_pcmu, encode_pcmu, pesq, say, similarity},
};

use super::{
    bed::{Bed, SOON},
    mixing::Scene,
};

/// What PESQ has to say of it over a clean network, at the least: once of so many times, for a busy machine holds senders up.
const CLEAN: f64 = 4.0;
const TRIES: u16 = 4;
/// What G.711 µ-law has for silence.
const SILENCE: u8 = 0xff;
const CALLER: u32 = 7;
const SUPERVISOR: u32 = 9;
/// Packets of the caller's before the supervisor speaks, and behind.
const AROUND: usize = 50;

impl Scene<'_> {
    /// The caller is silent while the supervisor says something over a network like this: what the agent hears.
    fn whisper(&self, words: &[i16], network: &Impairment, number: u16) -> Result<Vec<i16>> {
        let stream = |ssrc| Stream::pcmu(ssrc).starting_at(number, u32::from(number) * 160);
        let count = words.len() / 160 + 2 * AROUND;
        let silence = stream(CALLER).packets(&vec![SILENCE; count * 160]);
        let spoken = stream(SUPERVISOR);
        let sound = [&vec![0; AROUND * 160][..], words].concat();
        let schedule = network.apply(&spoken, &spoken.packets(&encode_pcmu(&sound)), 1)?.schedule;
        self.call.agent.take_received();
        thread::scope(|scope| {
            let caller = scope.spawn(|| self.call.caller.send_paced(&silence, spoken.ptime(), self.callers()));
            let supervisor = scope.spawn(|| self.supervisor.send_schedule(&schedule, self.at));
            [caller, supervisor].into_iter().try_for_each(|sender| sender.join().expect("a sender").map(drop))
        })?;
        let mut heard = wait_for("all that was said to be heard", SOON, || {
            let heard = self.call.agent.received();
            let heard: Vec<Packet> = heard.iter().filter_map(|packet| packet.packet().ok()).collect();
            (heard.len() >= count).then_some(heard)
        })?;
        heard.sort_by_key(|packet| packet.sequence.wrapping_sub(number));
        Ok(decode_pcmu(&heard.into_iter().flat_map(|packet| packet.payload).collect::<Vec<_>>()))
    }
}

/// The score of these words, where they are in what was heard, against what G.711 had made of them on their way to us.
fn score(words: &[i16], heard: &[i16]) -> Result<f64> {
    let words = decode_pcmu(&encode_pcmu(words));
    let found = similarity(&words, heard, heard.len());
    let begin = found.lag.clamp(0, heard.len().saturating_sub(words.len()) as isize) as usize;
    pesq(&words, &heard[begin..heard.len().min(begin + words.len())])
}

mod privileged {
    use super::*;

    #[test]
    fn a_whisper_is_clear_and_what_a_bad_network_makes_of_it_is_told() -> Result<()> {
        let bed = Bed::new(PathChoice::Sockets)?;
        let scene = Scene::new(&bed, Family::V4, 20_000)?;
        scene.set_mode(Mode::WhisperToAgent)?;
        let words = say("en-us+f3", "Offer them the voucher. They have been waiting for more than an hour.")?;
        assert!(words.len() > 3 * SAMPLE_RATE as usize);
        let lossy = Impairment { loss: Pick::Chance(0.05), ..Impairment::default() };
        let bad = Impairment { jitter: Jitter::Uniform(Duration::from_millis(40)), ..lossy.clone() };
        let scored = |network: &Impairment, turn: u16| score(&words, &scene.whisper(&words, network, 1_000 * turn)?);
        let (lossy, bad) = (scored(&lossy, 0)?, scored(&bad, 1)?);
        let mut clean: f64 = 0.0;
        for turn in 2..2 + TRIES {
            clean = clean.max(scored(&Impairment::default(), turn)?);
            if clean >= CLEAN {
                break;
            }
        }
        println!(
            "PESQ (MOS-LQO) of a supervisor: {clean:.2} over a clean network, {lossy:.2} with 5 % lost, {bad:.2} with 40 ms \
             of jitter, too"
        );
        assert!(clean >= CLEAN, "{clean}");
        Ok(())
    }
}
