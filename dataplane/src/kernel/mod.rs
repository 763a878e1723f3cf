//! The XDP side: programs, maps, links and pins.

mod error;
mod load;
mod memory;

pub use error::KernelError;
pub(crate) use error::{cause, errno};
pub(crate) use load::PINNED;
pub use load::{Kernel, Sizes};
pub use memory::KernelMemory;
