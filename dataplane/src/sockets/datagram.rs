//! A received datagram as `io_uring` lays it out: `struct io_uring_recvmsg_out` of `io_uring_prep_recvmsg_multishot(3)`,
//! the sender's name, control messages, and the payload.

use undertone_abi::{Dscp, Endpoint};

use crate::door::{
    ring::{CONTROL, HEADER, NAME},
    target,
};

/// What came with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Datagram {
    /// The sender.
    pub(crate) source: Endpoint,
    /// When the kernel saw it, in nanoseconds of `CLOCK_REALTIME`.
    pub(crate) realtime_ns: Option<u64>,
    /// The code point it came with.
    pub(crate) dscp: Option<Dscp>,
    /// Whether the payload was larger than the buffer.
    pub(crate) is_truncated: bool,
}

const HEAD: usize = HEADER - NAME - CONTROL;

impl Datagram {
    /// Reads what stands in front of the payload. `None` for what the kernel would not write.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn control(level: i32, kind: i32, data: &[u8]) -> Vec<u8> {
        let mut message = (ControlMessage::HEAD + data.len()).to_ne_bytes().to_vec();
        message.extend(level.to_ne_bytes());
        message.extend(kind.to_ne_bytes());
        message.extend(data);
        message.resize(message.len().next_multiple_of(8), 0);
        message
    }

    fn datagram(source: &str, control: &[u8], flags: i32) -> Vec<u8> {
        let source: SocketAddr = source.parse().unwrap();
        let mut name = vec![0; NAME];
        name[2..4].copy_from_slice(&source.port().to_be_bytes());
        match source {
            SocketAddr::V4(v4) => {
                name[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                name[4..8].copy_from_slice(&v4.ip().octets());
            }
            SocketAddr::V6(v6) => {
                name[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                name[8..24].copy_from_slice(&v6.ip().octets());
            }
        }
        let mut bytes: Vec<_> =
            [16, control.len() as u32, 3, flags as u32].into_iter().flat_map(u32::to_ne_bytes).collect();
        bytes.extend(name);
        bytes.extend(control);
        bytes.resize(HEADER, 0xee);
        bytes.extend([7, 8, 9]);
        bytes
    }

    fn messages(class: Vec<u8>) -> Vec<u8> {
        let time: Vec<_> = [1_700_000_000_u64, 123_456_789].into_iter().flat_map(u64::to_ne_bytes).collect();
        [control(libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS, &time), class].concat()
    }

    #[test]
    fn what_came_with_a_payload_is_read() {
        let table = [
            ("10.1.2.3:4000", control(libc::IPPROTO_IP, libc::IP_TOS, &[46 << 2 | 1])),
            ("[fd00::7]:4000", control(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &(46_u32 << 2).to_ne_bytes())),
        ];
        for (source, class) in table {
            let expected = Datagram {
                source: source.parse::<SocketAddr>().unwrap().into(),
                realtime_ns: Some(1_700_000_000_123_456_789),
                dscp: Dscp::new(46),
                is_truncated: false,
            };
            assert_eq!(Datagram::parse(&datagram(source, &messages(class), 0)), Some(expected));
        }
    }

    #[test]
    fn a_payload_that_did_not_fit_is_noticed() {
        let parsed = Datagram::parse(&datagram("10.1.2.3:4000", &[], libc::MSG_TRUNC)).unwrap();
        assert_eq!((parsed.is_truncated, parsed.realtime_ns, parsed.dscp), (true, None, None));
    }

    #[test]
    fn no_bytes_are_too_strange() {
        let whole = datagram("10.1.2.3:4000", &messages(control(libc::IPPROTO_IP, libc::IP_TOS, &[4])), 0);
        for length in 0..HEADER {
            assert_eq!(Datagram::parse(&whole[..length]), None);
        }
        for at in 0..HEADER {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = Datagram::parse(&bytes);
            }
        }
    }
}
