//! A destination as the kernel reads it.

use undertone_abi::Endpoint;

const AF_INET: [u8; 2] = (libc::AF_INET as u16).to_ne_bytes();
const AF_INET6: [u8; 2] = (libc::AF_INET6 as u16).to_ne_bytes();

/// A `sockaddr_in` or a `sockaddr_in6`, with room for either.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub(crate) struct Target([u8; V6]);

const V4: usize = size_of::<libc::sockaddr_in>();
const V6: usize = size_of::<libc::sockaddr_in6>();

impl Target {
    pub(super) fn as_ptr(&self) -> *const libc::sockaddr {
        self.0.as_ptr().cast()
    }

    pub(super) fn length(&self) -> u32 {
        if self.0[..2] == AF_INET { V4 as u32 } else { V6 as u32 }
    }
}

impl From<Endpoint> for Target {
    fn from(endpoint: Endpoint) -> Self {
        let mut bytes = [0; V6];
        bytes[2..4].copy_from_slice(&endpoint.port.to_be_bytes());
        if endpoint.address.is_v4() {
            bytes[..2].copy_from_slice(&AF_INET);
            bytes[4..8].copy_from_slice(&endpoint.address.v4_word().to_ne_bytes());
        } else {
            bytes[..2].copy_from_slice(&AF_INET6);
            for (place, word) in bytes[8..24].as_chunks_mut::<4>().0.iter_mut().zip(endpoint.address.0) {
                *place = word.to_ne_bytes();
            }
        }
        Self(bytes)
    }
}

/// The sender as the kernel wrote it: the reverse. `None` for another address family.
pub(crate) fn endpoint(name: &[u8]) -> Option<Endpoint> {
    let family: [u8; 2] = *name.first_chunk()?;
    let port = u16::from_be_bytes(*name.get(2..)?.first_chunk()?);
    let word = |at: usize| name.get(at..).and_then(<[u8]>::first_chunk).map(|bytes| u32::from_ne_bytes(*bytes));
    let address = match family {
        AF_INET => undertone_abi::Address::v4(word(4)?),
        AF_INET6 => undertone_abi::Address([word(8)?, word(12)?, word(16)?, word(20)?]),
        _ => return None,
    };
    Some(Endpoint { address, port })
}

const _: () = assert!(size_of::<Target>() == 32 && V4 <= V6);
