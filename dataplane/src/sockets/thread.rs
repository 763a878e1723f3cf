//! The engine's thread: the loop that waits, walks, sends and counts.

use std::{
    io,
    net::UdpSocket,
    os::fd::AsFd as _,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender},
    },
};

use nix::sys::eventfd::EventFd;
use undertone_abi::{Fate, Reason, RowIndex};
use undertone_core::{
    HeapMemory,
    engine::{Arrival, Departures, Tables},
};

use super::{
    Passed, Shared,
    clock::Clock,
    datagram::Datagram,
    ports::{Ports, Purpose},
};
use crate::{
    counts::Counts,
    door::ring::{Buffer, Event, HEADER, Ring},
};

/// What the engine's owner wants done.
pub(super) enum Command {
    /// Receive at a media port.
    Open(RowIndex, UdpSocket, Reply),
    /// Open a media port's alias.
    OpenAlias(RowIndex, Reply),
    /// Close a media port and its alias.
    Close(RowIndex, Reply),
    /// Answer, when what was received before has left.
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
    /// Readable when there are commands.
    pub(super) bell: Arc<EventFd>,
    pub(super) commands: Receiver<Command>,
    pub(super) passed: Option<SyncSender<Passed>>,
    pub(super) turn: Turn,
}

/// What changes from turn to turn.
pub(super) struct Turn {
    clock: Clock,
    counts: Counts,
    departures: Departures<u32>,
    /// Slots whose receive has ended, and begins again when the kernel has its buffers back.
    ended: Vec<u32>,
    /// Media ports that are being closed.
    closing: Vec<(RowIndex, Reply)>,
    /// Who waits for the end of the turn.
    settling: Vec<Reply>,
    stops: bool,
}

impl Turn {
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::new(),
            counts: Counts::default(),
            departures: Departures::new(),
            ended: Vec::new(),
            closing: Vec::new(),
            settling: Vec::new(),
            stops: false,
        }
    }
}

impl Thread {
    /// Runs until it is told to stop.
    ///
    /// One turn: wait, while the kernel receives; walk what came, and queue what leaves; submit that, after which
    /// every send is over and every buffer is the kernel's again; count.
    pub(super) fn run(&mut self) -> io::Result<()> {
        self.ring.watch(self.bell.as_fd())?;
        while !self.turn.stops {
            self.ring.wait()?;
            self.turn.clock.look();
            loop {
                while let Some(event) = self.ring.next() {
                    self.handle(event);
                }
                if !self.ring.is_queued() {
                    break;
                }
                self.ring.submit()?;
            }
            self.turn.counts.settle(&self.shared.reasons);
            while let Some(slot) = self.turn.ended.pop() {
                self.receive_again(slot);
            }
            for reply in self.turn.settling.drain(..) {
                let _ = reply.try_send(Ok(()));
            }
        }
        Ok(())
    }

    // A ring that is broken breaks the next turn: what is queued in between needs no checking.

    fn handle(&mut self, event: Event) {
        match event {
            Event::Receive { slot, buffer, error, more } => {
                if let Some(buffer) = buffer {
                    self.relay(slot, &buffer);
                    self.ring.give_back(buffer);
                }
                if error == Some(libc::ENOBUFS) {
                    let dry = &self.shared.dry;
                    dry.store(dry.load() + 1);
                }
                if !more {
                    self.turn.ended.push(slot);
                }
            }
            Event::Unsent { tag, error } => {
                if let Some(reason) = Reason::ALL.get(tag as usize) {
                    self.turn.counts.unsent(*reason, error);
                }
            }
            Event::Readable => self.obey(),
        }
    }

    /// Walks one datagram, and queues what leaves.
    fn relay(&mut self, slot: u32, buffer: &Buffer) {
        let Self { ring, ports, turn, .. } = self;
        let Some(datagram) = Datagram::parse(ring.bytes(buffer)) else { return };
        let Some(port) = ports.get_mut(slot) else { return };
        let Purpose::Stream(index, side) = port.purpose else { return };
        if datagram.is_truncated {
            return turn.counts.add(Reason::TooBig);
        }
        // A step of the wall clock must not make time run backwards.
        let now_ns = turn.clock.came_at(datagram.realtime_ns).max(port.last_ns);
        port.last_ns = now_ns;
        let arrival = Arrival { index, side, source: datagram.source, dscp: datagram.dscp, now_ns };
        let tables = Tables { memory: &*self.memory, heartbeat: &self.shared.heartbeat };
        let reason = tables.walk(&arrival, ring.payload_mut(buffer), ports, &mut turn.departures);
        turn.counts.add(reason);
        turn.counts.add_many(Reason::CopyNoHop, turn.departures.copies_stuck());
        self.serve_fresh();
        self.send(buffer);
        if reason.fate() == Fate::Passed {
            self.pass(index, &datagram, buffer);
        }
    }

    /// Queues what leaves of a datagram.
    fn send(&mut self, buffer: &Buffer) {
        let Self { ring, ports, turn, .. } = self;
        for departure in turn.departures.iter() {
            if departure.reason == Reason::CopySent {
                turn.counts.add(Reason::CopySent);
            }
            if let Some(dscp) = departure.dscp
                && let Some(port) = ports.get_mut(departure.socket)
                && port.bears_other(dscp)
            {
                // What is queued leaves with the old one.
                let _ = ring.submit();
                port.set_dscp(dscp);
            }
            if ring.send(departure.socket, buffer, departure.to.into(), departure.reason as u32).is_err() {
                turn.counts.unsent(departure.reason, libc::EAGAIN);
            }
        }
    }

    /// Hands a datagram that is not media to whoever wants it. One that comes faster than it is taken is lost.
    fn pass(&self, row: RowIndex, datagram: &Datagram, buffer: &Buffer) {
        if let Some(passed) = &self.passed {
            let payload = self.ring.bytes(buffer).get(HEADER..).unwrap_or_default().into();
            let _ = passed.try_send(Passed { row, source: datagram.source.into(), payload });
        }
    }

    /// Goes on after a receive has ended: for want of buffers, at an empty datagram, or because the port closes.
    fn receive_again(&mut self, slot: u32) {
        match self.ports.get_mut(slot) {
            Some(port) if port.is_closing => self.finish_closing(slot),
            Some(_) => drop(self.ring.receive(slot)),
            None => {}
        }
    }

    fn obey(&mut self) {
        // The count says nothing that the channel does not.
        let _ = self.bell.read();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Open(row, socket, reply) => {
                    let opened = self.ports.add_port(row, socket).and_then(|slot| self.serve(slot));
                    let _ = reply.try_send(opened);
                }
                Command::OpenAlias(row, reply) => {
                    let opened = self.ports.open_alias(row);
                    self.serve_fresh();
                    let _ = reply.try_send(opened);
                }
                Command::Close(row, reply) => self.close(row, reply),
                Command::Settle(reply) => self.turn.settling.push(reply),
                Command::Stop => self.turn.stops = true,
            }
        }
        let _ = self.ring.watch(self.bell.as_fd());
    }

    /// Makes the ring know a socket, and receive at it if it is a stream's. Closes it when that fails.
    fn serve(&mut self, slot: u32) -> io::Result<()> {
        let Some(port) = self.ports.get_mut(slot) else { return Ok(()) };
        let served = self.ring.register(slot, port.socket.as_fd()).and_then(|()| match port.purpose {
            Purpose::Stream(..) => self.ring.receive(slot),
            Purpose::Spare(_) => Ok(()),
        });
        if served.is_err() {
            self.ports.remove(slot);
        }
        served
    }

    /// Serves the sockets that were opened since.
    fn serve_fresh(&mut self) {
        while let Some(slot) = self.ports.take_fresh() {
            // What leaves by a socket that was closed again counts as unsent.
            let _ = self.serve(slot);
        }
    }

    /// Ends the receives of a media port and its alias; what is left happens when they have.
    fn close(&mut self, row: RowIndex, reply: Reply) {
        let Self { ring, ports, turn, .. } = self;
        for slot in ports.slots_of(row).into_iter().flatten() {
            if let Some(port) = ports.get_mut(slot) {
                port.is_closing = true;
                let _ = ring.cancel(slot);
            }
        }
        turn.closing.push((row, reply));
        self.report_closed();
    }

    fn finish_closing(&mut self, slot: u32) {
        let _ = self.ring.unregister(slot);
        self.ports.remove(slot);
        self.report_closed();
    }

    /// Answers those whose port has no socket any more.
    fn report_closed(&mut self) {
        let ports = &self.ports;
        self.turn.closing.retain(|(row, reply)| {
            let is_closed = ports.slots_of(*row) == [None; 2];
            if is_closed {
                let _ = reply.try_send(Ok(()));
            }
            !is_closed
        });
    }
}
