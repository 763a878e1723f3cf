//! Reading configurations.

use undertone_control_core::{Config, ConfigError};

/// Reads a text as a configuration.
///
/// It is read the same way again and a line further down, or it is refused with a line, a complaint and a way out, each
/// in one line of print.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text) {
        Ok(config) => compare(text, &config),
        Err(error) => judge(text, &error),
    }
}

fn compare(text: &str, config: &Config) {
    let again = Config::parse(text).expect("what was read is read again");
    assert_eq!(format!("{again:?}"), format!("{config:?}"));
    assert!(again.needs_restart(config).is_empty(), "it differs from itself");

    // A byte order mark is one only where a file begins.
    if text.starts_with('\u{feff}') {
        return;
    }
    let lower = Config::parse(&format!("\n{text}")).expect("an empty line changes nothing");
    assert_eq!((&lower.media, &lower.control), (&config.media, &config.control));
    assert_eq!(lower.sip, config.sip);
    assert_eq!(lower.relays.len(), config.relays.len());
    for (lower, relay) in lower.relays.iter().zip(&config.relays) {
        assert_eq!((lower.relay, lower.line), (relay.relay, relay.line + 1));
        assert_eq!((&lower.from_a, &lower.from_b), (&relay.from_a, &relay.from_b));
    }
}

fn judge(text: &str, error: &ConfigError) {
    assert!(!error.problems.is_empty(), "nothing is said to be wrong");
    assert!(error.problems.is_sorted(), "out of order: {error}");
    let lines = text.matches('\n').count() + 1;
    for problem in &error.problems {
        assert!((1..=lines).contains(&problem.line), "there is no line {}: {problem}", problem.line);
        assert!(!problem.wrong.is_empty() && !problem.way_out.is_empty(), "no word of explanation: {problem:?}");
        let message = problem.to_string();
        assert!(!message.contains(char::is_control), "not to be printed: {message:?}");
    }
}
