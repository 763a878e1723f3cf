//! WAV files of two channels of 16-bit samples (RIFF, `WAVE_FORMAT_PCM`).

use crate::mixer::SampleRate;

/// Bytes of the header that stands in front of the frames.
pub const HEADER_BYTES: usize = 44;
/// Bytes of a frame: a sample of each channel.
pub const FRAME_BYTES: usize = 4;
/// Frames that a file has room for: its sizes are of 32 bits. Six hours at 48 kHz, 37 at 8 kHz.
pub const FRAMES_MAX: u64 = (u32::MAX as u64 - HEADER_BYTES as u64) / FRAME_BYTES as u64;

/// The header of a file with so many frames, at most [`FRAMES_MAX`].
pub fn header(rate: SampleRate, frames: u64) -> [u8; HEADER_BYTES] {
    const PCM: u16 = 1;
    const CHANNELS: u16 = 2;
    let data = frames.min(FRAMES_MAX) as u32 * FRAME_BYTES as u32;
    let mut header = [0; HEADER_BYTES];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        header[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(b"RIFF");
    put(&(data + HEADER_BYTES as u32 - 8).to_le_bytes());
    put(b"WAVEfmt ");
    put(&16_u32.to_le_bytes());
    put(&PCM.to_le_bytes());
    put(&CHANNELS.to_le_bytes());
    put(&rate.hz().to_le_bytes());
    put(&(rate.hz() * FRAME_BYTES as u32).to_le_bytes());
    put(&(FRAME_BYTES as u16).to_le_bytes());
    put(&16_u16.to_le_bytes());
    put(b"data");
    put(&data.to_le_bytes());
    header
}

/// The rate of a file that begins so; `None` where it is none of ours.
pub fn rate_of(bytes: &[u8; HEADER_BYTES]) -> Option<SampleRate> {
    let hz = u32::from_le_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]);
    let rate = SampleRate::ALL.into_iter().find(|rate| rate.hz() == hz)?;
    let plain = header(rate, 0);
    let is_same = |range: std::ops::Range<usize>| bytes[range.clone()] == plain[range];
    (is_same(0..4) && is_same(8..40)).then_some(rate)
}

/// Whole frames of a file of so many bytes, header included.
pub const fn frames_of(file_bytes: u64) -> u64 {
    file_bytes.saturating_sub(HEADER_BYTES as u64) / FRAME_BYTES as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_what_is_behind_it() {
        for rate in SampleRate::ALL {
            let header = header(rate, 1000);
            assert_eq!((&header[..4], &header[8..16], &header[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
            assert_eq!(header[40..], 4000_u32.to_le_bytes());
            assert_eq!(header[4..8], 4036_u32.to_le_bytes());
            assert_eq!(rate_of(&header), Some(rate));
        }
        assert_eq!(rate_of(&[0; HEADER_BYTES]), None);
        assert_eq!([0, 44, 47, 48, 52].map(frames_of), [0, 0, 0, 1, 2]);
        assert_eq!(header(SampleRate::Hz8000, u64::MAX)[40..], (FRAMES_MAX as u32 * 4).to_le_bytes());
    }
}
