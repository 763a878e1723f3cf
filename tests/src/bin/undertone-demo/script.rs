//! Who says what, and when.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use undertone_tests::speech::{SAMPLE_RATE, say};

use super::interrupt::Interrupt;

/// Samples in a packet of 20 ms.
pub(crate) const FRAME: usize = 160;

/// Silence before the first word and behind the last one.
const MARGIN_MS: i32 = 300;

/// One of the two who talk.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Party {
    Caller,
    Agent,
}

use Party::{Agent, Caller};

/// The call over IPv4, and the one over IPv6.
const CONVERSATIONS: [&[Turn]; 2] = [
    &[
        Turn(Agent, 0, "Harbour Ferries, Sam speaking."),
        Turn(Caller, 0, "Hi Sam. Can I move my crossing to Friday?"),
        Turn(Agent, -250, "Of course. At nine, or at noon?"),
        Turn(Caller, 100, "At noon, please."),
        Turn(Agent, -350, "Noon it is."),
        Turn(Caller, 0, "Lovely, thank you."),
    ],
    &[
        Turn(Agent, 0, "Harbour Ferries, Sam again."),
        Turn(Caller, -200, "It's me again. May I bring a bicycle?"),
        Turn(Agent, 0, "You may. Bicycles travel free of charge."),
        Turn(Caller, -700, "Oh, perfect. See you on Friday, then."),
        Turn(Agent, -250, "Have a good trip."),
    ],
];

/// Who speaks, how many milliseconds after everybody has ended (before, if negative), and what.
struct Turn(Party, i32, &'static str);

/// One call's conversation.
pub(crate) struct Scene {
    /// What each party's microphone hears: as long as the call, in whole frames.
    tracks: [Vec<i16>; 2],
    /// What is said, by when it begins.
    pub(crate) lines: Vec<Line>,
}

/// Something that one party says.
pub(crate) struct Line {
    pub(crate) party: Party,
    /// The frame in which it begins.
    pub(crate) frame: usize,
    /// How many samples it has.
    pub(crate) length: usize,
    pub(crate) words: &'static str,
}

impl Party {
    pub(crate) const BOTH: [Self; 2] = [Caller, Agent];

    pub(crate) const fn other(self) -> Self {
        match self {
            Caller => Agent,
            Agent => Caller,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Caller => "caller",
            Agent => "agent",
        }
    }

    /// Its voice, of espeak-ng.
    pub(crate) const fn voice(self) -> &'static str {
        match self {
            Caller => "en-us+f3",
            Agent => "en-gb",
        }
    }

    /// Its place wherever both stand side by side.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}

impl Scene {
    /// All conversations, spoken; cut or repeated to this many seconds.
    pub(crate) fn all(seconds: Option<u16>, interrupt: &Interrupt) -> Result<Vec<Self>> {
        let spoken = CONVERSATIONS.iter().map(|turns| Self::spoken(turns, interrupt));
        let lasting = |scene: Self| match seconds {
            Some(seconds) => scene.lasting(usize::from(seconds) * SAMPLE_RATE as usize / FRAME),
            None => scene,
        };
        spoken.map(|scene| scene.map(lasting)).collect()
    }

    /// What this party says, with its silences.
    pub(crate) fn track(&self, party: Party) -> &[i16] {
        &self.tracks[party.index()]
    }

    /// What this party says without its silences, each with the frame in which it begins; of what was cut, what is left.
    pub(crate) fn said(&self, party: Party) -> impl Iterator<Item = (usize, &[i16])> {
        let track = self.track(party);
        self.lines.iter().filter(move |line| line.party == party).map(move |line| {
            let begin = line.frame * FRAME;
            (line.frame, &track[begin..track.len().min(begin + line.length)])
        })
    }

    /// How many packets hold what each party says.
    pub(crate) fn frames(&self) -> usize {
        self.tracks[0].len() / FRAME
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.tracks[0].len() as f64 / f64::from(SAMPLE_RATE)
    }

    fn spoken(turns: &[Turn], interrupt: &Interrupt) -> Result<Self> {
        let voiced = turns.iter().map(|Turn(party, _, words)| {
            interrupt.check()?;
            let voiced = say(party.voice(), words);
            Ok((*words, voiced.context("the call needs voices; `cargo xtask setup` installs what makes them")?))
        });
        let voiced: HashMap<_, _> = voiced.collect::<Result<_>>()?;
        Ok(Self::arranged(turns, |words| &voiced[words]))
    }

    /// Puts what is said in its place.
    fn arranged<'voiced>(turns: &[Turn], voiced: impl Fn(&str) -> &'voiced [i16]) -> Self {
        let mut scene = Self { tracks: [vec![], vec![]], lines: vec![] };
        scene.pad(samples(MARGIN_MS));
        for Turn(party, pause_ms, words) in turns {
            let end = scene.tracks.iter().map(Vec::len).max().unwrap_or(0);
            let start = end.saturating_add_signed(samples(*pause_ms));
            let track = &mut scene.tracks[party.index()];
            // Nobody interrupts themselves.
            track.resize(start.max(track.len()), 0);
            let voiced = voiced(words);
            scene.lines.push(Line { party: *party, frame: track.len() / FRAME, length: voiced.len(), words });
            track.extend_from_slice(voiced);
        }
        scene.pad(samples(MARGIN_MS));
        scene
    }

    /// Makes both tracks as long as the longer one and this many samples more, rounded up to whole frames.
    fn pad(&mut self, by: isize) {
        let end = self.tracks.iter().map(Vec::len).max().unwrap_or(0);
        let length = end.saturating_add_signed(by).next_multiple_of(FRAME);
        self.tracks.iter_mut().for_each(|track| track.resize(length, 0));
    }

    fn lasting(self, frames: usize) -> Self {
        let round = self.frames();
        let rounds = 0..frames.div_ceil(round);
        let again = |line: &Line, turn: usize| Line { frame: line.frame + turn * round, ..*line };
        let lines = rounds.flat_map(|turn| self.lines.iter().map(move |line| again(line, turn)));
        Self {
            lines: lines.filter(|line| line.frame < frames).collect(),
            tracks: self.tracks.each_ref().map(|track| track.iter().copied().cycle().take(frames * FRAME).collect()),
        }
    }
}

const fn samples(ms: i32) -> isize {
    ms as isize * SAMPLE_RATE as isize / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every turn is said in two seconds.
    fn scene(turns: &[Turn]) -> Scene {
        let voiced = vec![1000; 16_000];
        Scene::arranged(turns, |_| &voiced)
    }

    #[test]
    fn turns_follow_each_other_and_may_overlap() {
        let scene = scene(&[Turn(Agent, 0, "one"), Turn(Caller, 100, "two"), Turn(Agent, -500, "three")]);
        let begins: Vec<_> = scene.lines.iter().map(|line| (line.party, line.frame * 20)).collect();
        assert_eq!(begins, [(Agent, 300), (Caller, 2400), (Agent, 3900)]);
        assert_eq!(scene.tracks[0].len(), scene.tracks[1].len());
        assert!((scene.seconds() - 6.2).abs() < 0.02, "{}", scene.seconds());
    }

    #[test]
    fn what_is_said_is_found_again_also_when_it_was_cut() {
        let scene = scene(&[Turn(Agent, 0, "one"), Turn(Caller, 100, "two")]).lasting(200);
        let said: Vec<_> = Party::BOTH.iter().flat_map(|party| scene.said(*party)).collect();
        assert_eq!(
            said.iter().map(|(frame, said)| (*frame, said.len())).collect::<Vec<_>>(),
            [(120, 12_800), (15, 16_000)]
        );
        assert!(said.iter().all(|(_, said)| said.iter().all(|sample| *sample == 1000)));
    }

    #[test]
    fn nobody_interrupts_themselves() {
        let scene = scene(&[Turn(Agent, 0, "one"), Turn(Agent, -500, "two")]);
        assert_eq!(scene.lines[1].frame * 20, 2300);
    }

    #[test]
    fn a_scene_is_cut_or_repeated() {
        let short = || scene(&[Turn(Agent, 0, "one"), Turn(Caller, 0, "two")]);
        let round = short().frames();
        let cut = short().lasting(100);
        assert_eq!((cut.frames(), cut.lines.len()), (100, 1));
        let long = short().lasting(2 * round + 50);
        assert_eq!((long.frames(), long.lines.len()), (2 * round + 50, 5));
        assert_eq!(long.track(Agent)[..FRAME * 50], long.track(Agent)[FRAME * 2 * round..]);
    }
}
