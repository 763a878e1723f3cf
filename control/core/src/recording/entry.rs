//! A recording: what was decided when it began, and what is recorded now.

use std::{net::SocketAddr, path::PathBuf};

use undertone_core::mixer::{Codec, Format, SampleRate};

use super::To;
use crate::{
    audit::{By, Event, On, What},
    call::{CallId, Media, Role, SoundStream},
    time::Nanos,
};

/// What our own recorder is to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writing {
    /// The file. It has another name ([`part_of`](super::part_of)) until it is whole.
    pub path: PathBuf,
    /// The rate of its samples.
    pub rate: SampleRate,
    /// Whether the group of the daemon's user may read it.
    pub group_readable: bool,
    /// The moment that its first sample is of.
    pub since: Nanos,
    /// Whether it goes on from before the daemon was started.
    pub goes_on: bool,
}

/// A party's stream, as it is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The media port that it comes to.
    pub at: SocketAddr,
    /// Payload types of sound.
    pub codecs: Vec<(u8, Codec)>,
}

/// A call that is recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The call.
    pub call: CallId,
    /// What was decided when it began.
    pub begun: Begun,
    /// What is recorded now.
    pub streams: [Stream; 2],
}

/// What of a recording was decided when it began.
#[derive(Clone, Debug, PartialEq)]
pub struct Begun {
    /// Which party is the agent.
    pub agent: Role,
    /// Whose doing it was.
    pub by: By,
    /// Why.
    pub why: Why,
    /// When it began.
    pub since: Nanos,
    /// The operator's ports that copies go to.
    pub to: Option<[SocketAddr; 2]>,
    /// The file.
    pub file: Option<File>,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where it is when it is whole.
    pub path: PathBuf,
    /// The rate of its samples.
    pub rate: SampleRate,
    /// Whether the group of the daemon's user may read it.
    pub group_readable: bool,
    /// How it is.
    pub state: FileState,
}

/// How a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is being written.
    Writing,
    /// No more is written. It has what was written until then.
    Failed(Fault),
}

/// Why a file is not written any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// There is no room on the disk.
    DiskFull,
    /// The disk takes longer to write than the call to speak.
    DiskSlow,
    /// The folder or the file cannot be written.
    NotWritable,
    /// A file of this form cannot be longer.
    TooLong,
}

/// Why a call is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Its route says so.
    Route,
    /// Whose call it is says so.
    Rule,
    /// Somebody has asked.
    Asked,
}

/// A party's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The media port that it comes to.
    pub at: SocketAddr,
    /// How its packets are to be read; `None` for a codec that is not known here.
    pub format: Option<Format>,
    /// Whether only the parties can read it.
    pub is_secret: bool,
}

/// The day and the time, by the node's clock, as they stand in a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Like `2026-11-27`.
    pub date: String,
    /// Like `08-30-00`.
    pub time: String,
}

impl Recording {
    /// Where the copies of each stream go.
    pub(super) fn destinations(&self) -> [Vec<To>; 2] {
        let file = self.is_written().then_some(To::File);
        [0, 1].map(|side| file.into_iter().chain(self.begun.to.map(|to| To::Port(to[side]))).collect())
    }

    /// Whether a file is being written.
    pub fn is_written(&self) -> bool {
        self.begun.file.as_ref().is_some_and(|file| file.state == FileState::Writing)
    }

    pub(super) const fn fail(&mut self, fault: Fault) {
        if let Some(file) = &mut self.begun.file {
            file.state = FileState::Failed(fault);
        }
    }

    pub(super) fn event(&self, what: What, by: By, extension: String) -> Event {
        let on = On { extension, ..On::default() };
        let event = Event { on, call: Some(self.call), ..Event::new(what, by) };
        let file = self.begun.file.as_ref().map(|file| file.path.display().to_string());
        let event = if let Some(file) = file { event.with("file", file) } else { event };
        match self.begun.to {
            Some(to) => event.with("copies", to.map(|to| to.to_string()).to_vec()),
            None => event,
        }
    }
}

impl Stream {
    pub(super) fn of(sound: &SoundStream, media: &impl Media) -> Self {
        let seen = media.report(sound.at).and_then(|report| report.statistics.payload_type);
        Self { at: sound.at, format: sound.format(seen), is_secret: sound.is_secret() }
    }
}

impl Track {
    pub(super) fn of(sound: &SoundStream) -> Self {
        Self { at: sound.at, codecs: sound.codecs().collect() }
    }
}
