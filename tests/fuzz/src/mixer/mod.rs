//! Whatever parties and supervisors send, and whatever control asks of the mixer meanwhile.
//!
//! Of one call both parties send as telephones do, through a data plane that does what it is told a little later; what
//! reaches the other party is judged packet by packet, until something is put into their streams that no telephone sends.
//! Of the other call nothing but that comes.

mod letters;
mod people;
mod stage;
mod trail;

use arbitrary::{Arbitrary, Unstructured};
use undertone_core::mixer::{Codec, Format, Mode, Party, SampleRate, Signal, dtmf::Digit};

use self::{letters::Letter, stage::Stage};

/// How late the data plane is, and what the parties of the call speak.
#[derive(Debug, Arbitrary)]
struct Setting {
    formats: [Sort; 2],
    /// Until streams are led as the mixer wants it, and until numbers are shifted as it says.
    lead: u8,
    shift: u8,
    /// Whether the copy of a packet comes before the packet.
    copies_first: bool,
}

/// Something that happens.
#[derive(Debug, Arbitrary)]
enum Step {
    Run(u8),
    /// A party says nothing, or speaks again; in silence its clock may stand still.
    Silent(Side, bool, bool),
    /// The next packet of a party is of another kind.
    Aside(Side, Aside, [u8; 4]),
    /// What a party's packets carry: so many octets of this.
    Garbled(Side, u16, u8),
    /// A call is there with these formats, without any for a codec that is not known, or is gone.
    Call(Which, Option<[Option<Sort>; 2]>),
    Packet(Which, Side, Led, Letter),
    Bytes(Which, Side, Led, Vec<u8>),
    Session(Name, Sort, Wishes),
    End(Name),
    Attach(Name, Which, Manner),
    Detach(Name),
    /// A supervisor's telephone sends, or stops.
    Speaks(Name, bool),
    FromPhone(Name, Source, Letter),
    Consent(Which, [bool; 2]),
    Ducking(u8),
    Play(Name, Tune),
}

/// A codec, and how much of it is in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Arbitrary)]
struct Sort(u8);

/// Whose stream it is.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Side(bool);

/// Which call it is.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Which(bool);

/// Whether a packet comes by, or only a copy of it.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Led(bool);

/// One of few supervisors.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Name(u8);

/// Where a packet for a supervisor's port comes from: its telephone, or elsewhere.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Source(u8);

#[derive(Clone, Copy, Debug, Arbitrary)]
struct Manner(u8);

#[derive(Clone, Copy, Debug, Arbitrary)]
struct Tune(u8);

/// What a supervisor's telephone wants.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Wishes {
    hears: bool,
    tones: bool,
    policy: u8,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Aside {
    Event,
    Noise,
    OtherCodec,
}

/// Drives a mixer.
///
/// A packet that comes by leaves once, and with its own header and payload where nobody speaks into its stream. What
/// leaves towards a party is one source that counts one by one, with times that go forward. Where the table of modes has
/// no supervisor, nothing is slipped in. A supervisor gets one stream of a telephone's pace. A stream that need not come by
/// any more is told once. When all are gone, nothing is left to do.
pub fn mixer(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let Ok(setting) = input.arbitrary::<Setting>() else { return };
    let mut stage = Stage::new(&setting);
    while !stage.is_over()
        && !input.is_empty()
        && let Ok(step) = input.arbitrary()
    {
        stage.take(step);
    }
    stage.end();
}

/// Payload types of what parties send.
const SOUND: u8 = 96;
const EVENT: u8 = 101;
const NOISE: u8 = 13;
const OTHER: u8 = 18;

impl Sort {
    fn format(self) -> Format {
        let codec = Codec::ALL[usize::from(self.0 % 7)];
        // Linear samples at 48 kHz of more than 20 ms do not fit into a packet.
        let most = if codec == Codec::L16(SampleRate::Hz48000) { 20 } else { 60 };
        let packet_ms = [20, 10, 30, 60][usize::from(self.0 / 7 % 4)].min(most);
        Format { codec, payload_type: SOUND, telephone_event: Some(EVENT), comfort_noise: Some(NOISE), packet_ms }
    }
}

impl Side {
    const fn party(self) -> Party {
        if self.0 { Party::Caller } else { Party::Agent }
    }
}

impl Manner {
    fn mode(self) -> Mode {
        Mode::ALL[usize::from(self.0 % 4)]
    }
}

impl Tune {
    fn signal(self) -> Signal {
        match self.0 % 4 {
            0 => Signal::Confirmation,
            1 => Signal::Refusal,
            2 => Signal::Consent,
            _ => Signal::Digit(Digit::of_event(self.0 / 4 % Digit::COUNT).expect("one of sixteen")),
        }
    }
}
