//! Fields of a header, read and written whole: a compiler for BPF does not always put single bytes together again.

/// `M` bytes of a header from `AT` on. That they are there is checked when this is compiled.
#[inline(always)]
pub(crate) fn field<const AT: usize, const M: usize, const N: usize>(header: &[u8; N]) -> [u8; M] {
    const { assert!(AT + M <= N, "a field lies within its header") };
    match header.get(AT..).and_then(<[u8]>::first_chunk) {
        Some(bytes) => *bytes,
        None => [0; M],
    }
}

/// Writes `bytes` into a header from `AT` on. That there is room is checked when this is compiled.
#[inline(always)]
pub(crate) fn put<const AT: usize, const M: usize, const N: usize>(header: &mut [u8; N], bytes: [u8; M]) {
    const { assert!(AT + M <= N, "a field lies within its header") };
    if let Some(place) = header.get_mut(AT..).and_then(<[u8]>::first_chunk_mut) {
        *place = bytes;
    }
}
