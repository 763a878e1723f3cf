//! Sums that are too loud for sixteen bits, bent and not cut.

/// What is softer than this passes as it is: 3 dB below full scale.
const KNEE: f32 = 23_198.0;
const FULL: f32 = i16::MAX as f32;

/// Sums as samples.
pub(super) fn limit_all(sums: &[i32], samples: &mut [i16]) {
    let loudest = sums.iter().fold(0, |loudest, sum| loudest.max(sum.unsigned_abs()));
    if loudest as f32 <= KNEE {
        samples.iter_mut().zip(sums).for_each(|(sample, sum)| *sample = *sum as i16);
    } else {
        samples.iter_mut().zip(sums).for_each(|(sample, sum)| *sample = limit(*sum, 0));
    }
}

/// A sum as a sample. Up to the knee it stays what it is; what is above comes nearer to full scale the louder it is, and
/// never goes beyond. No memory, hence no delay, and nothing is softer because something was loud before.
///
/// `base` is the part of it that somebody says already. The knee is not below that: what was loud before anything was
/// added stays what it was, and what is added is bent alone.
pub(super) fn limit(sum: i32, base: i16) -> i16 {
    let loudness = sum.unsigned_abs() as f32;
    if loudness <= KNEE {
        return sum as i16;
    }
    let same_side = if (sum < 0) == (base < 0) { f32::from(base.unsigned_abs()) } else { 0.0 };
    let knee = KNEE.max(same_side);
    if loudness <= knee {
        return sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
    let room = FULL - knee;
    if room < 1.0 {
        return base;
    }
    let bent = (knee + room * ((loudness - knee) / room).tanh()) as i16;
    if sum < 0 { -bent } else { bent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_loud_stays_what_it_is() {
        for sum in -23_198..=23_198 {
            assert_eq!(limit(sum, 0) as i32, sum);
        }
    }

    #[test]
    fn louder_is_louder_and_symmetric_and_never_a_step() {
        for base in [0, 20_000, -20_000, 30_000, -32_000, i16::MAX, i16::MIN] {
            let mut before = limit(-400_000, base);
            for sum in (-399_999..=400_000).step_by(7) {
                let now = limit(sum, base);
                assert!((0..=8).contains(&(now as i32 - before as i32)), "{sum} on {base}: {before} {now}");
                if base > i16::MIN {
                    assert_eq!(limit(-sum, -base), -now);
                }
                before = now;
            }
        }
        assert_eq!(limit(i32::MAX, 0), i16::MAX);
    }

    #[test]
    fn what_was_loud_before_stays_what_it_was_and_a_little_more_is_a_little_more() {
        for base in i16::MIN..=i16::MAX {
            assert_eq!(limit(i32::from(base), base), base);
            for more in [-1, 1] {
                let now = limit(i32::from(base) + more, base);
                assert!((i32::from(now) - i32::from(base)).abs() <= 1, "{base} and {more}: {now}");
            }
        }
    }

    #[test]
    fn all_sums_are_limited_as_each_is() {
        for loudest in [20_000, 23_198, 23_199, 90_000] {
            let sums: Vec<i32> = (-loudest..=loudest).step_by(97).collect();
            let mut samples = vec![0; sums.len()];
            limit_all(&sums, &mut samples);
            assert!(sums.iter().zip(&samples).all(|(sum, sample)| limit(*sum, 0) == *sample), "{loudest}");
        }
    }
}
