//! The benchmark's traffic: who sends what to which media ports.
//!
//! Compiled into the generator and into the program that drives it, so that both know the same frames.

/// Bytes of RTP payload: 20 ms of G.711.
pub(crate) const PAYLOAD: usize = 160;

/// Streams of one media address: the upper half of its ports.
pub(crate) const STREAMS_PER_ADDRESS: u32 = 1 << STREAMS_PER_ADDRESS_LOG2;
pub(crate) const STREAMS_PER_ADDRESS_LOG2: u32 = 15;

/// The media port of an address's first stream.
pub(crate) const PORT_FIRST: u16 = 0x8000;

/// Who sends every stream.
pub(crate) const SOURCE_PORT: u16 = 4000;
pub(crate) const SOURCE_V4: [u8; 4] = [10, 9, 0, 2];
pub(crate) const SOURCE_V6: [u8; 16] = [0xfd, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// Media address number 0; that of another number has the number in `NUMBER_V4` or `NUMBER_V6`.
pub(crate) const MEDIA_V4: [u8; 4] = [10, 1, 0, 1];
pub(crate) const MEDIA_V6: [u8; 16] = [0xfd, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(crate) const NUMBER_V4: usize = 2;
pub(crate) const NUMBER_V6: usize = 7;

/// The media address number and the port of a stream.
pub(crate) const fn destination(stream: u32) -> (u8, u16) {
    let port = PORT_FIRST | (stream & (STREAMS_PER_ADDRESS - 1)) as u16;
    ((stream >> STREAMS_PER_ADDRESS_LOG2) as u8, port)
}
