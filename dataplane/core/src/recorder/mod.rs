//! Two streams into one sound: what a recorder makes of the copies of a call.
//!
//! [`Stereo`] has a track for each party, on one time line that begins with the recording. A packet is placed where its RTP
//! timestamp says; what that is on the time line is learned from when packets come. A recorder is in no hurry: a packet may be
//! [`DELAY_MS`] late, which is later than any telephone would wait for it. What does not come is concealed for a moment and
//! silence then, as are pauses (DTX, hold): both tracks are always as long as the call has lasted.
//!
//! [`wav`] is the form of the file.

mod track;
pub mod wav;

pub use self::track::Counts;
use self::track::Track;
use crate::mixer::{Codec, Party, SampleRate, codec::CodecError};

/// How late a packet may come and still be heard, in milliseconds; what is written is older than that.
pub const DELAY_MS: usize = 1000;

/// The sound of a call: the caller left, the agent right.
pub struct Stereo {
    rate: SampleRate,
    caller: Track,
    agent: Track,
}

impl Stereo {
    /// Sound of which `frames` are written already: none, or what an earlier recorder has left.
    pub fn new(rate: SampleRate, frames: u64) -> Self {
        Self { rate, caller: Track::new(rate, frames), agent: Track::new(rate, frames) }
    }

    /// What payload types of a party's stream stand for from now on. Packets of other types, as telephone events and comfort
    /// noise are, are silence.
    pub fn set_codecs(&mut self, party: Party, codecs: &[(u8, Codec)]) {
        self.track(party).set_codecs(codecs);
    }

    /// Takes in a packet of a party's that came `since_ns` after the recording began.
    pub fn receive(&mut self, party: Party, since_ns: u64, packet: &[u8]) {
        let arrival = self.sample(since_ns);
        self.track(party).receive(arrival, packet);
    }

    /// Appends what is old enough to be written, as frames of a [`wav`] file.
    pub fn take(&mut self, since_ns: u64, frames: &mut Vec<u8>) -> Result<(), CodecError> {
        let until = self.sample(since_ns).saturating_sub(self.rate.samples(DELAY_MS) as u64);
        self.take_until(until, frames)
    }

    /// Appends all that there is until now. For the end of the recording.
    pub fn take_all(&mut self, since_ns: u64, frames: &mut Vec<u8>) -> Result<(), CodecError> {
        self.take_until(self.sample(since_ns), frames)
    }

    /// What became of a party's packets.
    pub const fn counts(&self, party: Party) -> Counts {
        match party {
            Party::Caller => self.caller.counts(),
            Party::Agent => self.agent.counts(),
        }
    }

    fn take_until(&mut self, until: u64, frames: &mut Vec<u8>) -> Result<(), CodecError> {
        self.caller.advance(until)?;
        self.agent.advance(until)?;
        let count = until.saturating_sub(self.caller.written()) as usize;
        frames.reserve(count * wav::FRAME_BYTES);
        for (left, right) in self.caller.take(count).zip(self.agent.take(count)) {
            frames.extend_from_slice(&left.to_le_bytes());
            frames.extend_from_slice(&right.to_le_bytes());
        }
        Ok(())
    }

    const fn track(&mut self, party: Party) -> &mut Track {
        match party {
            Party::Caller => &mut self.caller,
            Party::Agent => &mut self.agent,
        }
    }

    /// The sample that a moment is.
    const fn sample(&self, since_ns: u64) -> u64 {
        (since_ns as u128 * self.rate.hz() as u128 / 1_000_000_000) as u64
    }
}

#[cfg(test)]
mod tests;
