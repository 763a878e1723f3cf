//! One file that is being written.

use std::{
    cell::Cell,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    rc::Rc,
};

use tokio::{
    sync::mpsc::UnboundedSender,
    task::{JoinHandle, spawn_local},
};
use tokio_uring::fs::File;
use tracing::warn;
use undertone_control_core::{
    call::CallId,
    recording::{Fault, FileReport, Writing, part_of},
    time::Nanos,
};
use undertone_core::{
    mixer::{Codec, Party, SampleRate},
    recorder::{
        Stereo,
        wav::{FRAME_BYTES, FRAMES_MAX, HEADER_BYTES, frames_of, header},
    },
};
use undertone_dataplane::monotonic_ns;

/// What may wait for the disk, in seconds of sound. With more the file is given up.
const BACKLOG_S_MAX: usize = 30;

/// What stands at the end of a path is not followed elsewhere.
const NOFOLLOW: i32 = nix::fcntl::OFlag::O_NOFOLLOW.bits();

/// A file, and the sound that goes into it.
pub(super) struct Tape {
    stereo: Stereo,
    rate: SampleRate,
    since: Nanos,
    path: PathBuf,
    file: Rc<File>,
    /// Frames that wait for the disk.
    waiting: Vec<u8>,
    /// The frame that the first of them is.
    next: u64,
    /// Frames that are in the file for good.
    done: Rc<Cell<u64>>,
    writing: Option<JoinHandle<io::Result<()>>>,
}

impl Tape {
    /// Opens a file, and puts its header in front: it can be read from now on, and is what it says whenever we die. What it
    /// goes on from before has a hole where nobody wrote, which is read as silence.
    pub(super) fn open(writing: Writing) -> Result<Self, (PathBuf, io::Error)> {
        let Writing { path, rate, group_readable, since, goes_on } = writing;
        let open = || -> io::Result<(fs::File, u64)> {
            let part = part_of(&path);
            let (file_mode, folder_mode) = if group_readable { (0o640, 0o750) } else { (0o600, 0o700) };
            if let Some(folder) = path.parent() {
                DirBuilder::new().recursive(true).mode(folder_mode).create(folder)?;
            }
            let mut options = OpenOptions::new();
            options.read(true).write(true).mode(file_mode).custom_flags(NOFOLLOW);
            let file = match options.open(&part) {
                Ok(file) if goes_on => file,
                Ok(_) => return Err(ErrorKind::AlreadyExists.into()),
                Err(error) if error.kind() == ErrorKind::NotFound => options.create_new(true).open(&part)?,
                Err(error) => return Err(error),
            };
            let frames = frames_of(file.metadata()?.len());
            std::os::unix::fs::FileExt::write_all_at(&file, &header(rate, frames), 0)?;
            Ok((file, frames))
        };
        let (file, frames) = match open() {
            Ok(opened) => opened,
            Err(error) => return Err((path, error)),
        };
        let passed_ns = u128::from(monotonic_ns().saturating_sub(since.0));
        let passed = if goes_on { (passed_ns * u128::from(rate.hz()) / 1_000_000_000) as u64 } else { 0 };
        let next = frames.max(passed);
        Ok(Self {
            stereo: Stereo::new(rate, next),
            rate,
            since,
            path,
            file: Rc::new(File::from_std(file)),
            waiting: Vec::new(),
            next,
            done: Rc::new(Cell::new(frames)),
            writing: None,
        })
    }

    pub(super) fn set_codecs(&mut self, party: Party, codecs: &[(u8, Codec)]) {
        self.stereo.set_codecs(party, codecs);
    }

    /// Takes in a packet that came at a time.
    pub(super) fn receive(&mut self, party: Party, at_ns: u64, packet: &[u8]) {
        self.stereo.receive(party, at_ns.saturating_sub(self.since.0), packet);
    }

    /// Has written what is old enough, as soon as what was before is.
    pub(super) async fn write(&mut self, now_ns: u64) -> Result<(), Fault> {
        let taken = self.stereo.take(now_ns.saturating_sub(self.since.0), &mut self.waiting);
        // Want of memory for a codec.
        taken.map_err(|_| Fault::NotWritable)?;
        if self.writing.as_ref().is_some_and(|writing| !writing.is_finished()) {
            let backlog_max = BACKLOG_S_MAX * self.rate.hz() as usize * FRAME_BYTES;
            return if self.waiting.len() > backlog_max { Err(Fault::DiskSlow) } else { Ok(()) };
        }
        self.settle().await.map_err(|error| fault(&error))?;
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.next + frames_in(&self.waiting) > FRAMES_MAX {
            return Err(Fault::TooLong);
        }
        let (frames, at) = self.take_waiting();
        self.writing = Some(spawn_local(append(Rc::clone(&self.file), self.rate, frames, at, Rc::clone(&self.done))));
        Ok(())
    }

    /// Waits until what is being written is.
    async fn settle(&mut self) -> io::Result<()> {
        match self.writing.take() {
            Some(writing) => writing.await.map_err(io::Error::other)?,
            None => Ok(()),
        }
    }

    fn take_waiting(&mut self) -> (Vec<u8>, u64) {
        let (frames, at) = (std::mem::take(&mut self.waiting), self.next);
        self.next += frames_in(&frames);
        (frames, at)
    }

    /// Writes all that there is until now.
    async fn write_all(&mut self) -> Result<(), Fault> {
        let since_ns = monotonic_ns().saturating_sub(self.since.0);
        self.stereo.take_all(since_ns, &mut self.waiting).map_err(|_| Fault::NotWritable)?;
        let written = async {
            self.settle().await?;
            let (frames, at) = self.take_waiting();
            append(Rc::clone(&self.file), self.rate, frames, at, Rc::clone(&self.done)).await?;
            self.file.sync_all().await
        };
        written.await.map_err(|error| fault(&error))
    }

    /// Finishes the file, and tells what has become of it.
    pub(super) fn finish(mut self, id: CallId, reports: UnboundedSender<(CallId, FileReport)>) {
        spawn_local(async move {
            let report = match self.write_all().await {
                Ok(()) => self.name().map_or_else(|error| FileReport::Failed(fault(&error)), |()| FileReport::Finished),
                Err(fault) => self.cut(fault),
            };
            let _ = reports.send((id, report));
        });
    }

    /// Finishes the file with what is in it.
    pub(super) fn give_up(mut self, id: CallId, fault: Fault, reports: UnboundedSender<(CallId, FileReport)>) {
        spawn_local(async move {
            // That it fails is known.
            let _ = self.settle().await;
            let _ = reports.send((id, self.cut(fault)));
        });
    }

    /// Leaves the file to whoever goes on with it.
    pub(super) async fn leave(mut self) {
        if let Err(fault) = self.write_all().await {
            warn!(file = %self.path.display(), reason = fault.key(), "the last words of a recording are not written");
        }
    }

    /// Has the file end where it was written for good.
    fn cut(&self, fault: Fault) -> FileReport {
        let done = self.done.get();
        let cut = || -> io::Result<()> {
            let file = OpenOptions::new().write(true).open(part_of(&self.path))?;
            file.set_len(HEADER_BYTES as u64 + done * FRAME_BYTES as u64)?;
            std::os::unix::fs::FileExt::write_all_at(&file, &header(self.rate, done), 0)?;
            self.name()
        };
        if let Err(error) = cut() {
            warn!(file = %self.path.display(), %error, "a recording that has failed keeps its name of a part");
        }
        FileReport::Failed(fault)
    }

    /// Gives the file the name of one that is whole.
    fn name(&self) -> io::Result<()> {
        give_name(&part_of(&self.path), &self.path)
    }
}

/// Gives a file another name, that of no other.
pub(in crate::recording) fn give_name(from: &Path, to: &Path) -> io::Result<()> {
    if to.try_exists()? {
        return Err(ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Writes frames, and then the header that speaks of them.
async fn append(file: Rc<File>, rate: SampleRate, frames: Vec<u8>, at: u64, done: Rc<Cell<u64>>) -> io::Result<()> {
    let until = at + frames_in(&frames);
    let (written, _) = file.write_all_at(frames, HEADER_BYTES as u64 + at * FRAME_BYTES as u64).await;
    written?;
    let (written, _) = file.write_all_at(header(rate, until).to_vec(), 0).await;
    written?;
    done.set(until);
    Ok(())
}

const fn frames_in(frames: &[u8]) -> u64 {
    (frames.len() / FRAME_BYTES) as u64
}

/// Why nothing more is written.
pub(super) fn fault(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::DiskFull,
        ErrorKind::FileTooLarge => Fault::TooLong,
        _ => Fault::NotWritable,
    }
}
