//! The engine's thread.

use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::AsFd as _,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
};

use socket2::Socket;
use undertone_abi::{Fate, Local, Reason, RowIndex};
use undertone_core::{
    HeapMemory,
    engine::{Arrival, Departure, Departures, Tables},
};

use super::{
    Passed, Shared,
    clock::Clock,
    counts::Counts,
    datagram::Datagram,
    ports::Ports,
};
use crate::door::ring::{Event, HEADER, Ring};

/// What the engine's owner wants done.
pub(super) enum Command {
    /// Receive at a media port.
    Open(RowIndex, Socket, Reply),
    /// Keep a socket for copies that no stream's socket can send.
    Spare(Local, Socket, Reply),
    /// Open a media port's alias.
    OpenAlias(RowIndex, Reply),
    /// Close a media port and its alias.
    Close(RowIndex, Reply),
    /// Answer, when all that came before is done.
    Settle(Reply),
    /// End.
    Stop,
}

/// Where the outcome of a command goes.
pub(super) type Reply = SyncSender<io::Result<()>>;

/// All that the thread has.
pub(super) struct Thread {
    pub(super) memory: Arc<HeapMemory>,
    pub(super) shared: Arc<Shared>,
    pub(super) ring: Ring,
    pub(super) ports: Ports,
    pub(super) bell: Arc<File>,
    pub(super) commands: Receiver<Command>,
    pub(super) passed: Option<SyncSender<Passed>>,
    pub(super) state: State,
}

/// What changes from turn to turn.
pub(super) struct State {
    pub(super) clock: Clock,
    pub(super) counts: Counts,
    pub(super) departures: Departures<u32>,
    /// Sockets whose receive has ended and begins again when buffers are back.
    pub(super) ended: Vec<u32>,
    /// Media ports that are being closed.
    pub(super) closing: Vec<(RowIndex, Reply)>,
    pub(super) stops: bool,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::new(),
            counts: Counts::default(),
            departures: Departures::new(),
            ended: Vec::new(),
            closing: Vec::new(),
            stops: false,
        }
    }
}

impl Thread {
    /// Runs until it is told to stop.
    ///
    /// One turn: wait, and let the kernel receive; walk what came, queueing what leaves; submit it, after which every
    /// send is over and every buffer the kernel's again; count.
    pub(super) fn run(&mut self) -> io::Result<()> {
        self.ring.watch(self.bell.as_fd())?;
        while !self.state.stops {
            self.ring.wait()?;
            self.state.clock.look();
            loop {
                while let Some(event) = self.ring.next() {
                    self.handle(event)?;
                }
                if !self.ring.is_queued() {
                    break;
                }
                self.ring.submit()?;
            }
            self.state.counts.settle(&self.shared.reasons);
            for slot in self.state.ended.drain(..) {
                self.ring.receive(slot)?;
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::Receive { slot, buffer, more, error: _ } => {
                if let Some(buffer) = buffer {
                    self.relay(slot, &buffer)?;
                    self.ring.give_back(buffer);
                }
                if !more {
                    self.end(slot)?;
                }
                Ok(())
            }
            Event::Unsent { tag, error } => {
                self.state.counts.unsent(tag, error);
                Ok(())
            }
            Event::Readable => self.obey(),
        }
    }
}
