//! How many packets lanes have slipped in, on its way to the streams' numbers. Who adds it there may have to wait for a lock;
//! lanes wait for nothing, and ask for no memory.

use std::{
    io,
    sync::mpsc::{self, Receiver, SyncSender, TrySendError},
    thread::{self, JoinHandle},
};

use undertone_abi::RowIndex;

use super::Shift;

/// How many may be on their way. Each says how many packets it is in all, so that one that comes late makes up for others.
const QUEUE: usize = 1024;

/// A lane's end.
pub(super) struct Shifts {
    queue: SyncSender<(RowIndex, u16)>,
    /// The last of each stream that found no room.
    late: Vec<(RowIndex, u16)>,
}

impl Clone for Shifts {
    fn clone(&self) -> Self {
        Self::new(self.queue.clone())
    }
}

impl Shifts {
    /// Starts the thread that does `shift`. It ends when all lanes' ends are dropped.
    pub(super) fn start(shift: Shift) -> io::Result<(Self, JoinHandle<()>)> {
        let (queue, to_shift) = mpsc::sync_channel(QUEUE);
        let thread = thread::Builder::new().name("shifts".into()).spawn(move || apply(&to_shift, shift))?;
        Ok((Self::new(queue), thread))
    }

    fn new(queue: SyncSender<(RowIndex, u16)>) -> Self {
        Self { queue, late: Vec::with_capacity(QUEUE) }
    }

    /// As many packets have been slipped in before those that come to this row.
    pub(super) fn tell(&mut self, row: RowIndex, offset: u16) {
        if let Some((_, late)) = self.late.iter_mut().find(|(late, _)| *late == row) {
            *late = offset;
        } else if let Err(TrySendError::Full(shift)) = self.queue.try_send((row, offset)) {
            self.late.push(shift);
        }
    }

    /// Tries again what found no room.
    pub(super) fn retry(&mut self) {
        while let Some(shift) = self.late.pop() {
            if let Err(TrySendError::Full(shift)) = self.queue.try_send(shift) {
                return self.late.push(shift);
            }
        }
    }
}

fn apply(shifts: &Receiver<(RowIndex, u16)>, mut shift: Shift) {
    while let Ok((row, offset)) = shifts.recv() {
        shift(row, offset);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use undertone_abi::Local;

    use super::*;

    #[test]
    fn the_last_of_each_stream_arrives_though_there_was_no_room() {
        let (queue, to_shift) = mpsc::sync_channel(QUEUE);
        let mut lane = Shifts::new(queue);
        let row = |port| RowIndex::new(Local(0), port);
        let ports = 20_000..20_000 + 2 * QUEUE as u16;
        for offset in 1..=3 {
            ports.clone().for_each(|port| lane.tell(row(port), offset));
        }
        assert!(lane.late.len() <= ports.len(), "one a stream");

        let mut known = HashMap::new();
        while !lane.late.is_empty() {
            known.extend(to_shift.try_iter());
            lane.retry();
        }
        known.extend(to_shift.try_iter());
        assert_eq!(known, ports.map(|port| (row(port), 3)).collect());
    }

    #[test]
    fn the_thread_ends_with_the_last_lane() {
        let (known, seen) = mpsc::channel();
        let (mut lane, thread) =
            Shifts::start(Box::new(move |row, offset| known.send((row, offset)).unwrap())).unwrap();
        let row = RowIndex::new(Local(1), 30_000);
        lane.clone().tell(row, 1);
        lane.tell(row, 2);
        drop(lane);
        thread.join().unwrap();
        assert_eq!(seen.iter().collect::<Vec<_>>(), [(row, 1), (row, 2)]);
    }
}
