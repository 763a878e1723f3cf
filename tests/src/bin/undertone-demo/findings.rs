//! What is measured of a story: who heard whom, how well, and what became of the packets.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use undertone_core::mixer::Person;
use undertone_tests::rtp::Seen;

use super::{
    hearing::Heard,
    script::{Line, PEOPLE, Scene, index, name, other},
    story::Told,
};

/// How alike what was said and what a telephone recorded must be: between them are G.711, real time and a jitter buffer.
const ALIKE_MIN: f64 = 0.95;

/// How long after a change, and how long before the next one, packets are those of a mode.
const SETTLED: Duration = Duration::from_millis(500);
const BEFORE: Duration = Duration::from_millis(100);

/// Everything that was found.
pub(crate) struct Findings {
    /// Every sentence at everybody who was there.
    pub(crate) sentences: Vec<Sentence>,
    /// What each party received of the other one in each act.
    pub(crate) received: Vec<Received>,
    /// How long packets took from one party's interface to the other's, where one could look.
    pub(crate) latencies: Option<Latencies>,
}

/// A sentence at a listener.
pub(crate) struct Sentence {
    pub(crate) act: usize,
    pub(crate) speaker: Person,
    pub(crate) listener: Person,
    /// Whether the table says that it is heard.
    pub(crate) expected: bool,
    pub(crate) heard: Heard,
    pub(crate) length: usize,
}

/// What a party received of the other one in an act.
pub(crate) struct Received {
    pub(crate) act: usize,
    pub(crate) party: Person,
    /// Whether the table has the supervisor there.
    pub(crate) with_supervisor: bool,
    /// How alike the other party's sentence is to what was said, wave by wave: 1 is the same.
    pub(crate) alike: f64,
    /// The packets, where one could look.
    pub(crate) compared: Option<Compared>,
}

/// Packets that were sent, by what arrived of them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Compared {
    /// With the same payload, byte for byte.
    pub(crate) identical: usize,
    /// With another payload.
    pub(crate) changed: usize,
    pub(crate) missing: usize,
}

/// In order, the shortest first.
#[derive(Default)]
pub(crate) struct Latencies {
    /// Of packets to a party who was not to hear the supervisor: they go straight on.
    pub(crate) forwarded: Vec<Duration>,
    /// Of packets to a party who was: they go through the mixer.
    pub(crate) mixed: Vec<Duration>,
}

impl Findings {
    /// Measures a call between telephones at these addresses, as in [`PEOPLE`].
    pub(crate) fn of(scene: &Scene, told: &Told, addresses: [IpAddr; 3]) -> Self {
        let sentences = sentences(scene, told);
        let mut latencies = told.seen.as_ref().map(|_| Latencies::default());
        let received = (0..scene.acts.len()).flat_map(|act| [Person::Caller, Person::Agent].map(|party| (act, party)));
        let received = received
            .filter_map(|(act, party)| {
                let from = other(party);
                let line = scene.lines.iter().find(|line| (line.act, line.person) == (act, from))?;
                let is_it = |it: &&Sentence| (it.act, it.listener, it.speaker) == (act, party, from);
                let heard = sentences.iter().find(is_it)?.heard;
                let alike = heard.fidelity(&line.speech, &told.recordings[index(party)]);
                let with_supervisor = scene.acts[act].hears(party, Person::Supervisor) == Some(true);
                let compared = told.seen.as_ref().zip(latencies.as_mut()).map(|(seen, latencies)| {
                    let (sent, arrived) = (&seen[index(from)], &seen[index(party)]);
                    let ends = (addresses[index(from)], addresses[index(party)]);
                    let took = if with_supervisor { &mut latencies.mixed } else { &mut latencies.forwarded };
                    compare(sent, arrived, ends, span(told, act), took)
                });
                Some(Received { act, party, with_supervisor, alike, compared })
            })
            .collect();
        if let Some(Latencies { forwarded, mixed }) = &mut latencies {
            forwarded.sort_unstable();
            mixed.sort_unstable();
        }
        Self { sentences, received, latencies }
    }

    /// What a listener heard of a speaker in an act. None if one of them is not there.
    pub(crate) fn heard(&self, act: usize, listener: Person, speaker: Person) -> Option<Heard> {
        let is_it = |it: &&Sentence| (it.act, it.listener, it.speaker) == (act, listener, speaker);
        self.sentences.iter().find(is_it).map(|it| it.heard)
    }

    /// Whether everything that was measured in an act is as the table says.
    pub(crate) fn is_as_expected(&self, act: usize) -> bool {
        self.sentences.iter().filter(|it| it.act == act).all(Sentence::is_as_expected)
    }

    /// The packets where the supervisor was not, or where they were.
    pub(crate) fn compared(&self, with_supervisor: bool) -> Option<Compared> {
        let of = self.received.iter().filter(|it| it.with_supervisor == with_supervisor);
        of.map(|it| it.compared).try_fold(Compared::default(), |sum, it| {
            let it = it?;
            Some(Compared {
                identical: sum.identical + it.identical,
                changed: sum.changed + it.changed,
                missing: sum.missing + it.missing,
            })
        })
    }

    /// Everything that is not as it should be, a sentence each.
    pub(crate) fn problems(&self, scene: &Scene, told: &Told) -> Vec<String> {
        let mut problems = told.wrong.clone();
        for (party, measured) in [Person::Caller, Person::Agent].iter().zip(&told.measured) {
            if measured.lost > 0 {
                problems.push(format!("the appliance missed {} of the {}'s packets", measured.lost, name(*party)));
            }
        }
        let mode = |act: usize| format!("{} ({})", scene.acts[act].name(), act + 1);
        problems.extend(self.sentences.iter().filter(|it| !it.is_as_expected()).map(|it| {
            let (is_to, found) = if it.expected { ("is to hear", "does not") } else { ("is not to hear", "does") };
            let found = if it.heard.is_heard().is_none() { "one can argue" } else { found };
            let likeness = it.heard.likeness;
            let (listener, speaker) = (name(it.listener), name(it.speaker));
            format!(
                "{}: the {listener} {is_to} the {speaker}, and {found}: the likeness is {likeness:.2}",
                mode(it.act)
            )
        }));
        for it in &self.received {
            let (party, from) = (name(it.party), name(other(it.party)));
            if it.alike < ALIKE_MIN {
                let alike = it.alike;
                problems.push(format!(
                    "{}: what the {party} heard of the {from} is like what was said by only {alike:.3}",
                    mode(it.act)
                ));
            }
            if let Some(Compared { changed, missing, .. }) = it.compared
                && (missing > 0 || (changed > 0 && !it.with_supervisor))
            {
                let mode = mode(it.act);
                problems.push(format!(
                    "{mode}: of the {from}'s packets to the {party} {changed} are changed, {missing} lost"
                ));
            }
        }
        problems
    }
}

impl Compared {
    /// How many were sent.
    pub(crate) const fn sent(&self) -> usize {
        self.identical + self.changed + self.missing
    }
}

impl Sentence {
    fn is_as_expected(&self) -> bool {
        self.heard.is_heard() == Some(self.expected)
    }
}

/// Looks for what everybody said in what everybody heard who was there, themselves included.
fn sentences(scene: &Scene, told: &Told) -> Vec<Sentence> {
    let pairs = scene.lines.iter().flat_map(|line| PEOPLE.map(|listener| (line, listener)));
    pairs
        .filter_map(|(line, listener)| {
            let is_expected = scene.acts[line.act].hears(listener, line.person)?;
            let at = expected(scene, told, line, listener);
            let heard = Heard::of(&line.speech, &told.recordings[index(listener)], at);
            let (act, speaker, length) = (line.act, line.person, line.speech.len());
            Some(Sentence { act, speaker, listener, expected: is_expected, heard, length })
        })
        .collect()
}

/// Where a sentence should begin in a listener's recording.
fn expected(scene: &Scene, told: &Told, line: &Line, listener: Person) -> isize {
    // By how much a telephone was connected later than planned, whatever it says is late.
    let late = told.connected[index(line.person)] - scene.start(line.person) as isize;
    line.begin as isize + late - told.connected[index(listener)]
}

/// The time, since the epoch, in which an act's mode holds for certain.
fn span(told: &Told, act: usize) -> (Duration, Duration) {
    let from = told.moments[act].done + SETTLED;
    let last = || told.seen.iter().flatten().flatten().map(|it| it.at).max();
    let to = told.moments.get(act + 1).map(|next| next.began).or_else(last).unwrap_or_default();
    (from, to.saturating_sub(BEFORE))
}

/// Holds what left one party's interface against what arrived at the other's. Packets are known by their timestamps, which
/// nothing between the parties changes.
fn compare(
    sent: &[Seen],
    arrived: &[Seen],
    (from, to): (IpAddr, IpAddr),
    (begin, end): (Duration, Duration),
    took: &mut Vec<Duration>,
) -> Compared {
    let arrived: HashMap<_, _> =
        arrived.iter().filter(|it| it.to.ip() == to).map(|it| ((it.packet.ssrc, it.packet.timestamp), it)).collect();
    let mut compared = Compared::default();
    for it in sent.iter().filter(|it| it.from.ip() == from && (begin..end).contains(&it.at)) {
        let Some(other) = arrived.get(&(it.packet.ssrc, it.packet.timestamp)) else {
            compared.missing += 1;
            continue;
        };
        took.push(other.at.saturating_sub(it.at));
        if other.packet.payload == it.packet.payload {
            compared.identical += 1;
        } else {
            compared.changed += 1;
        }
    }
    compared
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use undertone_core::mixer::Mode;
    use undertone_tests::rtp::Packet;

    use super::*;
    use crate::{appliance::Measured, script::ms, story::Moment};

    const ADDRESSES: [IpAddr; 3] = [address(2), address(3), address(4)];

    const fn address(host: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 0, host))
    }

    /// The story, told by noise: a second and a half of it for each sentence.
    fn scene() -> Scene {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        Scene::told_by(|_| (0..ms(1_500)).map(|_| random.random_range(-8000..8000)).collect())
    }

    /// A call in which everybody hears whom this says, in this act.
    fn told(scene: &Scene, hears: impl Fn(usize, Person, Person) -> bool) -> Told {
        let recording = |listener: Person| {
            let mut recording = vec![0; scene.length];
            for line in scene.lines.iter().filter(|line| hears(line.act, listener, line.person)) {
                recording[line.begin..][..line.speech.len()].copy_from_slice(&line.speech);
            }
            recording.split_off(scene.start(listener))
        };
        let moment = |at: usize| Moment { began: at_ms(at), done: at_ms(at) };
        let measured = || Measured { packets: 100, lost: 0, jitter_ms: 0.0, mos: None };
        Told {
            moments: scene.acts.iter().map(|act| moment(act.begin / ms(1))).collect(),
            recordings: PEOPLE.map(recording),
            connected: PEOPLE.map(|person| scene.start(person) as isize),
            seen: None,
            measured: [measured(), measured()],
            wrong: Vec::new(),
        }
    }

    fn as_expected(scene: &Scene) -> impl Fn(usize, Person, Person) -> bool {
        |act, listener, speaker| scene.acts[act].hears(listener, speaker) == Some(true)
    }

    fn at_ms(ms: usize) -> Duration {
        Duration::from_millis(ms as u64)
    }

    #[test]
    fn a_call_as_the_table_has_it_is_no_problem() {
        let scene = scene();
        let told = told(&scene, as_expected(&scene));
        let findings = Findings::of(&scene, &told, ADDRESSES);
        assert_eq!(findings.problems(&scene, &told), [""; 0]);
        assert!((0..scene.acts.len()).all(|act| findings.is_as_expected(act)));
    }

    #[test]
    fn a_supervisor_who_is_heard_while_listening_is_told() {
        let scene = scene();
        let expected = as_expected(&scene);
        let leak = |act: usize, listener, speaker| {
            let leaks = scene.acts[act].mode == Some(Mode::Listen);
            expected(act, listener, speaker) || (leaks && (listener, speaker) == (Person::Caller, Person::Supervisor))
        };
        let told = told(&scene, leak);
        let findings = Findings::of(&scene, &told, ADDRESSES);
        let problems = findings.problems(&scene, &told);
        let told = |number| format!("listen ({number}): the caller is not to hear the supervisor, and does");
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].starts_with(&told(2)) && problems[1].starts_with(&told(6)), "{problems:?}");
        assert!(!findings.is_as_expected(1) && findings.is_as_expected(2));
    }

    #[test]
    fn a_supervisor_who_is_not_heard_while_whispering_is_told() {
        let scene = scene();
        let expected = as_expected(&scene);
        let mute = |act, listener, speaker| expected(act, listener, speaker) && speaker != Person::Supervisor;
        let told = told(&scene, mute);
        let problems = Findings::of(&scene, &told, ADDRESSES).problems(&scene, &told);
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(
            problems[0].starts_with("whisper to the agent (3): the agent is to hear the supervisor"),
            "{problems:?}"
        );
    }

    /// A packet from the caller to the agent, ten a second.
    fn seen(number: u32, payload: u8) -> Seen {
        let packet = Packet {
            payload_type: 0,
            marker: false,
            sequence: 0,
            timestamp: number,
            ssrc: 1,
            payload: vec![payload; 160],
        };
        let at = Duration::from_millis(u64::from(number) * 100);
        Seen { at, from: (ADDRESSES[0], 4_000).into(), to: (ADDRESSES[1], 4_000).into(), packet }
    }

    #[test]
    fn packets_are_compared_while_a_mode_holds() {
        let sent: Vec<_> = (0..100).map(|number| seen(number, 7)).collect();
        let arrived: Vec<_> =
            (0..100).filter(|it| *it != 30).map(|it| seen(it, if it == 20 || it == 90 { 8 } else { 7 })).collect();
        let mut took = Vec::new();
        let span = (Duration::from_secs(1), Duration::from_secs(5));
        let compared = compare(&sent, &arrived, (ADDRESSES[0], ADDRESSES[1]), span, &mut took);
        assert_eq!((compared.sent(), compared.identical, compared.changed, compared.missing), (40, 38, 1, 1));
        assert_eq!(took.len(), 39);
    }
}
