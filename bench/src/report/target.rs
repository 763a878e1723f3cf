//! What the product is to reach.

use std::fmt;

/// One thing to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// What is measured.
    pub(crate) measure: &'static str,
    /// What it must reach.
    pub(crate) floor: f64,
    /// What it should reach.
    pub(crate) aim: f64,
}

impl Target {
    /// What `number` is worth; `None` when it was not measured.
    pub(crate) fn judge(self, number: Option<f64>) -> Verdict {
        Verdict { target: self, number }
    }

    /// Whether `number` is at least as good as `goal`: an aim that is not above the floor says that less is better.
    fn is_reached(self, number: f64, goal: f64) -> bool {
        if self.aim <= self.floor { number <= goal } else { number >= goal }
    }
}

/// A target and the number that was measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    target: Target,
    number: Option<f64>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { measure, floor, aim } = self.target;
        let Some(number) = self.number else {
            return write!(f, "not measured   {measure}");
        };
        let word = if self.target.is_reached(number, aim) {
            "aim reached"
        } else if self.target.is_reached(number, floor) {
            "floor reached"
        } else {
            "FLOOR MISSED"
        };
        write!(f, "{word:<14} {measure}: {number:.3} (floor {floor}, aim {aim})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_or_less_is_better_as_the_aim_says() {
        let ratio = Target { measure: "ratio", floor: 0.75, aim: 0.9 };
        let time = Target { measure: "time", floor: 2.0, aim: 0.3 };
        let none = Target { measure: "none", floor: 0.0, aim: 0.0 };
        let table = [
            (ratio, Some(0.95), "aim reached"),
            (ratio, Some(0.8), "floor reached"),
            (ratio, Some(0.7), "FLOOR MISSED"),
            (ratio, None, "not measured"),
            (time, Some(0.2), "aim reached"),
            (time, Some(1.0), "floor reached"),
            (time, Some(3.0), "FLOOR MISSED"),
            (none, Some(0.0), "aim reached"),
            (none, Some(0.1), "FLOOR MISSED"),
        ];
        for (target, number, word) in table {
            let told = target.judge(number).to_string();
            assert!(told.starts_with(word), "{told}");
        }
    }
}
