use std::collections::HashSet;

use super::*;

fn impair(impairment: &Impairment, count: usize, seed: u64) -> Impaired {
    let stream = Stream::pcmu(1).starting_at(65_400, u32::MAX - 5000);
    impairment.apply(&stream, &stream.numbered(count), seed).unwrap()
}

/// A little of everything, within a receiver's window.
fn rough() -> Impairment {
    Impairment {
        loss: Pick::Chance(0.05),
        duplicate: Pick::Chance(0.05),
        duplicate_distance: 3,
        reorder: Pick::Chance(0.05),
        reorder_distance: 4,
        jitter: Jitter::Normal { mean: Duration::from_millis(30), deviation: Duration::from_millis(15) },
    }
}

/// Position in the clean sequence of each datagram, in the order sent: what it carries tells.
fn positions(impaired: &Impaired) -> Vec<usize> {
    let position = |datagram: &Vec<u8>| u32::from_be_bytes(datagram[12..16].try_into().unwrap()) as usize;
    impaired.schedule.iter().map(|(_, datagram)| position(datagram)).collect()
}

/// Counts by looking back over everything sent so far, once for each datagram; knows no window and no wrapping.
fn count_by_brute_force(positions: &[usize], count: usize) -> (u64, u64, u64) {
    let before = |index: usize| &positions[..index];
    let is_duplicate = |index: usize| before(index).contains(&positions[index]);
    let is_overtaken = |index: usize| before(index).iter().any(|earlier| *earlier > positions[index]);
    let all = 0..positions.len();
    let duplicates = all.clone().filter(|&index| is_duplicate(index)).count();
    let reordered = all.filter(|&index| !is_duplicate(index) && is_overtaken(index)).count();
    let unique: HashSet<_> = positions.iter().collect();
    ((count - unique.len()) as u64, duplicates as u64, reordered as u64)
}

/// The formula of RFC 3550, section 6.4.1, written out over the transit times; one clean packet lasts 20 ms.
fn jitter_by_brute_force(impaired: &Impaired, positions: &[usize]) -> f64 {
    let transit = |index: usize| impaired.schedule[index].0.as_secs_f64() - positions[index] as f64 * 0.020;
    (1..positions.len())
        .fold(0.0, |jitter, index| jitter + ((transit(index) - transit(index - 1)).abs() - jitter) / 16.0)
}

#[test]
fn the_truth_is_what_a_brute_force_count_finds() {
    for seed in 0..200 {
        let impaired = impair(&rough(), 600, seed);
        let positions = positions(&impaired);
        let truth = impaired.truth;
        let counted = (truth.lost, truth.duplicates, truth.reordered);
        assert_eq!(counted, count_by_brute_force(&positions, 600), "seed {seed}");
        assert_eq!((truth.too_late, truth.expected), (0, 600), "seed {seed}");
        assert_eq!(truth.sent as usize, impaired.schedule.len(), "seed {seed}");
        let jitter_s = jitter_by_brute_force(&impaired, &positions);
        assert!((truth.jitter.as_secs_f64() - jitter_s).abs() < 1e-6, "seed {seed}: {truth:?} {jitter_s}");
        assert!(truth.lost > 0 && truth.duplicates > 0 && truth.reordered > 0, "seed {seed}: {truth:?}");
    }
}

#[test]
fn the_same_seed_does_the_same_and_another_does_not() {
    assert_eq!(impair(&rough(), 300, 7).schedule, impair(&rough(), 300, 7).schedule);
    assert_ne!(impair(&rough(), 300, 7).schedule, impair(&rough(), 300, 8).schedule);
}

#[test]
fn a_clean_network_changes_nothing() {
    let impaired = impair(&Impairment::default(), 50, 1);
    assert_eq!(positions(&impaired), (0..50).collect::<Vec<_>>());
    assert_eq!(impaired.schedule[49].0, Duration::from_millis(980));
    assert_eq!(impaired.truth, Truth { sent: 50, expected: 50, ..Truth::default() });
}

#[test]
fn exact_positions_are_met_exactly() {
    let impairment = Impairment {
        loss: Pick::At(vec![10, 11]),
        duplicate: Pick::At(vec![0, 20]),
        reorder: Pick::At(vec![30]),
        reorder_distance: 5,
        ..Impairment::default()
    };
    let impaired = impair(&impairment, 50, 1);
    let positions = positions(&impaired);
    assert!(!positions.contains(&10) && !positions.contains(&11));
    assert_eq!(positions[..3], [0, 0, 1]);
    assert_eq!(positions.iter().skip_while(|at| **at != 35).nth(1), Some(&30), "five packets overtake it");
    let truth = impaired.truth;
    assert_eq!((truth.lost, truth.duplicates, truth.reordered), (2, 2, 1));
}

#[test]
fn changing_one_kind_leaves_the_others_where_they_were() {
    let lost = |impairment: &Impairment| {
        let present: HashSet<_> = positions(&impair(impairment, 600, 3)).into_iter().collect();
        (0..600).filter(|at| !present.contains(at)).collect::<Vec<_>>()
    };
    let calmer = Impairment { jitter: Jitter::None, reorder: Pick::Never, ..rough() };
    assert_eq!(lost(&rough()), lost(&calmer));
}

#[test]
fn a_chance_is_met_on_average() {
    let impairment = Impairment { loss: Pick::Chance(0.1), ..Impairment::default() };
    let lost = impair(&impairment, 20_000, 1).truth.lost;
    assert!((1800..2200).contains(&lost), "{lost}");
}

#[test]
fn certain_loss_spares_the_first_and_the_last() {
    let impairment = Impairment { loss: Pick::Chance(1.0), ..Impairment::default() };
    assert_eq!(positions(&impair(&impairment, 20, 1)), [0, 19]);
}

#[test]
fn jitter_is_distributed_as_told() {
    let late = |jitter| {
        let impaired = impair(&Impairment { jitter, ..Impairment::default() }, 20_000, 1);
        let positions = positions(&impaired);
        let late = impaired
            .schedule
            .iter()
            .zip(positions)
            .map(|((at, _), position)| at.as_secs_f64() - position as f64 * 0.02);
        late.collect::<Vec<_>>()
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let uniform = late(Jitter::Uniform(Duration::from_millis(10)));
    assert!((mean(&uniform) - 0.005).abs() < 0.0002 && uniform.iter().all(|late| *late <= 0.010 + 1e-9));
    let normal = late(Jitter::Normal { mean: Duration::from_millis(50), deviation: Duration::from_millis(5) });
    let spread = normal.iter().map(|late| (late - 0.050).powi(2)).sum::<f64>() / normal.len() as f64;
    assert!((mean(&normal) - 0.050).abs() < 0.0002 && (spread.sqrt() - 0.005).abs() < 0.0003);
}

#[test]
fn real_sending_times_change_only_the_jitter() {
    let impaired = impair(&rough(), 200, 5);
    let punctual: Vec<_> = impaired.schedule.iter().map(|(at, _)| *at).collect();
    assert_eq!(impaired.truth_as_sent(&punctual), impaired.truth);
    let sloppy: Vec<_> = punctual.iter().zip(0..).map(|(at, index)| *at + Duration::from_millis(index % 3)).collect();
    let truth = impaired.truth_as_sent(&sloppy);
    assert_ne!(truth.jitter, impaired.truth.jitter);
    assert_eq!(Truth { jitter: impaired.truth.jitter, ..truth }, impaired.truth);
}

#[test]
fn what_no_receiver_could_count_is_refused() {
    let stream = Stream::pcmu(1);
    let impossible = [
        Impairment { loss: Pick::At(vec![0]), ..Impairment::default() },
        Impairment { loss: Pick::At(vec![9]), ..Impairment::default() },
        Impairment { reorder: Pick::At(vec![0]), ..Impairment::default() },
        Impairment { duplicate: Pick::At(vec![10]), ..Impairment::default() },
        Impairment { loss: Pick::Chance(1.5), ..Impairment::default() },
        Impairment { reorder_distance: 0, ..Impairment::default() },
        Impairment { reorder_distance: 32, ..Impairment::default() },
        Impairment { duplicate_distance: 32, ..Impairment::default() },
    ];
    for impairment in impossible {
        assert!(impairment.apply(&stream, &stream.numbered(10), 1).is_err(), "{impairment:?}");
    }
}
