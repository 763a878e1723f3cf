//! What the configuration last made of the data plane, kept for the next daemon.
//!
//! Streams outlive the process, and then nothing in them says who asked for them. This file does: it stands beside the
//! control socket, in a folder that goes when the machine stops, as pinned tables do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use undertone_control_core::config::{Extras, StaticRelay};
use undertone_core::Relay;

use crate::protocol::{ExtrasSpec, RelaySpec};

/// The version of the file's form. Another one is taken for no file.
const VERSION: u32 = 1;

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Record {
    path: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    version: u32,
    relays: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    relay: RelaySpec,
    from_a: ExtrasSpec,
    from_b: ExtrasSpec,
}

impl Record {
    /// The file of the daemon with this control socket.
    pub(super) fn beside(socket: &Path) -> Self {
        Self { path: socket.with_extension("relays.json") }
    }

    /// What was kept; nothing when there is no such file, or none that can be read.
    pub(super) fn load(&self) -> io::Result<Vec<StaticRelay>> {
        let text = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let contents: Contents = serde_json::from_slice(&text)?;
        let relays = if contents.version == VERSION { contents.relays } else { Vec::new() };
        Ok(relays.iter().map(StaticRelay::from).collect())
    }

    /// Keeps `relays` in place of what was kept.
    pub(super) fn save(&self, relays: &[StaticRelay]) -> io::Result<()> {
        let contents = Contents { version: VERSION, relays: relays.iter().map(Entry::from).collect() };
        let new = self.path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&contents)?)?;
        fs::rename(&new, &self.path)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl From<&Entry> for StaticRelay {
    fn from(entry: &Entry) -> Self {
        Self {
            relay: Relay::from(&entry.relay),
            from_a: Extras::from(&entry.from_a),
            from_b: Extras::from(&entry.from_b),
            line: 0,
        }
    }
}

impl From<&StaticRelay> for Entry {
    fn from(relay: &StaticRelay) -> Self {
        Self { relay: (&relay.relay).into(), from_a: (&relay.from_a).into(), from_b: (&relay.from_b).into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../undertone.example.toml");

    #[test]
    fn what_is_kept_is_found_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = Record::beside(&folder.path().join("undertone.sock"));
        assert_eq!(record.load().expect("no file is no error"), []);
        let config = undertone_control_core::Config::parse(EXAMPLE).expect("the example");
        record.save(&config.relays).expect("saved");
        let expected: Vec<_> = config.relays.into_iter().map(|relay| StaticRelay { line: 0, ..relay }).collect();
        assert_eq!(record.load().expect("loaded"), expected);
        record.save(&[]).expect("saved again");
        assert_eq!(record.load().expect("loaded again"), []);
    }

    #[test]
    fn a_broken_file_is_an_error_and_one_of_another_version_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let record = Record::beside(&folder.path().join("undertone.sock"));
        fs::write(record.path(), "{").expect("written");
        assert!(record.load().is_err());
        fs::write(record.path(), r#"{"version":2,"relays":[]}"#).expect("written");
        assert_eq!(record.load().expect("readable"), []);
    }
}
