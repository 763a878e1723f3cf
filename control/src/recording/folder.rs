//! The folder of recordings: what a dead daemon has left there, and what is too old.

use std::{
    collections::HashSet,
    fs::{self, DirEntry, File, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tracing::{info, warn};
use undertone_control_core::recording::{is_whole, whole_of};
use undertone_core::recorder::wav::{FRAME_BYTES, HEADER_BYTES, frames_of, header, rate_of};

use super::recorder::give_name;

/// Folders within folders that are looked into.
const DEPTH_MAX: u32 = 8;
const DAY: Duration = Duration::from_secs(86_400);

/// What is to be done in a folder.
pub(super) struct Chore {
    pub(super) directory: PathBuf,
    /// Files older than this are removed.
    pub(super) keep_days: Option<u32>,
    /// Files that were last written before this are finished, if nobody goes on with them.
    pub(super) orphans_before: SystemTime,
    /// Files that are being written.
    pub(super) taken: HashSet<PathBuf>,
}

/// What was done.
#[derive(Default)]
struct Done {
    finished: u32,
    removed: u32,
}

impl Chore {
    /// Does it.
    pub(super) fn run(&self) {
        let mut done = Done::default();
        self.walk(&self.directory, DEPTH_MAX, &mut done);
        if done.finished + done.removed > 0 {
            info!(
                directory = %self.directory.display(),
                finished = done.finished,
                removed = done.removed,
                "recordings that a dead daemon had left, and those that were too old"
            );
        }
    }

    fn walk(&self, folder: &Path, depth: u32, done: &mut Done) {
        // A folder that is not there has nothing in it.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            let path = entry.path();
            if kind.is_dir() && depth > 0 {
                self.walk(&path, depth - 1, done);
                if self.is_old(&entry) {
                    // One that is not empty stays.
                    let _ = fs::remove_dir(&path);
                }
            } else if kind.is_file() {
                self.look(&entry, &path, done);
            }
        }
    }

    fn look(&self, entry: &DirEntry, path: &Path, done: &mut Done) {
        if is_whole(path) && self.is_old(entry) {
            match fs::remove_file(path) {
                Ok(()) => done.removed += 1,
                Err(error) => warn!(file = %path.display(), %error, "a recording that is too old cannot be removed"),
            }
        } else if let Some(whole) = whole_of(path)
            && !self.taken.contains(&whole)
            && modified(entry).is_some_and(|modified| modified < self.orphans_before)
        {
            match finish(path, &whole) {
                Ok(()) => done.finished += 1,
                Err(error) => {
                    warn!(file = %path.display(), %error, "what a dead daemon has left of a recording stays so");
                }
            }
        }
    }

    fn is_old(&self, entry: &DirEntry) -> bool {
        let age = modified(entry).and_then(|modified| SystemTime::now().duration_since(modified).ok());
        self.keep_days.zip(age).is_some_and(|(days, age)| age > DAY * days)
    }
}

fn modified(entry: &DirEntry) -> Option<SystemTime> {
    entry.metadata().ok()?.modified().ok()
}

/// Has a file say how long it is, and gives it its name.
fn finish(part: &Path, whole: &Path) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(part)?;
    let mut bytes = [0; HEADER_BYTES];
    (&file).read_exact(&mut bytes)?;
    let rate = rate_of(&bytes).ok_or(io::ErrorKind::InvalidData)?;
    let frames = frames_of(length(&file)?);
    file.set_len(HEADER_BYTES as u64 + frames * FRAME_BYTES as u64)?;
    file.write_all_at(&header(rate, frames), 0)?;
    file.sync_all()?;
    give_name(part, whole)
}

fn length(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.len())
}

#[cfg(test)]
mod tests {
    use undertone_core::mixer::SampleRate;

    use super::*;

    fn age(path: &Path, days: u32) {
        let file = OpenOptions::new().append(true).open(path).expect("opened");
        file.set_modified(SystemTime::now() - DAY * days - Duration::from_secs(60)).expect("set");
    }

    #[test]
    fn what_a_dead_daemon_left_is_finished_and_what_is_old_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("day")).expect("made");
        let left = [&header(SampleRate::Hz8000, 0)[..], &[7; 4 * 100 + 3]].concat();
        for name in ["day/orphan.wav.part", "taken.wav.part", "old.wav", "young.wav", "old.txt"] {
            fs::write(at(name), &left).expect("written");
        }
        fs::write(at("torn.wav.part"), b"RIF").expect("written");
        age(&at("old.wav"), 31);
        age(&at("old.txt"), 31);
        age(&at("young.wav"), 29);
        let taken = HashSet::from([at("taken.wav")]);
        let before = SystemTime::now() + DAY;
        Chore { directory: folder.path().into(), keep_days: Some(30), orphans_before: before, taken }.run();
        let there = ["day/orphan.wav", "taken.wav.part", "torn.wav.part", "young.wav", "old.txt"];
        assert!(there.iter().all(|name| at(name).exists()));
        assert!(!at("old.wav").exists() && !at("day/orphan.wav.part").exists());
        let found = fs::read(at("day/orphan.wav")).expect("read");
        assert_eq!((&found[..HEADER_BYTES], found.len()), (&header(SampleRate::Hz8000, 100)[..], HEADER_BYTES + 400));
    }

    #[test]
    fn what_is_being_written_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = SystemTime::now() - DAY;
        let path = folder.path().join("new.wav.part");
        fs::write(&path, header(SampleRate::Hz8000, 0)).expect("written");
        Chore { directory: folder.path().into(), keep_days: None, orphans_before: before, taken: HashSet::new() }.run();
        assert!(path.exists());
    }
}
