//! Who says what, and when, and what the supervisor does meanwhile.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use undertone_core::mixer::{Mode, Person};
use undertone_tests::speech::{SAMPLE_RATE, say};

use super::interrupt::Interrupt;

use Person::{Agent, Caller, Supervisor};

/// Samples of 20 ms.
pub(crate) const FRAME: usize = 160;

/// Everybody, in the order in which everything is told.
pub(crate) const PEOPLE: [Person; 3] = [Caller, Agent, Supervisor];

/// Silence at the beginning of an act: dialling, pressing three keys, and the change itself take a moment.
const OPENING: usize = ms(1_200);
/// Silence between what is said, and at the end of an act.
const PAUSE: usize = ms(250);
/// Between the supervisor's dialling and the first sample of their telephone.
const DIALLING: usize = ms(300);

/// The story. In each act a supervisor who has dialled speaks last, when nobody else does.
const STORY: [Part; 7] = [
    Part {
        mode: None,
        deed: Deed::Talk,
        turns: &[(Agent, "Harbour Ferries, Sam speaking."), (Caller, "Hi Sam. Can I move my crossing to Friday?")],
    },
    Part {
        mode: Some(Mode::Listen),
        deed: Deed::Dial("007100"),
        turns: &[
            (Agent, "Of course. Which one is it?"),
            (Caller, "The ferry at nine, with a car."),
            (Supervisor, "I only listen. Nobody hears me."),
        ],
    },
    Part {
        mode: Some(Mode::WhisperToAgent),
        deed: Deed::Press("*83"),
        turns: &[
            (Caller, "Is there room for a car?"),
            (Agent, "One moment, I am looking."),
            (Supervisor, "Sam, Friday at noon still has room."),
        ],
    },
    Part {
        mode: Some(Mode::Barge),
        deed: Deed::Press("*82"),
        turns: &[
            (Agent, "There is room on Friday at noon."),
            (Caller, "Lovely. Does it cost more?"),
            (Supervisor, "This is Ann. No, it does not."),
        ],
    },
    Part {
        mode: Some(Mode::WhisperToCaller),
        deed: Deed::Press("*81"),
        turns: &[
            (Caller, "Thank you, Ann."),
            (Agent, "I will book it for you."),
            (Supervisor, "And ask Sam for a voucher."),
        ],
    },
    Part {
        mode: Some(Mode::Listen),
        deed: Deed::Press("*80"),
        turns: &[
            (Agent, "Noon it is. Anything else?"),
            (Caller, "Could I have a voucher?"),
            (Supervisor, "Nobody hears me any more."),
        ],
    },
    Part {
        mode: None,
        deed: Deed::HangUp,
        turns: &[(Agent, "There you are. Have a good trip!"), (Caller, "Thank you, goodbye.")],
    },
];

/// An act as it is written.
struct Part {
    mode: Option<Mode>,
    deed: Deed,
    turns: &'static [(Person, &'static str)],
}

/// What begins an act.
#[derive(Clone, Copy)]
pub(crate) enum Deed {
    /// The parties are connected, and talk.
    Talk,
    /// The supervisor calls this number.
    Dial(&'static str),
    /// The supervisor presses these keys.
    Press(&'static str),
    /// The supervisor hangs up.
    HangUp,
}

/// A part of the call in which the supervisor is in one mode, or is not there.
pub(crate) struct Act {
    pub(crate) mode: Option<Mode>,
    pub(crate) deed: Deed,
    /// The sample of the call at which it begins.
    pub(crate) begin: usize,
}

/// Something that one person says.
pub(crate) struct Line {
    pub(crate) person: Person,
    /// The number of its act.
    pub(crate) act: usize,
    /// The sample of the call at which it begins.
    pub(crate) begin: usize,
    pub(crate) words: &'static str,
    pub(crate) speech: Vec<i16>,
}

/// The whole call, spoken.
pub(crate) struct Scene {
    pub(crate) acts: Vec<Act>,
    /// What is said, by when it begins.
    pub(crate) lines: Vec<Line>,
    /// How long the call is, in samples.
    pub(crate) length: usize,
}

impl Deed {
    /// What the supervisor does to the telephone.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Talk => "",
            Self::Dial(keys) | Self::Press(keys) => keys,
            Self::HangUp => "hangs up",
        }
    }
}

impl Act {
    /// Whether `listener` is to hear `speaker`; none if the listener is not there.
    pub(crate) fn hears(&self, listener: Person, speaker: Person) -> Option<bool> {
        match self.mode {
            Some(mode) => Some(mode.hears(listener, speaker)),
            None if listener == Supervisor => None,
            // Without a supervisor the parties hear each other, as they do with one.
            None => Some(speaker != Supervisor && Mode::Listen.hears(listener, speaker)),
        }
    }

    /// Its name in what people read.
    pub(crate) fn name(&self) -> &'static str {
        match self.mode {
            None => "no supervisor",
            Some(Mode::Listen) => "listen",
            Some(Mode::WhisperToAgent) => "whisper to the agent",
            Some(Mode::WhisperToCaller) => "whisper to the caller",
            Some(Mode::Barge) => "barge",
        }
    }
}

impl Scene {
    /// Lets everybody's voice say what they say.
    pub(crate) fn speak(interrupt: &Interrupt) -> Result<Self> {
        let turns = STORY.iter().flat_map(|part| part.turns);
        let voiced = turns.map(|(person, words)| {
            interrupt.check()?;
            let voiced = say(voice(*person), words);
            Ok((*words, voiced.context("the call needs voices; `cargo xtask setup` installs what makes them")?))
        });
        let mut voiced: HashMap<_, _> = voiced.collect::<Result<_>>()?;
        Ok(Self::arranged(&STORY, |words| voiced.remove(words).unwrap_or_default()))
    }

    /// The story, told by these voices.
    #[cfg(test)]
    pub(crate) fn told_by(voiced: impl FnMut(&str) -> Vec<i16>) -> Self {
        Self::arranged(&STORY, voiced)
    }

    /// Puts what is said in its place.
    fn arranged(story: &[Part], mut voiced: impl FnMut(&str) -> Vec<i16>) -> Self {
        let mut scene = Self { acts: vec![], lines: vec![], length: 0 };
        for (number, Part { mode, deed, turns }) in story.iter().enumerate() {
            scene.acts.push(Act { mode: *mode, deed: *deed, begin: scene.length });
            scene.length += OPENING;
            for (person, words) in *turns {
                let speech = voiced(words);
                let end = (scene.length + speech.len() + PAUSE).next_multiple_of(FRAME);
                scene.lines.push(Line { person: *person, act: number, begin: scene.length, words, speech });
                scene.length = end;
            }
        }
        scene
    }

    /// What a person's telephone says from its first sample on, all its silences with it.
    pub(crate) fn track(&self, person: Person) -> Vec<i16> {
        let start = self.start(person);
        let mut track = vec![0; self.length - start];
        for line in self.lines.iter().filter(|line| line.person == person) {
            track[line.begin - start..][..line.speech.len()].copy_from_slice(&line.speech);
        }
        track
    }

    /// The sample of the call at which a person's telephone is to be connected.
    pub(crate) fn start(&self, person: Person) -> usize {
        let dials = |act: &&Act| matches!(act.deed, Deed::Dial(_));
        match person {
            Supervisor => self.acts.iter().find(dials).map_or(0, |act| act.begin + DIALLING),
            Caller | Agent => 0,
        }
    }

    /// Where an act ends.
    pub(crate) fn end(&self, act: usize) -> usize {
        self.acts.get(act + 1).map_or(self.length, |next| next.begin)
    }

    /// How many frames the call has.
    pub(crate) const fn frames(&self) -> usize {
        self.length / FRAME
    }
}

/// A person in what people read.
pub(crate) const fn name(person: Person) -> &'static str {
    match person {
        Caller => "caller",
        Agent => "agent",
        Supervisor => "supervisor",
    }
}

/// A person's voice, of espeak-ng.
pub(crate) const fn voice(person: Person) -> &'static str {
    match person {
        Caller => "en-us+f3",
        Agent => "en-gb",
        Supervisor => "en-gb-scotland+f4",
    }
}

/// A person's place wherever all stand side by side, as in [`PEOPLE`].
pub(crate) const fn index(person: Person) -> usize {
    match person {
        Caller => 0,
        Agent => 1,
        Supervisor => 2,
    }
}

/// The party that a party speaks with.
pub(crate) const fn other(party: Person) -> Person {
    match party {
        Caller => Agent,
        Agent | Supervisor => Caller,
    }
}

/// How long so many samples last, in seconds.
pub(crate) fn seconds(samples: usize) -> f64 {
    samples as f64 / f64::from(SAMPLE_RATE)
}

/// How many samples so many milliseconds have.
pub(crate) const fn ms(ms: usize) -> usize {
    ms * SAMPLE_RATE as usize / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything is said in two seconds.
    fn scene() -> Scene {
        Scene::told_by(|_| vec![1000; ms(2_000)])
    }

    #[test]
    fn nobody_speaks_while_another_does() {
        let scene = scene();
        for pair in scene.lines.windows(2) {
            assert!(pair[0].begin + pair[0].speech.len() + PAUSE <= pair[1].begin);
        }
    }

    #[test]
    fn the_supervisor_speaks_in_each_mode_and_not_without_one() {
        for (number, act) in scene().acts.iter().enumerate() {
            let scene = scene();
            let of = |person| scene.lines.iter().filter(|line| line.act == number && line.person == person).count();
            assert_eq!(PEOPLE.map(of), [1, 1, usize::from(act.mode.is_some())]);
        }
    }

    #[test]
    fn a_track_has_what_its_person_says_where_it_is_said() {
        let scene = scene();
        for person in PEOPLE {
            let (track, start) = (scene.track(person), scene.start(person));
            assert_eq!(start + track.len(), scene.length);
            let said = track.iter().filter(|sample| **sample != 0).count();
            let lines: Vec<_> = scene.lines.iter().filter(|line| line.person == person).collect();
            assert_eq!(said, lines.len() * ms(2_000));
            assert!(lines.iter().all(|line| track[line.begin - start] == 1000));
        }
    }

    #[test]
    fn acts_follow_each_other() {
        let scene = scene();
        assert_eq!(scene.acts[0].begin, 0);
        assert!((1..scene.acts.len()).all(|act| scene.end(act - 1) == scene.acts[act].begin));
        assert_eq!(scene.end(scene.acts.len() - 1), scene.length);
    }

    #[test]
    fn without_a_supervisor_nobody_hears_one() {
        let act = &scene().acts[0];
        assert_eq!([Caller, Agent].map(|listener| act.hears(listener, Supervisor)), [Some(false); 2]);
        assert_eq!((act.hears(Caller, Agent), act.hears(Supervisor, Agent)), (Some(true), None));
    }
}
