//! Any text is a configuration, or is refused with a line.

use undertone_control_core::Config;

/// A configuration file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Config::parse(text) {
        Ok(config) => {
            let again = Config::parse(text).expect("the same text");
            assert_eq!(format!("{config:?}"), format!("{again:?}"));
        }
        Err(error) => {
            let lines = text.lines().count().max(1);
            assert!(!error.problems.is_empty(), "an error says what is wrong");
            for problem in &error.problems {
                assert!((1..=lines + 1).contains(&problem.line), "{problem} is not in {lines} lines");
                assert!(!problem.wrong.is_empty() && !problem.way_out.is_empty(), "{problem}");
            }
        }
    }
}
