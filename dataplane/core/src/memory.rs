//! Where the tables lie.

use undertone_abi::{
    Config, Group, Published, Row, RowIndex,
    limits::{HOPS_MAX, PORTS},
};

/// The tables that rules are written to and packets are judged by.
///
/// Every value is shared memory with interior words: a shared reference is enough to write. Who may write what is
/// said at each type; a [`Plane`](crate::Plane) is the one writer of all that user space writes.
pub trait Memory {
    /// How many rows there are: 65,536 for each media address.
    fn rows(&self) -> u32;
    /// The row of a media port.
    fn row(&self, index: RowIndex) -> Option<&Row>;
    /// A next hop's cell.
    fn hop(&self, index: u16) -> Option<&Published>;
    /// How many groups there are, group 0 included, which is never used.
    fn groups(&self) -> u32;
    /// A replication group.
    fn group(&self, index: u16) -> Option<&Group>;
    /// The node.
    fn config(&self) -> &Config;
}

/// Tables in the process's own memory.
#[derive(Debug)]
pub struct HeapMemory {
    rows: Box<[Row]>,
    hops: Box<[Published]>,
    groups: Box<[Group]>,
    config: Box<Config>,
}

impl HeapMemory {
    /// Tables for `addresses` media addresses and `groups` replication groups.
    pub fn new(addresses: u32, groups: u32) -> Self {
        Self {
            rows: (0..addresses * PORTS).map(|_| Row::default()).collect(),
            hops: (0..HOPS_MAX).map(|_| Published::default()).collect(),
            groups: (0..groups).map(|_| Group::default()).collect(),
            config: Box::new(Config::new()),
        }
    }
}

impl Memory for HeapMemory {
    fn rows(&self) -> u32 {
        self.rows.len() as u32
    }

    fn row(&self, index: RowIndex) -> Option<&Row> {
        self.rows.get(index.0 as usize)
    }

    fn hop(&self, index: u16) -> Option<&Published> {
        self.hops.get(index as usize)
    }

    fn groups(&self) -> u32 {
        self.groups.len() as u32
    }

    fn group(&self, index: u16) -> Option<&Group> {
        self.groups.get(index as usize)
    }

    fn config(&self) -> &Config {
        &self.config
    }
}
