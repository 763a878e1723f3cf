//! How long it takes to write one stream's rule.

use std::time::Instant;

use anyhow::{Context as _, Result};
use undertone_abi::{Epoch, RowIndex, limits::PORTS};
use undertone_core::Memory as _;
use undertone_dataplane::kernel::{Kernel, Sizes};

use crate::{
    dataplane::{forwarding::Load, tables},
    rounds::Measured,
};

const ADDRESSES: u32 = 8;
const WRITES: u32 = 1 << 20;

/// Rules of random streams, written into the tables of the XDP path.
pub(super) struct RuleWrite {
    kernel: Kernel,
    random: u32,
}

impl RuleWrite {
    /// Makes the tables, and touches all of them once.
    pub(super) fn new() -> Result<Self> {
        let kernel = Kernel::load(Sizes { addresses: ADDRESSES, ..Sizes::default() }, None)?;
        let row = Self { kernel, random: 1 };
        for index in 0..ADDRESSES * PORTS {
            row.write(index, 0)?;
        }
        Ok(row)
    }

    #[inline]
    fn write(&self, index: u32, number: u32) -> Result<()> {
        let row = self.kernel.memory().row(RowIndex(index)).context("there is no such row")?;
        row.write(&tables::rule(&Load::PLAIN, number));
        row.set_epoch(Epoch(number));
        Ok(())
    }
}

impl Measured for RuleWrite {
    fn run(&mut self) -> Result<f64> {
        let start = Instant::now();
        for number in 0..WRITES {
            self.random = self.random.wrapping_mul(0x9e37_79b1).wrapping_add(0x7f4a_7c15);
            self.write(self.random >> 13 & (ADDRESSES * PORTS - 1), number)?;
        }
        Ok(start.elapsed().as_nanos() as f64 / f64::from(WRITES))
    }
}
