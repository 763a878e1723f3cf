//! Signalling's handle on the thread that sends and hears.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::{Codec, Heard, Leg, Media, Sound, engine};

/// The ports that are tried, the even ones (RFC 3550 §11).
const PORTS: std::ops::Range<u16> = 16_384..60_000;

/// What the thread is asked to do.
pub(super) enum Command {
    Open(u64, UdpSocket),
    Start(u64, SocketAddr, Codec),
    Stop(u64),
}

/// All legs.
pub(in crate::calls) struct Legs {
    commands: UnboundedSender<Command>,
    thread: JoinHandle<Result<Heard>>,
    opened: u64,
    next_port: u16,
}

impl Legs {
    /// Starts the thread, which has `sound` to send.
    pub(in crate::calls) fn new(sound: Sound) -> Result<Self> {
        // A socket for each end of each call: as many as the system grants.
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        }
        let (commands, inbox) = unbounded_channel();
        let thread = thread::Builder::new().name("media".to_owned()).spawn(move || engine::run(sound, inbox))?;
        Ok(Self { commands, thread, opened: 0, next_port: PORTS.start })
    }

    /// Ends the thread, and says what it counted.
    pub(in crate::calls) fn finish(self) -> Result<Heard> {
        drop(self.commands);
        self.thread.join().map_err(|_| anyhow!("the thread that sends sound has failed"))?
    }

    fn bind(&mut self, ip: IpAddr) -> Result<UdpSocket> {
        for _ in PORTS.step_by(2) {
            let port = self.next_port;
            self.next_port = if port + 2 < PORTS.end { port + 2 } else { PORTS.start };
            match UdpSocket::bind((ip, port)) {
                Err(error) if error.kind() == ErrorKind::AddrInUse => {}
                result => {
                    return result.with_context(|| {
                        format!("no socket for sound at {ip}: `ulimit -n` limits how many there may be, two a call")
                    });
                }
            }
        }
        bail!("all ports for sound at {ip}, {} to {}, are taken", PORTS.start, PORTS.end);
    }

    fn ask(&self, command: Command) {
        // The thread ends by itself only when it cannot work; `finish` tells why.
        let _ = self.commands.send(command);
    }
}

impl Media for Legs {
    fn open(&mut self, ip: IpAddr) -> Result<Leg> {
        let socket = self.bind(ip)?;
        let local = socket.local_addr()?;
        self.opened += 1;
        self.ask(Command::Open(self.opened, socket));
        Ok(Leg { id: self.opened, local })
    }

    fn start(&mut self, leg: Leg, remote: SocketAddr, codec: Codec) {
        self.ask(Command::Start(leg.id, remote, codec));
    }

    fn stop(&mut self, leg: Leg) {
        self.ask(Command::Stop(leg.id));
    }
}
