//! When to ask the kernel for which neighbour.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::view::{Adjacency, Neighbour};

/// The first pause between two questions for a neighbour that does not answer; each pause doubles the last.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// The longest pause. The kernel sends its own three requests, a second apart, for each question.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The pause between two questions for a neighbour that stays doubted. The first one normally settles it within
/// ten seconds, and until then further ones do nothing.
const PAUSE_DOUBTED: Duration = Duration::from_secs(5);

/// The neighbours that are wanted, and when to ask the kernel for each.
#[derive(Debug, Default)]
pub(super) struct Pursuits {
    pursuits: HashMap<Adjacency, Pursuit>,
    /// Every [`Pursuit::ask_at`], in order.
    asks: BTreeSet<(Instant, Adjacency)>,
}

#[derive(Debug)]
struct Pursuit {
    /// How many ways lead there.
    users: usize,
    need: Need,
    ask_at: Option<Instant>,
    /// The pause after the next question.
    pause: Duration,
}

/// What the kernel is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Check,
    Find,
}

impl Pursuits {
    /// One more way leads to `adjacency`, of which `neighbour` is known.
    pub(super) fn acquire(&mut self, adjacency: Adjacency, neighbour: Neighbour, now: Instant) {
        if let Some(pursuit) = self.pursuits.get_mut(&adjacency) {
            pursuit.users += 1;
            return;
        }
        let pursuit = Pursuit { users: 1, need: Need::Nothing, ask_at: None, pause: PAUSE_MIN };
        self.pursuits.insert(adjacency, pursuit);
        self.learn(adjacency, neighbour, now);
    }

    /// One way less leads to `adjacency`.
    pub(super) fn release(&mut self, adjacency: Adjacency) {
        let Some(pursuit) = self.pursuits.get_mut(&adjacency) else { return };
        pursuit.users -= 1;
        if pursuit.users == 0 {
            self.schedule(adjacency, None);
            self.pursuits.remove(&adjacency);
        }
    }

    /// Whether any way leads to `adjacency`.
    pub(super) fn wants(&self, adjacency: Adjacency) -> bool {
        self.pursuits.contains_key(&adjacency)
    }

    /// Every neighbour that is wanted.
    pub(super) fn wanted(&self) -> Vec<Adjacency> {
        self.pursuits.keys().copied().collect()
    }

    /// The kernel's knowledge of the neighbour at `adjacency` is now `neighbour`.
    pub(super) fn learn(&mut self, adjacency: Adjacency, neighbour: Neighbour, now: Instant) {
        let Some(pursuit) = self.pursuits.get_mut(&adjacency) else { return };
        let need = Need::of(neighbour);
        // A question that is already planned stays where it is: news of the same kind must not hurry it.
        if need == pursuit.need {
            return;
        }
        pursuit.need = need;
        pursuit.pause = if need == Need::Check { PAUSE_DOUBTED } else { PAUSE_MIN };
        self.schedule(adjacency, (need != Need::Nothing).then_some(now));
    }

    /// When the next question is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asks.first().map(|&(at, _)| at)
    }

    /// The next neighbour that is to be asked for at `now`; the question after that is planned at once.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Adjacency> {
        let &(_, adjacency) = self.asks.first().filter(|&&(at, _)| at <= now)?;
        let pursuit = self.pursuits.get_mut(&adjacency)?;
        let next = now + pursuit.pause;
        if pursuit.need == Need::Find {
            pursuit.pause = PAUSE_MAX.min(pursuit.pause * 2);
        }
        self.schedule(adjacency, Some(next));
        Some(adjacency)
    }

    fn schedule(&mut self, adjacency: Adjacency, at: Option<Instant>) {
        let Some(pursuit) = self.pursuits.get_mut(&adjacency) else { return };
        if let Some(old) = pursuit.ask_at.take() {
            self.asks.remove(&(old, adjacency));
        }
        if let Some(at) = at {
            pursuit.ask_at = Some(at);
            self.asks.insert((at, adjacency));
        }
    }
}

impl Need {
    fn of(neighbour: Neighbour) -> Self {
        match neighbour {
            Neighbour::Unknown | Neighbour::Failed => Self::Find,
            Neighbour::Doubted(_) => Self::Check,
            Neighbour::Known(_) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const HOUR: Duration = Duration::from_hours(1);

    fn adjacency(interface: u32) -> Adjacency {
        Adjacency { interface, address: Ipv4Addr::new(192, 0, 2, 2).into() }
    }

    /// The pauses before each of the next `count` questions, each asked when it is due.
    fn pauses(pursuits: &mut Pursuits, mut now: Instant, count: usize) -> Vec<u128> {
        let mut pauses = Vec::new();
        for _ in 0..count {
            let due = pursuits.deadline().unwrap();
            pauses.push((due - now).as_millis());
            now = due;
            assert!(pursuits.poll(now).is_some());
            assert_eq!(pursuits.poll(now), None);
        }
        pauses
    }

    #[test]
    fn an_unknown_neighbour_is_asked_for_at_once_and_then_ever_more_slowly() {
        let (mut pursuits, now) = (Pursuits::default(), Instant::now());
        pursuits.acquire(adjacency(1), Neighbour::Unknown, now);
        assert_eq!(pauses(&mut pursuits, now, 9), [0, 50, 100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[test]
    fn repeated_news_of_a_failure_does_not_hurry_the_next_question() {
        let (mut pursuits, now) = (Pursuits::default(), Instant::now());
        pursuits.acquire(adjacency(1), Neighbour::Unknown, now);
        pauses(&mut pursuits, now, 3);
        let due = pursuits.deadline();
        pursuits.learn(adjacency(1), Neighbour::Failed, now);
        assert_eq!(pursuits.deadline(), due);
    }

    #[test]
    fn a_known_neighbour_is_left_in_peace_until_it_is_doubted() {
        let (mut pursuits, now) = (Pursuits::default(), Instant::now());
        pursuits.acquire(adjacency(1), Neighbour::Known(MAC), now);
        assert_eq!(pursuits.deadline(), None);
        pursuits.learn(adjacency(1), Neighbour::Doubted(MAC), now);
        assert_eq!(pauses(&mut pursuits, now, 3), [0, 5_000, 5_000]);
        pursuits.learn(adjacency(1), Neighbour::Known(MAC), now);
        assert_eq!(pursuits.poll(now + HOUR), None);
    }

    #[test]
    fn a_lost_neighbour_is_asked_for_at_once_again() {
        let (mut pursuits, now) = (Pursuits::default(), Instant::now());
        pursuits.acquire(adjacency(1), Neighbour::Unknown, now);
        pauses(&mut pursuits, now, 8);
        pursuits.learn(adjacency(1), Neighbour::Known(MAC), now);
        pursuits.learn(adjacency(1), Neighbour::Failed, now);
        assert_eq!(pauses(&mut pursuits, now, 3), [0, 50, 100]);
    }

    #[test]
    fn a_neighbour_is_pursued_until_its_last_way_is_gone() {
        let (mut pursuits, now) = (Pursuits::default(), Instant::now());
        pursuits.acquire(adjacency(1), Neighbour::Unknown, now);
        pursuits.acquire(adjacency(1), Neighbour::Unknown, now);
        pursuits.release(adjacency(1));
        assert!(pursuits.wants(adjacency(1)));
        pursuits.release(adjacency(1));
        assert!(!pursuits.wants(adjacency(1)));
        assert_eq!((pursuits.deadline(), pursuits.poll(now + HOUR)), (None, None));
        pursuits.release(adjacency(1));
    }
}
