//! An `io_uring` that receives datagrams and sends them on.
//!
//! What makes the interface safe: memory that the kernel reads or writes belongs to the [`Ring`], and the ring waits
//! for every receive to end before it frees any. A send never outlives the call that submits it: `MSG_DONTWAIT` makes
//! the kernel copy the payload or fail at once.

use std::{
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
};

use io_uring::{
    IoUring, cqueue,
    opcode::{AsyncCancel, PollAdd, RecvMsgMulti, Send},
    squeue,
    types::{CancelBuilder, Fd, Fixed, SubmitArgs, Timespec},
};

pub(crate) use super::buffers::Buffer;
use super::{
    buffers::{GROUP, Pool},
    target::Target,
};

/// Bytes before the payload in a received buffer: the kernel's header, the sender's name and control messages.
pub(crate) const HEADER: usize = 16 + NAME + CONTROL;
/// Bytes kept for the sender: a `sockaddr_in6` and what aligns the control messages behind it.
pub(crate) const NAME: usize = 32;
/// Bytes kept for control messages: a time and a traffic class.
pub(crate) const CONTROL: usize = 56;

/// Bytes of the largest payload that [`Ring::send_bytes`] takes.
pub(crate) const PAYLOAD: usize = 2048;

/// Events that are never waited for longer.
const EVENTS_MANY: usize = 256;

/// How large a ring is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingSize {
    /// Requests that can be queued, a power of two.
    pub(crate) queue: u32,
    /// Completions that can wait, a power of two.
    pub(crate) completions: u32,
    /// Buffers to receive into, a power of two up to 32,768.
    pub(crate) buffers: u16,
    /// Bytes of one buffer, a multiple of 64 below 65,536.
    pub(crate) buffer_bytes: usize,
    /// Sockets that can be registered.
    pub(crate) sockets: u32,
}

/// What the kernel says.
#[derive(Debug)]
pub(crate) enum Event {
    /// A socket has received, or its receive has ended, or both.
    Receive {
        /// The socket.
        slot: u32,
        /// The datagram, when there is one.
        buffer: Option<Buffer>,
        /// Why there is none, as an `errno`.
        error: Option<i32>,
        /// Whether more may come without another [`Ring::receive`].
        more: bool,
    },
    /// A datagram was not sent.
    Unsent {
        /// What [`Ring::send`] was told.
        tag: u32,
        /// Why, as an `errno`.
        error: i32,
    },
    /// The watched descriptor is readable; it is watched no longer.
    Readable,
}

/// What a request was, in the upper half of its user data; the lower is its slot or tag.
mod kind {
    pub(super) const RECEIVE: u64 = 1 << 32;
    pub(super) const SEND: u64 = 2 << 32;
    pub(super) const WATCH: u64 = 3 << 32;
    pub(super) const CANCEL: u64 = 4 << 32;
    pub(super) const MASK: u64 = !0 << 32;
}

/// The ring, its buffers and its registered sockets. Belongs to the thread that made it.
pub(crate) struct Ring {
    // Both are dropped by hand, in this order and only when the kernel is done with the pool.
    uring: ManuallyDrop<IoUring>,
    pool: ManuallyDrop<Pool>,
    /// Says how much room for names and control messages a receive leaves.
    layout: Box<libc::msghdr>,
    /// Destinations of the sends that are queued, by order.
    targets: Box<[Target]>,
    /// Payloads of ours among them.
    payloads: Box<[[u8; PAYLOAD]]>,
    sends: usize,
    /// Receives and watches that have not ended.
    lasting: usize,
    /// Whether the kernel knows how to wait for more than one event and for not too long.
    can_wait_for_more: bool,
}

impl Ring {
    /// A ring for the calling thread.
    pub(crate) fn new(size: RingSize) -> io::Result<Self> {
        let uring = IoUring::builder()
            .setup_cqsize(size.completions)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .build(size.queue)?;
        uring.submitter().register_files_sparse(size.sockets)?;
        // SAFETY: `drop` ends every receive and closes the ring before the pool goes.
        let pool = unsafe { Pool::register(&uring.submitter(), size.buffers, size.buffer_bytes)? };
        // SAFETY: zeros are a valid `msghdr`: null pointers and no lengths.
        let mut layout: Box<libc::msghdr> = Box::new(unsafe { std::mem::zeroed() });
        layout.msg_namelen = NAME as u32;
        layout.msg_controllen = CONTROL;
        let can_wait_for_more = uring.params().is_feature_min_timeout();
        let targets = (0..uring.params().sq_entries()).map(|_| Target::default()).collect();
        Ok(Self {
            uring: ManuallyDrop::new(uring),
            pool: ManuallyDrop::new(pool),
            layout,
            targets,
            payloads: Box::default(),
            sends: 0,
            lasting: 0,
            can_wait_for_more,
        })
    }

    /// Puts a socket into a slot.
    pub(crate) fn register(&self, slot: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.update(slot, socket.as_raw_fd())
    }

    /// Empties a slot. Its receive has ended before.
    pub(crate) fn unregister(&self, slot: u32) -> io::Result<()> {
        self.update(slot, -1)
    }

    fn update(&self, slot: u32, fd: RawFd) -> io::Result<()> {
        self.uring.submitter().register_files_update(slot, &[fd]).map(drop)
    }

    /// Receives at a socket, until an [`Event::Receive`] says that it is over.
    pub(crate) fn receive(&mut self, slot: u32) -> io::Result<()> {
        let entry = RecvMsgMulti::new(Fixed(slot), &raw const *self.layout, GROUP).build();
        self.push_patiently(&entry.user_data(kind::RECEIVE | slot as u64))?;
        self.lasting += 1;
        Ok(())
    }

    /// Ends the receive at a socket, which an [`Event::Receive`] will confirm.
    pub(crate) fn cancel(&mut self, slot: u32) -> io::Result<()> {
        let entry = AsyncCancel::new(kind::RECEIVE | slot as u64).build();
        self.push_patiently(&entry.user_data(kind::CANCEL).flags(squeue::Flags::SKIP_SUCCESS))
    }

    /// Waits for `fd` to become readable, once. It has to stay open until then.
    pub(crate) fn watch(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let entry = PollAdd::new(Fd(fd.as_raw_fd()), libc::POLLIN as u32).build();
        self.push_patiently(&entry.user_data(kind::WATCH))?;
        self.lasting += 1;
        Ok(())
    }

    /// Makes room for payloads of ours: [`send_bytes`](Self::send_bytes) may be called then.
    pub(crate) fn keep_payloads(&mut self) {
        self.payloads = vec![[0; PAYLOAD]; self.targets.len()].into();
    }

    /// Queues a copy of `payload` to be sent from a socket. Only failure is an event: [`Event::Unsent`].
    pub(crate) fn send_bytes(&mut self, slot: u32, payload: &[u8], to: Target, tag: u32) -> io::Result<()> {
        if self.sends == self.targets.len() {
            self.submit()?;
        }
        let place = self.payloads.get_mut(self.sends).and_then(|place| place.get_mut(..payload.len()));
        let Some(place) = place else { return Err(io::ErrorKind::InvalidInput.into()) };
        place.copy_from_slice(payload);
        let (address, length) = (place.as_ptr(), payload.len() as u32);
        self.queue_send(slot, address, length, to, tag)
    }

    /// Queues the payload in `buffer` to be sent from a socket. Only failure is an event: [`Event::Unsent`].
    pub(crate) fn send(&mut self, slot: u32, buffer: &Buffer, to: Target, tag: u32) -> io::Result<()> {
        if self.sends == self.targets.len() {
            self.submit()?;
        }
        let payload = self.pool.bytes(buffer).get(HEADER..).unwrap_or_default();
        let (address, length) = (payload.as_ptr(), payload.len() as u32);
        self.queue_send(slot, address, length, to, tag)
    }

    /// Queues bytes of the pool or of the payloads, which nobody changes before they are submitted.
    fn queue_send(&mut self, slot: u32, address: *const u8, length: u32, to: Target, tag: u32) -> io::Result<()> {
        let Some(target) = self.targets.get_mut(self.sends) else { return Err(io::ErrorKind::WouldBlock.into()) };
        *target = to;
        let entry = Send::new(Fixed(slot), address, length)
            .flags(libc::MSG_DONTWAIT)
            .dest_addr(target.as_ptr())
            .dest_addr_len(target.length())
            .build();
        self.push(&entry.user_data(kind::SEND | tag as u64).flags(squeue::Flags::SKIP_SUCCESS))?;
        self.sends += 1;
        Ok(())
    }

    /// Gives a buffer back to the kernel, once what is queued was submitted.
    pub(crate) fn give_back(&mut self, buffer: Buffer) {
        self.pool.give_back(buffer);
    }

    /// The bytes of a received buffer: [`HEADER`], then the payload.
    pub(crate) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.pool.bytes(buffer)
    }

    /// The payload in a received buffer, to be changed.
    pub(crate) fn payload_mut(&mut self, buffer: &Buffer) -> &mut [u8] {
        self.pool.bytes_mut(buffer).get_mut(HEADER..).unwrap_or_default()
    }

    /// Submits what is queued. Every send is over then; those that failed are among the events.
    pub(crate) fn submit(&mut self) -> io::Result<()> {
        self.enter(0, 0)
    }

    /// Submits what is queued, and lets the kernel say what has happened since it was last waited for.
    pub(crate) fn look(&mut self) -> io::Result<()> {
        self.enter(0, GETEVENTS)
    }

    /// Whether anything is queued.
    pub(crate) fn is_queued(&mut self) -> bool {
        !self.uring.submission().is_empty()
    }

    /// Submits what is queued, and waits for an event.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        self.enter(1, GETEVENTS)
    }

    /// Submits what is queued, and waits for an event, but not longer than `ns`. With `patience`, the first event is
    /// waited for so much longer, in microseconds, for others to come with it, where the kernel can (6.12).
    pub(crate) fn wait_at_most(&mut self, ns: u64, patience: Option<u32>) -> io::Result<()> {
        self.submit()?;
        let limit = Timespec::new().sec(ns / 1_000_000_000).nsec((ns % 1_000_000_000) as u32);
        let patience = patience.filter(|_| self.can_wait_for_more);
        let (events, arguments) = match patience {
            Some(us) => (EVENTS_MANY, SubmitArgs::new().min_wait_usec(us)),
            None => (1, SubmitArgs::new()),
        };
        match self.uring.submitter().submit_with_args(events, &arguments.timespec(&limit)) {
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)) =>
            {
                Ok(())
            }
            waited => waited.map(drop),
        }
    }

    /// The next event, of those that are there.
    pub(crate) fn next(&mut self) -> Option<Event> {
        loop {
            let entry = self.uring.completion().next()?;
            let low = entry.user_data() as u32;
            match entry.user_data() & kind::MASK {
                kind::RECEIVE => return Some(self.received(low, &entry)),
                kind::SEND => return Some(Event::Unsent { tag: low, error: -entry.result() }),
                kind::WATCH => {
                    self.lasting -= 1;
                    return Some(Event::Readable);
                }
                // Cancelling what has ended already.
                _ => {}
            }
        }
    }

    fn received(&mut self, slot: u32, entry: &cqueue::Entry) -> Event {
        let more = cqueue::more(entry.flags());
        self.lasting -= usize::from(!more);
        let result = entry.result();
        let buffer = cqueue::buffer_select(entry.flags()).map(|id| {
            // SAFETY: the completion hands buffer `id` over, and every completion is read once.
            unsafe { self.pool.taken(id, result.max(0) as usize) }
        });
        let error = (result < 0).then_some(-result);
        Event::Receive { slot, buffer, error, more }
    }

    /// Queues a request that must not be lost, also while the kernel has no memory to take what is queued.
    fn push_patiently(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        loop {
            match self.push(entry) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
                pushed => return pushed,
            }
        }
    }

    /// Queues a request. [`WouldBlock`](io::ErrorKind::WouldBlock) when the kernel does not take what is queued.
    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        if self.uring.submission().is_full() {
            self.submit()?;
        }
        // SAFETY: pointers in our entries are to the layout, the pool, the targets and the payloads. The first two live
        // until no request is left. A target and a payload are read while the entry is submitted, and not written before
        // all entries are.
        unsafe { self.uring.submission().push(entry) }.map_err(|_| io::ErrorKind::WouldBlock.into())
    }

    fn enter(&mut self, wait: u32, flags: u32) -> io::Result<()> {
        loop {
            let queued = self.uring.submission().len() as u32;
            if queued == 0 {
                self.sends = 0;
                self.pool.publish();
            }
            if queued == 0 && flags == 0 {
                return Ok(());
            }
            // SAFETY: without an argument there is nothing to be invalid.
            match unsafe { self.uring.submitter().enter::<libc::sigset_t>(queued, wait, flags, None) } {
                Ok(submitted) if submitted as u32 == queued => {
                    self.sends = 0;
                    self.pool.publish();
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Completions have to be read first.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EAGAIN)) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// `IORING_ENTER_GETEVENTS`: wait for completions, and let the kernel make them.
const GETEVENTS: u32 = 1;

impl Ring {
    /// Ends every receive, and lets go of every socket: the kernel takes a closed ring apart when it finds the time, and
    /// until then ports would be in use.
    fn wind_up(&mut self) -> io::Result<()> {
        self.submit()?;
        match self.uring.submitter().register_sync_cancel(None, CancelBuilder::any()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        while self.lasting > 0 {
            self.wait()?;
            while self.next().is_some() {}
        }
        self.uring.submitter().unregister_files()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.wind_up().is_err() {
            // The kernel may still write to the pool: better lost than freed.
            return;
        }
        // SAFETY: this is the only place that drops them, and nothing uses them afterwards.
        unsafe {
            ManuallyDrop::drop(&mut self.uring);
            ManuallyDrop::drop(&mut self.pool);
        }
    }
}
