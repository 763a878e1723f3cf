//! Calls of our own over a bad network, from seeds: whoever has them hears of the end of each once, and in the end nothing is
//! left. So it is, too, when the element dies in the middle, and another one goes on from what was kept.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::rand_core::Rng as _;

use super::{
    super::simulation::{World, below, leak},
    *,
};
use crate::ua::{By, Destination, Placement};

const SEEDS: u64 = 40;
const CALLS: usize = 8;
/// How often whoever has the calls looks at them.
const SLICE: Duration = Duration::from_millis(50);

/// Who has the calls, and does with them what its dice say.
#[derive(Default)]
struct Desk {
    calls: BTreeMap<UaId, Known>,
    kept: BTreeMap<UaId, ua::Snapshot>,
    /// How many were up, and how many of them ended by whom.
    up: usize,
    by_party: usize,
    by_us: usize,
    /// Changes of media, and keys.
    media: usize,
    keys: usize,
}

#[derive(Default)]
struct Known {
    is_up: bool,
    accept: Option<Nanos>,
    leave: Option<Nanos>,
    ends: usize,
}

impl Desk {
    /// Takes in what was told, and does what is due.
    fn act(&mut self, world: &mut World) {
        let now = world.bench.now;
        for event in world.bench.told() {
            let mut soon = |ms| now + Duration::from_millis(1 + below(&mut world.dice, ms));
            match event {
                ua::Event::Incoming(incoming) => {
                    let known = Known { accept: Some(soon(1500)), ..Known::default() };
                    let twice = self.calls.insert(incoming.id, known);
                    assert!(twice.is_none());
                }
                ua::Event::Up(id) => {
                    let leave = soon(6000);
                    let known = self.calls.get_mut(&id).expect("it is known");
                    assert!(!std::mem::replace(&mut known.is_up, true), "it is up once");
                    known.leave = Some(leave);
                    self.up += 1;
                }
                ua::Event::Ended(id, cause) => {
                    let known = self.calls.get_mut(&id).expect("it is known");
                    known.ends += 1;
                    self.kept.remove(&id);
                    if known.is_up {
                        *(if cause.by == By::Us { &mut self.by_us } else { &mut self.by_party }) += 1;
                    }
                }
                ua::Event::Media(..) => self.media += 1,
                ua::Event::Digit { .. } => self.keys += 1,
                ua::Event::Ringing(_) | ua::Event::Party(..) | ua::Event::Present(_) => {}
            }
        }
        for snapshot in world.bench.kept_own.drain(..) {
            let id: UaId = snapshot.id.parse().expect("a name");
            if world.bench.element.ua(id).is_some() {
                self.kept.insert(id, snapshot);
            }
        }
        self.decide(world, now);
    }

    fn decide(&mut self, world: &mut World, now: Nanos) {
        for (id, known) in &mut self.calls {
            if known.accept.take_if(|at| *at <= now).is_some() {
                let element = &mut world.bench.element;
                match below(&mut world.dice, 8) {
                    0 => drop(element.turn_down(now, *id, 403, "Not Allowed", None)),
                    1 => known.accept = element.alert(now, *id).then(|| now + Duration::from_secs(1)),
                    2 => {}
                    _ => drop(element.accept(now, *id, &terms())),
                }
            }
            if known.leave.take_if(|at| *at <= now).is_some() && below(&mut world.dice, 2) == 0 {
                world.bench.element.hang_up(now, *id, Cause::by_us(480, "Enough"));
            }
        }
        world.bench.drain();
        world.collect();
    }

    fn run(&mut self, world: &mut World, duration: Duration) {
        let end = world.bench.now + duration;
        while world.bench.now < end {
            world.run(SLICE);
            self.act(world);
        }
    }

    /// Somebody calls us, or we call somebody.
    fn begin(&mut self, world: &mut World, number: usize) {
        if below(&mut world.dice, 2) == 0 {
            let mut out = Vec::new();
            let invite = Draft { call: leak(&format!("call-{number}")), ..dial("") };
            world.phones[1].call(world.bench.now, invite, &mut out);
            return world.post_all(socket(PBX), out);
        }
        let placement = Placement {
            to: Destination::Group("inside".into()),
            number: "200".into(),
            from_number: "007".into(),
            from_name: "Undertone".into(),
            terms: terms(),
            auto_answer: true,
            ring_s: 20,
        };
        let id = world.bench.place(placement).expect("there is room");
        self.calls.insert(id, Known::default());
        world.collect();
    }

    /// The element dies, and another one goes on from what was kept.
    fn restart(&mut self, world: &mut World) -> usize {
        let mut seed = [0; 32];
        world.dice.fill_bytes(&mut seed);
        let (now, limits) = (world.bench.now, super::super::Limits::default());
        world.bench.element = Element::new(Arc::new(trunks()), limits, Board::default(), ports(), seed, now);
        world.bench.element.set_own(numbers(), Limits::default());
        let restored: BTreeSet<_> =
            self.kept.values().filter_map(|snapshot| world.bench.element.restore_ua(snapshot)).collect();
        assert_eq!(restored.len(), self.kept.len(), "all go on");
        // Of the others nobody is told.
        self.calls.retain(|id, known| known.ends > 0 || restored.contains(id));
        restored.len()
    }
}

fn live(seed: u64, dies: bool) -> (Desk, usize) {
    let mut world = World::new(seed);
    world.bench.element.set_own(numbers(), Limits::default());
    for phone in &mut world.phones {
        phone.is_lively = true;
    }
    let (mut desk, mut restored) = (Desk::default(), 0);
    for number in 0..CALLS {
        desk.begin(&mut world, number);
        let pause = Duration::from_millis(below(&mut world.dice, 3000));
        desk.run(&mut world, pause);
        if dies && below(&mut world.dice, 3) == 0 {
            restored += desk.restart(&mut world);
        }
    }
    desk.run(&mut world, Duration::from_secs(400));
    for (id, known) in &desk.calls {
        assert_eq!(known.ends, 1, "seed {seed}: {id} ends once");
    }
    assert!(desk.kept.is_empty(), "seed {seed}");
    world.bench.assert_idle();
    (desk, restored)
}

#[test]
fn whatever_a_network_does_each_call_of_ours_ends_once_and_leaves_nothing() {
    let (mut up, mut by_party, mut by_us, mut media, mut keys) = (0, 0, 0, 0, 0);
    for seed in 0..SEEDS {
        let (desk, _) = live(seed, false);
        up += desk.up;
        by_party += desk.by_party;
        by_us += desk.by_us;
        media += desk.media;
        keys += desk.keys;
    }
    // Otherwise this would say little.
    let seeds = SEEDS as usize;
    let counts = [up / (2 * seeds), by_party / seeds, by_us / seeds, (media - up) / 10, keys / 10];
    assert!(counts.iter().all(|count| *count > 0), "{up} {by_party} {by_us} {media} {keys}");
}

#[test]
fn calls_of_ours_outlive_the_element_and_each_ends_once() {
    let (mut restored, mut by_party, mut by_us) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (desk, taken_up) = live(seed, true);
        restored += taken_up;
        by_party += desk.by_party;
        by_us += desk.by_us;
    }
    let counts = [restored / SEEDS as usize, by_party / SEEDS as usize, by_us / (SEEDS as usize / 4)];
    assert!(counts.iter().all(|count| *count > 0), "{restored} {by_party} {by_us}");
}
