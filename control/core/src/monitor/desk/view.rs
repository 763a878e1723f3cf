//! What the desk sees of calls, and what is seen of the desk.

use std::net::SocketAddr;

use undertone_core::mixer::{Format, Mode};

use super::session::{Session, Stage};
use crate::{
    audit::By,
    call::{Call, CallId, Media, Role, SoundStream},
    monitor::SessionId,
    permission::Sound,
    time::Nanos,
};

/// What one party of a call sends, as the mixer is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStream {
    /// The media port that it comes to.
    pub at: SocketAddr,
    /// How its packets are to be read; `None` for a codec that the mixer does not know.
    pub format: Option<Format>,
}

/// A session, as it is shown.
#[derive(Clone, Debug)]
pub struct SessionView<'a> {
    /// Its name.
    pub id: SessionId,
    /// Who monitors.
    pub by: &'a By,
    /// The extension that is monitored.
    pub target: &'a str,
    /// Its call; `None` while one is waited for.
    pub call: Option<CallId>,
    /// The mode.
    pub mode: Mode,
    /// How far it is.
    pub state: State,
    /// When it began.
    pub since: Nanos,
}

/// How far a session is, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// That it begins is being written down.
    Starting,
    /// The supervisor's phone is being called.
    Calling,
    /// The supervisor's phone is answered, and has not said yet what it sends.
    Answered,
    /// The supervisor waits for the extension's next call.
    Waiting,
    /// The supervisor hears a call.
    Up,
}

impl State {
    /// The name in the API.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Calling => "calling",
            Self::Answered => "answered",
            Self::Waiting => "waiting",
            Self::Up => "up",
        }
    }

    const fn of(session: &Session) -> Self {
        match session.stage {
            Stage::Auditing | Stage::Unwritten => Self::Starting,
            Stage::Calling => Self::Calling,
            Stage::Answered => Self::Answered,
            Stage::Up if session.call.is_none() => Self::Waiting,
            Stage::Up => Self::Up,
        }
    }
}

impl<'a> SessionView<'a> {
    pub(super) fn new(id: SessionId, session: &'a Session) -> Self {
        Self {
            id,
            by: &session.by,
            target: &session.target,
            call: session.call,
            mode: session.mode,
            state: State::of(session),
            since: session.since,
        }
    }
}

/// The streams of a call's sound: the agent's, and the caller's.
pub(super) fn streams(call: &Call, agent: Role, media: &impl Media) -> Option<[CallStream; 2]> {
    let [caller, callee] = call.session.sound()?;
    let stream = |sound: SoundStream| CallStream { at: sound.at, format: format(&sound, media) };
    let (caller, callee) = (stream(caller), stream(callee));
    Some(match agent {
        Role::Caller => [caller, callee],
        Role::Callee => [callee, caller],
    })
}

/// What the mixer can do with the sound of a call.
pub(super) fn sound(call: &Call, media: &impl Media) -> Sound {
    let Some(streams) = call.session.sound() else { return Sound::None };
    if streams.iter().any(SoundStream::is_secret) {
        Sound::Encrypted
    } else if streams.iter().any(|stream| format(stream, media).is_none()) {
        Sound::Unknown
    } else {
        Sound::Mixable
    }
}

fn format(stream: &SoundStream, media: &impl Media) -> Option<Format> {
    let seen = media.report(stream.at).and_then(|report| report.statistics.payload_type);
    stream.format(seen)
}
