//! `[storage]`.

use std::path::{Path, PathBuf};

use toml::de::DeValue;

use super::{
    section::Section,
    values::{Wrong, integer},
};

/// Where the database is unless the configuration says otherwise.
pub const DATABASE_DEFAULT: &str = "/var/lib/undertone/undertone.db";
/// How long call records are kept unless the configuration says otherwise.
const KEEP_DAYS_DEFAULT: u32 = 90;
/// How long the audit is kept unless the configuration says otherwise: three years.
const AUDIT_KEEP_DAYS_DEFAULT: u32 = 1095;
/// A century: who wants more wants an archive.
const KEEP_DAYS_MAX: u32 = 36_525;

/// Where call records and the audit are kept, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The database.
    pub path: PathBuf,
    /// Records older than this are removed.
    pub keep_days: u32,
    /// Rows of the audit older than this are removed.
    pub audit_keep_days: u32,
}

impl Storage {
    pub(super) fn read(section: Option<Section<'_>>) -> Option<Self> {
        let Some(section) = section else { return Some(Self::default()) };
        let default = Self::default();
        let path = section.or_default("path", database_path, default.path);
        let keep_days = section.or_default("keep-days", integer(1..=KEEP_DAYS_MAX), default.keep_days);
        let audit_keep_days =
            section.or_default("audit-keep-days", integer(1..=KEEP_DAYS_MAX), default.audit_keep_days);
        section.finish();
        Some(Self { path: path?, keep_days: keep_days?, audit_keep_days: audit_keep_days? })
    }
}

impl Default for Storage {
    fn default() -> Self {
        Self { path: DATABASE_DEFAULT.into(), keep_days: KEEP_DAYS_DEFAULT, audit_keep_days: AUDIT_KEEP_DAYS_DEFAULT }
    }
}

fn database_path(value: &DeValue<'_>) -> Result<PathBuf, Wrong> {
    let is_file = |text: &&str| {
        let path = Path::new(text);
        path.is_absolute() && path.file_name().is_some() && !text.ends_with('/') && !text.contains(char::is_control)
    };
    value.as_str().filter(is_file).map(Into::into).ok_or_else(|| Wrong {
        expected: "the path of a file, from / on".into(),
        way_out: format!(r#"write it like "{DATABASE_DEFAULT}""#),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    const EXAMPLE: &str = include_str!("../../../undertone.example.toml");
    const MEDIA: &str = "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n";

    fn config(storage: &str) -> Result<Config, String> {
        Config::parse(&format!("{MEDIA}{storage}")).map_err(|error| error.to_string())
    }

    #[test]
    fn left_out_it_is_what_the_example_says() {
        let example = Config::parse(EXAMPLE).expect("the example");
        assert_eq!(example.storage, Storage::default());
        for text in ["", "[storage]"] {
            assert_eq!(config(text).expect(text).storage, Storage::default());
        }
    }

    #[test]
    fn wrong_values_are_told_with_line_and_key() {
        let table = [
            (
                "[storage]\npath = \"calls.db\"",
                "line 6, `storage.path`: expected the path of a file, from / on, found \"calls.db\"; write it like \"/var/lib/undertone/undertone.db\"",
            ),
            (
                "[storage]\nkeep-days = 0",
                "line 6, `storage.keep-days`: expected a number from 1 to 36525, found 0; write it in digits, without quotes",
            ),
            (
                "[storage]\naudit-keep-days = 0",
                "line 6, `storage.audit-keep-days`: expected a number from 1 to 36525, found 0; write it in digits, without quotes",
            ),
            ("[storage]\nkeep-day = 1", "line 6, `storage.keep-day`: there is no such key; did you mean `keep-days`?"),
        ];
        for (text, expected) in table {
            assert_eq!(config(text).expect_err(text), expected);
        }
    }

    #[test]
    fn a_running_daemon_takes_another_age_but_no_other_file() {
        let running = config("").expect("the shortest");
        let age = config("[storage]\nkeep-days = 7\naudit-keep-days = 3650").expect("another age");
        assert_eq!((age.storage.keep_days, age.storage.audit_keep_days), (7, 3650));
        assert_eq!(age.needs_restart(&running), []);
        let file = config("[storage]\npath = \"/srv/calls.db\"").expect("another file");
        let problems = file.needs_restart(&running);
        assert_eq!(problems.iter().map(|it| (it.line, it.key.as_str())).collect::<Vec<_>>(), [(6, "storage.path")]);
    }
}
