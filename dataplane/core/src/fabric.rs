//! What a plane needs of the shell around it.

use std::net::IpAddr;

use undertone_abi::RowIndex;

use crate::Memory;

/// An effect that the shell could not bring about, with its reason.
pub type FabricError = Box<dyn std::error::Error + Send + Sync>;

/// The shell around a [`Plane`](crate::Plane): its tables, and what a write to them cannot do.
///
/// Effects happen at once, because a rule may only name what is there already.
pub trait Fabric {
    /// The tables.
    type Memory: Memory;

    /// Whether the kernel finds the way of every packet: then there are no hops, devices and shapes.
    const ROUTED_BY_KERNEL: bool;

    /// The tables.
    fn memory(&self) -> &Self::Memory;

    /// Begins to watch the way to `ip`; [`Plane::handle_way`](crate::Plane::handle_way) says what it is.
    fn watch(&mut self, ip: IpAddr);

    /// Ends watching the way to `ip`.
    fn forget(&mut self, ip: IpAddr);

    /// Makes a media port ready to receive, before its rule is written.
    fn open(&mut self, row: RowIndex) -> Result<(), FabricError>;

    /// Makes ready what the mixer sends back to, before a stream is led there: its party may say nothing, and the mixer something.
    fn open_way_back(&mut self, _row: RowIndex) {}

    /// Ends receiving at a media port, after its rule was freed.
    fn close(&mut self, row: RowIndex);

    /// Puts an interface into a device slot. `copies`: its frames pass the egress program.
    fn set_device(&mut self, slot: u8, interface: u32, copies: bool) -> Result<(), FabricError>;

    /// Whether device slot `slot` holds `interface` still: the kernel drops interfaces that go.
    fn has_device(&self, _slot: u8, _interface: u32) -> bool {
        true
    }

    /// Makes shape `index` a list of interfaces, each with whether it carries copies. Those that are gone leave a hole.
    fn set_shape(&mut self, index: u16, interfaces: &[(u32, bool)]) -> Result<(), FabricError>;

    /// Returns when every packet that was under way has left: what it could have seen may be used again.
    fn settle(&mut self);
}
