//! A pcap stream cut into whole packets, so that what is written of it is a file at any moment.

use super::{FILE_HEADER_BYTES, MAGIC_NS, PACKET_BYTES_MAX, RECORD_HEADER_BYTES};

/// Bytes of a pcap stream that have come and not been taken.
#[derive(Debug, Default)]
pub(crate) struct Records {
    waiting: Vec<u8>,
    header_taken: bool,
}

/// What came is no pcap stream of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotPcap;

/// Where the header or record that `bytes` begin with ends; `None` while that is not known or has not all come.
type End = Result<Option<usize>, NotPcap>;

impl Records {
    /// Adds bytes as they come.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// Takes what is whole, at most `packets_max` packets, and says how many packets it holds.
    pub(crate) fn take(&mut self, packets_max: u64) -> Result<(Vec<u8>, u64), NotPcap> {
        let (mut end, mut packets) = (0, 0);
        if !self.header_taken {
            let Some(header) = header_end(&self.waiting)? else { return Ok((Vec::new(), 0)) };
            (end, self.header_taken) = (header, true);
        }
        while packets < packets_max
            && let Some(length) = record_end(&self.waiting[end..])?
        {
            end += length;
            packets += 1;
        }
        let rest = self.waiting.split_off(end);
        Ok((std::mem::replace(&mut self.waiting, rest), packets))
    }
}

fn header_end(bytes: &[u8]) -> End {
    match bytes.first_chunk() {
        Some(magic) if *magic != MAGIC_NS.to_le_bytes() => Err(NotPcap),
        _ => Ok((bytes.len() >= FILE_HEADER_BYTES).then_some(FILE_HEADER_BYTES)),
    }
}

fn record_end(bytes: &[u8]) -> End {
    let Some(length) = bytes.get(8..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
    let length = u32::from_le_bytes(*length);
    if length > PACKET_BYTES_MAX {
        return Err(NotPcap);
    }
    let end = RECORD_HEADER_BYTES + length as usize;
    Ok((bytes.len() >= end).then_some(end))
}
