//! Waiting for a condition, with a bound.

use std::thread;
use std::time::{Duration, Instant};

use crate::{Error, Result};

const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// Polls `condition` until it yields a value, at most for `timeout`; the error names `what` was waited for.
///
/// The condition is looked at once more when the time is up, so a slow machine does not fail a test that has
/// succeeded in the meantime.
pub fn wait_for<T>(what: &str, timeout: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + timeout;
    loop {
        let last_look = Instant::now() >= deadline;
        if let Some(value) = condition() {
            return Ok(value);
        }
        if last_look {
            return Err(Error::TimedOut { what: what.to_owned(), waited: timeout, seen: String::new() });
        }
        thread::sleep(POLL_INTERVAL.min(deadline.saturating_duration_since(Instant::now())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yields_what_the_condition_yields() {
        let mut looks = 0;
        let found = wait_for("the third look", Duration::from_secs(5), || {
            looks += 1;
            (looks == 3).then_some("third")
        });
        assert_eq!(found.unwrap(), "third");
    }

    #[test]
    fn gives_up_in_time_and_names_what_it_waited_for() {
        let start = Instant::now();
        let error = wait_for("a pig to fly", Duration::from_millis(20), || None::<()>).unwrap_err();
        assert!(error.to_string().contains("a pig to fly"), "{error}");
        assert!(start.elapsed() >= Duration::from_millis(20));
    }

    #[test]
    fn looks_once_more_when_the_time_is_up() {
        let start = Instant::now();
        let timeout = Duration::from_millis(10);
        wait_for("the deadline", timeout, || (start.elapsed() >= timeout).then_some(())).unwrap();
    }

    #[test]
    fn looks_once_even_without_time() {
        wait_for("what is there already", Duration::ZERO, || Some(())).unwrap();
    }
}
