//! The thread that sends: every stream has its moment within 20 ms, as telephones have that know nothing of each other.

use std::{
    io::IoSlice,
    net::{SocketAddrV4, UdpSocket},
    os::fd::AsRawFd as _,
    sync::{Arc, atomic::Ordering, mpsc::Receiver},
    thread,
    time::Duration,
};

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};

use super::{
    Order, PACKET_NS, Shared, Side, Stream, lock, now_ns,
    packet::{self, LENGTH},
};

/// Packets that one call of the system sends at most: they have one time.
const BATCH: usize = 8;
/// The least that is slept. What is due meanwhile is sent together.
const NAP: Duration = Duration::from_micros(50);
/// How often a key's packet is sent (RFC 4733 §2.5.1.4).
const KEY_PACKETS: u64 = 3;

/// What sends.
pub(super) struct Sender {
    exits: [Option<Exit>; 3],
    shared: Arc<Shared>,
    orders: Receiver<Order>,
    /// Streams by their moment.
    schedule: Vec<(u64, Stream)>,
    /// Which of them is next, and in which turn of 20 ms.
    next: usize,
    turn: u64,
    origin_ns: u64,
    key: Option<Key>,
}

/// A key that is pressed.
struct Key {
    number: u32,
    event: u8,
    /// The turn of its first packet.
    first: Option<u64>,
}

impl Sender {
    pub(super) fn new(sockets: [Option<UdpSocket>; 3], shared: Arc<Shared>, orders: Receiver<Order>) -> Self {
        let [caller, agent, supervisor] = sockets;
        let exit = |side, socket: Option<UdpSocket>| socket.map(|socket| Exit::new(side, socket));
        Self {
            exits: [exit(Side::Caller, caller), exit(Side::Agent, agent), exit(Side::Supervisor, supervisor)],
            shared,
            orders,
            schedule: Vec::new(),
            next: 0,
            turn: 0,
            origin_ns: now_ns(),
            key: None,
        }
    }

    pub(super) fn run(mut self) {
        while !self.shared.stops.load(Ordering::Relaxed) {
            while let Ok(order) = self.orders.try_recv() {
                self.obey(order);
            }
            self.send_due();
            let wait =
                self.next_ns().map_or(NAP * 20, |next_ns| Duration::from_nanos(next_ns.saturating_sub(now_ns())));
            thread::sleep(wait.clamp(NAP, NAP * 20));
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Streams(streams) => {
                self.schedule = streams.into_iter().map(|stream| (moment_ns(&stream), stream)).collect();
                self.schedule.sort_unstable_by_key(|(moment_ns, _)| *moment_ns);
                let since_ns = now_ns() - self.origin_ns;
                self.turn = since_ns / PACKET_NS;
                self.next = self.schedule.partition_point(|(moment_ns, _)| *moment_ns < since_ns % PACKET_NS);
            }
            Order::Press(number, event) => self.key = Some(Key { number, event, first: None }),
        }
    }

    /// When the next packet is due.
    fn next_ns(&mut self) -> Option<u64> {
        if self.next >= self.schedule.len() {
            (self.next, self.turn) = (0, self.turn + 1);
        }
        let (moment_ns, _) = self.schedule.get(self.next)?;
        Some(self.origin_ns + self.turn * PACKET_NS + moment_ns)
    }

    fn send_due(&mut self) {
        let now = now_ns();
        while let Some(due_ns) = self.next_ns().filter(|due_ns| *due_ns <= now)
            && let Some((_, stream)) = self.schedule.get(self.next).copied()
        {
            self.next += 1;
            let Some(exit) = &mut self.exits[stream.side as usize] else { continue };
            let key = self.key.as_mut().filter(|key| stream.side == Side::Supervisor && key.number == stream.number);
            if exit.queue(&stream, self.turn, due_ns, key, &self.shared) {
                self.key = None;
            }
        }
        for exit in self.exits.iter_mut().flatten() {
            exit.flush(&self.shared);
        }
    }
}

/// When within 20 ms a stream sends: anywhere, and always there (splitmix64).
fn moment_ns(stream: &Stream) -> u64 {
    let place = u64::from(stream.number) * 3 + stream.side as u64 + 1;
    let mixed = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((u128::from(mixed ^ mixed >> 31) * u128::from(PACKET_NS)) >> 64) as u64
}

/// One side's socket, with what is about to leave.
struct Exit {
    side: Side,
    socket: UdpSocket,
    packets: [[u8; LENGTH]; BATCH],
    lengths: [usize; BATCH],
    to: [Option<SockaddrIn>; BATCH],
    due_ns: [u64; BATCH],
    count: usize,
    headers: MultiHeaders<SockaddrIn>,
    template: [u8; LENGTH],
}

impl Exit {
    fn new(side: Side, socket: UdpSocket) -> Self {
        Self {
            side,
            socket,
            packets: [[0; LENGTH]; BATCH],
            lengths: [0; BATCH],
            to: [None; BATCH],
            due_ns: [0; BATCH],
            count: 0,
            headers: MultiHeaders::preallocate(BATCH, None),
            template: packet::template(side),
        }
    }

    /// Queues a stream's packet. True when it is the last of a key.
    fn queue(&mut self, stream: &Stream, turn: u64, due_ns: u64, key: Option<&mut Key>, shared: &Shared) -> bool {
        let (at, ssrc) = (self.count, (stream.side as u32 + 1) << 24 | stream.number);
        self.packets[at] = self.template;
        let mut is_last = false;
        if let Some(key) = key {
            let first = *key.first.get_or_insert(turn);
            if first == turn {
                shared.pressed_ns.store(now_ns(), Ordering::SeqCst);
            }
            self.lengths[at] = packet::event(&mut self.packets[at], turn, first, ssrc, key.event);
            is_last = turn + 1 >= first + KEY_PACKETS;
        } else {
            packet::number(&mut self.packets[at], turn, ssrc);
            self.lengths[at] = LENGTH;
        }
        self.to[at] = Some(address(stream.to));
        self.due_ns[at] = due_ns;
        self.count += 1;
        if self.count == BATCH {
            self.flush(shared);
        }
        is_last
    }

    fn flush(&mut self, shared: &Shared) {
        let count = std::mem::take(&mut self.count);
        if count == 0 {
            return;
        }
        let now = now_ns();
        for (packet, length) in self.packets[..count].iter_mut().zip(self.lengths) {
            if length == LENGTH {
                packet::stamp(packet, now);
            }
        }
        let mut tally = lock(&shared.sent);
        if shared.is_counted(now) {
            tally.packets[self.side as usize] += count as u64;
            self.due_ns[..count].iter().for_each(|due_ns| tally.late.note(now.saturating_sub(*due_ns)));
        }
        drop(tally);
        let slices: [_; BATCH] = std::array::from_fn(|at| [IoSlice::new(&self.packets[at][..self.lengths[at]])]);
        let socket = self.socket.as_raw_fd();
        // What does not leave is missed by who counts what arrives.
        let _ = sendmmsg(socket, &mut self.headers, slices[..count].iter(), self.to, [], MsgFlags::empty());
    }
}

fn address(to: SocketAddrV4) -> SockaddrIn {
    SockaddrIn::from(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_spread_over_twenty_milliseconds() {
        let to = SocketAddrV4::new([10, 0, 0, 1].into(), 4000);
        let streams = (0..1000).flat_map(|number| Side::ALL.map(|side| Stream { side, number, to }));
        let mut counts = [0; 20];
        for stream in streams {
            counts[(moment_ns(&stream) / 1_000_000) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (100..=200).contains(count)), "{counts:?}");
    }
}
