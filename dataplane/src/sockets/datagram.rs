//! A received datagram as `io_uring` lays it out: `struct io_uring_recvmsg_out` of `io_uring_prep_recvmsg_multishot(3)`,
//! the sender's name, control messages, and the payload.

use undertone_abi::{Dscp, Endpoint};

use crate::door::{
    ring::{CONTROL, HEADER, NAME},
    target,
};

/// What came with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Datagram {
    /// The sender.
    pub(super) source: Endpoint,
    /// When the kernel saw it, in nanoseconds of `CLOCK_REALTIME`.
    pub(super) realtime_ns: Option<u64>,
    /// The code point it came with.
    pub(super) dscp: Option<Dscp>,
    /// Whether the payload was larger than the buffer.
    pub(super) is_truncated: bool,
}

const HEAD: usize = HEADER - NAME - CONTROL;

impl Datagram {
    /// Reads what stands in front of the payload. `None` for what the kernel would not write.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let control_length = word(header, 4)? as usize;
        let flags = word(header, 12)? as i32;
        let mut datagram = Self {
            source: target::endpoint(&header[HEAD..HEAD + NAME])?,
            realtime_ns: None,
            dscp: None,
            is_truncated: flags & libc::MSG_TRUNC != 0,
        };
        let mut rest = header[HEAD + NAME..].get(..control_length)?;
        while let Some((message, next)) = ControlMessage::split(rest) {
            datagram.note(&message);
            rest = next;
        }
        Some(datagram)
    }

    fn note(&mut self, message: &ControlMessage<'_>) {
        match (message.level, message.kind) {
            (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => self.realtime_ns = timespec_ns(message.data),
            (libc::IPPROTO_IP, libc::IP_TOS) => {
                self.dscp = message.data.first().and_then(|class| Dscp::new(class >> 2));
            }
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                self.dscp = word(message.data, 0).and_then(|class| Dscp::new((class >> 2) as u8));
            }
            _ => {}
        }
    }
}

/// One control message: `cmsg(3)`.
struct ControlMessage<'a> {
    level: libc::c_int,
    kind: libc::c_int,
    data: &'a [u8],
}

impl<'a> ControlMessage<'a> {
    const HEAD: usize = size_of::<libc::cmsghdr>();

    /// The first message, and what comes after it.
    fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from_ne_bytes(*bytes.first_chunk()?);
        let kind = Self::HEAD - size_of::<libc::c_int>();
        let message = Self {
            level: word(bytes, kind - size_of::<libc::c_int>())? as libc::c_int,
            kind: word(bytes, kind)? as libc::c_int,
            data: bytes.get(Self::HEAD..length)?,
        };
        let next = length.next_multiple_of(size_of::<usize>());
        Some((message, bytes.get(next..).unwrap_or_default()))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn timespec_ns(data: &[u8]) -> Option<u64> {
    let seconds = u64::from_ne_bytes(*data.first_chunk()?);
    let nanoseconds = u64::from_ne_bytes(*data.get(8..)?.first_chunk()?);
    Some(seconds.wrapping_mul(1_000_000_000).wrapping_add(nanoseconds))
}
