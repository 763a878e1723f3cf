//! The connection to the daemon.

use std::{
    io::{self, BufRead as _, BufReader, ErrorKind, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use super::output::print_lines;
use crate::{
    failure::{Exit, Failure},
    protocol::{Answer, Request, decode_answer, encode_request},
};

/// How long the daemon may think about an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the daemon with this control socket.
    pub(crate) fn connect(socket: &Path) -> Result<Self, Failure> {
        let open = || {
            let stream = UnixStream::connect(socket)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream)
        };
        let stream = open().map_err(|error| nobody(socket, &error))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Asks, and waits for the answer. A refusal is a failure.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let line = encode_request(request).map_err(|error| Failure::new(format!("cannot ask: {error}")))?;
        let stream = self.stream.get_mut();
        // A daemon that has no room says so and closes at once: what it said is worth more than that it closed.
        let sent = writeln!(stream, "{line}");
        let mut answer = Vec::new();
        let read = self.stream.read_until(b'\n', &mut answer);
        if answer.is_empty() {
            sent.and(read.map(drop)).map_err(|error| silent(&error))?;
            return Err(silent(&ErrorKind::UnexpectedEof.into()));
        }
        match decode_answer(&answer) {
            Ok(Answer::Error(refusal)) => Err(refusal.into()),
            Ok(answer) => Ok(answer),
            Err(reason) => Err(Failure::new(format!("the daemon's answer makes no sense: {reason}"))
                .with_way_out("use the `undertone` that the daemon was started from, or restart the daemon")),
        }
    }

    /// Asks for something to be done, and prints what was.
    pub(crate) fn order(&mut self, request: &Request) -> Result<(), Failure> {
        match self.ask(request)? {
            Answer::Done { did } => print_lines(&did),
            other => Err(unexpected(&other)),
        }
    }

    /// The connection itself, and what has come over it unread.
    pub(crate) fn into_stream(self) -> (UnixStream, Vec<u8>) {
        let unread = self.stream.buffer().to_vec();
        (self.stream.into_inner(), unread)
    }
}

/// An answer to another question.
pub(crate) fn unexpected(answer: &Answer) -> Failure {
    Failure::new(format!("the daemon answered something else than was asked: {answer:?}"))
}

fn nobody(socket: &Path, error: &io::Error) -> Failure {
    let socket = socket.display();
    let (error, way_out) = match error.kind() {
        ErrorKind::NotFound => (
            format!("no daemon is running: there is no control socket {socket}"),
            "start one with `undertone run --config FILE`, or name its socket with --socket PATH".to_owned(),
        ),
        ErrorKind::ConnectionRefused => (
            format!("no daemon answers on {socket}: the one that made this socket is gone"),
            "start it again with `undertone run --config FILE`; pinned streams go on meanwhile".to_owned(),
        ),
        ErrorKind::PermissionDenied => (
            format!("not allowed to speak with the daemon on {socket}"),
            "run this as root, or as a member of the group that the socket belongs to".to_owned(),
        ),
        _ => (
            format!("cannot connect to the control socket {socket}: {error}"),
            "name another with --socket PATH".to_owned(),
        ),
    };
    Failure::new(error).with_way_out(way_out).with_exit(Exit::NoDaemon)
}

fn silent(error: &io::Error) -> Failure {
    let error = match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("the daemon has not answered for {} s", PATIENCE.as_secs())
        }
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the daemon closed the connection without an answer".into()
        }
        _ => format!("the connection to the daemon broke: {error}"),
    };
    Failure::new(error).with_way_out("look into the daemon's log").with_exit(Exit::NoDaemon)
}
