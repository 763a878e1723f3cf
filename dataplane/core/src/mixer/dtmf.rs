//! Digits as telephone events (RFC 4733).

/// A key of a telephone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digit(u8);

impl Digit {
    /// How many there are: events 0 to 15 (RFC 4733 §3.2).
    pub const COUNT: u8 = 16;

    const KEYS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '#', 'A', 'B', 'C', 'D'];

    /// The digit of an event's number.
    pub const fn of_event(event: u8) -> Option<Self> {
        if event < Self::COUNT { Some(Self(event)) } else { None }
    }

    /// The digit on a key: `0` to `9`, `*`, `#`, or `A` to `D` of either case.
    pub fn of_key(key: char) -> Option<Self> {
        let key = key.to_ascii_uppercase();
        Self::KEYS.iter().position(|&other| other == key).map(|event| Self(event as u8))
    }

    /// Every digit.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..Self::COUNT).map(Self)
    }

    /// The number of its event.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// What is printed on it.
    pub const fn key(self) -> char {
        Self::KEYS[self.0 as usize & 15]
    }
}

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    /// The key.
    pub digit: Digit,
    /// When, by the stream's RTP timestamps.
    pub timestamp: u32,
}

/// Finds the presses in one direction of a stream, each once, whatever the network does to its packets.
///
/// A press is known by its RTP timestamp, which all its packets have in common (RFC 4733 §2.5.1.2). It is told with the
/// first packet that arrives; that packets of it come again, come late, or that only the last one comes, changes nothing.
#[derive(Clone, Debug)]
pub struct Events {
    /// The latest presses, so that their packets are known again however late they come.
    told: [Option<Told>; REMEMBERED],
    next: usize,
}

/// A press that has been told, or what it goes on as after its source has changed.
#[derive(Clone, Copy, Debug)]
struct Told {
    ssrc: u32,
    event: u8,
    /// The timestamps of its first and of its latest segment.
    first: u32,
    latest: u32,
    /// How long the latest has lasted, in timestamp units.
    duration: u16,
    ended: bool,
    /// When its latest packet arrived, in nanoseconds.
    seen_ns: u64,
}

/// How many presses are remembered. Nobody presses so many keys while a packet is on its way.
const REMEMBERED: usize = 8;
/// After so long without a packet, a press is over, and the same key of another source is another press.
const ABANDONED_NS: u64 = 300_000_000;

impl Default for Events {
    fn default() -> Self {
        Self::new()
    }
}

impl Events {
    /// A receiver at the beginning of a stream.
    pub fn new() -> Self {
        Self { told: [None; REMEMBERED], next: 0 }
    }

    /// Takes the payload of a telephone-event packet and gives the press that it is the first packet of. Anything that is
    /// no digit, or no event, is none.
    pub fn packet(&mut self, payload: &[u8], ssrc: u32, timestamp: u32, now_ns: u64) -> Option<Press> {
        let event = Event::parse(payload)?;
        let digit = Digit::of_event(event.number)?;
        let mut told = self.told.iter_mut().flatten().filter(|told| told.event == event.number);
        if let Some(told) = told.find(|told| told.covers(ssrc, timestamp)) {
            told.hear(event, timestamp, now_ns);
            return None;
        }
        let before = self.told.iter_mut().flatten().find(|told| told.is_taken_over(event, ssrc, now_ns));
        let goes_on = before.map(|before| before.ended = true).is_some();
        let Event { number: event, ended, duration } = event;
        let told = Told { ssrc, event, first: timestamp, latest: timestamp, duration, ended, seen_ns: now_ns };
        self.told[self.next] = Some(told);
        self.next = (self.next + 1) % REMEMBERED;
        (!goes_on).then_some(Press { digit, timestamp })
    }
}

impl Told {
    /// Whether a packet is of one of this press's segments, or of the next one.
    fn covers(&self, ssrc: u32, timestamp: u32) -> bool {
        let since_first = timestamp.wrapping_sub(self.first);
        let until_latest = self.latest.wrapping_sub(self.first);
        self.ssrc == ssrc && (since_first <= until_latest || self.is_next_segment(timestamp))
    }

    /// A press too long for sixteen bits goes on in a segment whose timestamp is this one's plus its duration (RFC 4733
    /// §2.5.1.3). The last packets of this one may be missing.
    fn is_next_segment(&self, timestamp: u32) -> bool {
        let lasted = timestamp.wrapping_sub(self.latest);
        let missing = u16::MAX / 5;
        !self.ended
            && self.duration >= u16::MAX - 2 * missing
            && (u32::from(u16::MAX - missing)..=u32::from(u16::MAX)).contains(&lasted)
    }

    /// Whether a packet of another source goes on with this press: the source changed in the middle of it, and its
    /// timestamps have nothing in common with those before.
    fn is_taken_over(&self, event: Event, ssrc: u32, now_ns: u64) -> bool {
        let recent = now_ns.saturating_sub(self.seen_ns) < ABANDONED_NS;
        self.event == event.number && self.ssrc != ssrc && !self.ended && recent
    }

    fn hear(&mut self, event: Event, timestamp: u32, now_ns: u64) {
        if timestamp.wrapping_sub(self.first) > self.latest.wrapping_sub(self.first) {
            (self.latest, self.duration) = (timestamp, 0);
        }
        if timestamp == self.latest {
            self.duration = self.duration.max(event.duration);
        }
        self.ended |= event.ended;
        self.seen_ns = self.seen_ns.max(now_ns);
    }
}

/// What a telephone-event payload says (RFC 4733 §2.3).
#[derive(Clone, Copy)]
struct Event {
    number: u8,
    ended: bool,
    duration: u16,
}

impl Event {
    fn parse(payload: &[u8]) -> Option<Self> {
        let &[number, flags, high, low, ..] = payload else {
            return None;
        };
        Some(Self { number, ended: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    /// A packet on its way.
    #[derive(Clone, Debug)]
    struct Packet {
        arrives_ms: u64,
        payload: [u8; 4],
        ssrc: u32,
        timestamp: u32,
    }

    fn packet(arrives_ms: u64, digit: char, ended: bool, duration: u16, ssrc: u32, timestamp: u32) -> Packet {
        let [high, low] = duration.to_be_bytes();
        let flags = if ended { 0x8a } else { 0x0a };
        Packet { arrives_ms, payload: [Digit::of_key(digit).unwrap().event(), flags, high, low], ssrc, timestamp }
    }

    fn received(packets: &[Packet]) -> String {
        let mut events = Events::new();
        let press =
            |packet: &Packet| events.packet(&packet.payload, packet.ssrc, packet.timestamp, packet.arrives_ms * MS);
        packets.iter().filter_map(press).map(|press| press.digit.key()).collect()
    }

    #[test]
    fn a_key_has_one_number() {
        for digit in Digit::all() {
            assert_eq!(Digit::of_key(digit.key()), Some(digit));
            assert_eq!(Digit::of_event(digit.event()), Some(digit));
        }
        assert_eq!(Digit::of_key('d').map(Digit::event), Some(15));
        assert_eq!(Digit::of_event(16), None);
        assert_eq!(Digit::of_key('E'), None);
    }

    #[test]
    fn a_press_is_told_once_and_at_its_beginning() {
        let mut events = Events::new();
        let first = events.packet(&[8, 0x0a, 0, 160], 1, 5_000, 0);
        assert_eq!(first, Some(Press { digit: Digit::of_key('8').unwrap(), timestamp: 5_000 }));
        for duration in [320_u16, 480, 640, 640, 640] {
            let [high, low] = duration.to_be_bytes();
            assert_eq!(events.packet(&[8, 0x8a, high, low], 1, 5_000, 0), None);
        }
    }

    #[test]
    fn the_same_key_pressed_again_is_another_press() {
        let packets = [(0, 0), (50, 0), (100, 800), (150, 800), (200, 1_600)];
        let packets = packets.map(|(at, timestamp)| packet(at, '8', at == 50, 400, 1, timestamp));
        assert_eq!(received(&packets), "888");
    }

    #[test]
    fn a_press_of_which_only_the_end_arrives_is_told() {
        assert_eq!(received(&[packet(0, '#', true, 800, 1, 10)]), "#");
    }

    #[test]
    fn a_press_goes_on_when_its_source_changes() {
        let packets = [
            packet(0, '4', false, 160, 1, 1_000),
            packet(20, '4', false, 320, 1, 1_000),
            packet(40, '4', false, 160, 2, 777_000),
            packet(45, '4', false, 320, 1, 1_000),
            packet(60, '4', true, 320, 2, 777_000),
            packet(70, '4', true, 320, 2, 777_000),
            packet(75, '4', false, 320, 1, 1_000),
            // The next press of it.
            packet(150, '4', false, 160, 2, 778_000),
        ];
        assert_eq!(received(&packets), "44");
    }

    #[test]
    fn a_press_of_another_source_after_a_while_is_another_press() {
        let packets = [packet(0, '4', false, 160, 1, 1_000), packet(400, '4', false, 160, 2, 9_000)];
        assert_eq!(received(&packets), "44");
    }

    #[test]
    fn a_press_longer_than_sixteen_bits_is_one() {
        let mut packets = Vec::new();
        for ms in (0..20_000_u64).step_by(50) {
            let (segment, within) = (ms / 8_000, ms % 8_000);
            // Of 8,000 a second, 64,000 to a segment.
            packets.push(packet(ms, '*', false, within as u16 * 8, 1, 500 + segment as u32 * 64_000));
        }
        packets.swap(160, 161);
        packets.swap(158, 162);
        packets.push(packet(20_000, '*', true, 32_000, 1, 500 + 2 * 64_000));
        packets.push(packet(20_100, '*', false, 160, 1, 200_000));
        assert_eq!(received(&packets), "**");
    }

    #[test]
    fn what_is_no_digit_is_nothing() {
        let mut events = Events::new();
        for payload in [[].as_slice(), &[1], &[1, 2, 3], &[16, 0, 0, 160], &[255, 0x80, 0, 0]] {
            assert_eq!(events.packet(payload, 1, 1, 1), None);
        }
    }

    /// Who presses what, for how long, and whether the source changes meanwhile.
    fn presses() -> impl Strategy<Value = Vec<(u8, u64, bool)>> {
        prop::collection::vec((0..Digit::COUNT, 10_u64..30, any::<bool>()), 1..12)
    }

    proptest! {
        #[test]
        fn no_network_loses_or_doubles_a_press(
            presses in presses(),
            begin in any::<u32>(),
            losses in prop::collection::vec(0_u8..100, 400),
            delays in prop::collection::vec(0_u64..80, 400),
            doubles in prop::collection::vec(0_u8..100, 400),
        ) {
            let mut packets = Vec::new();
            let (mut now, mut ssrc, mut shift) = (0, 7, begin);
            let (mut fates, mut expected) = (0.., String::new());
            for (event, length, changes) in presses {
                let key = Digit::of_event(event).unwrap().key();
                expected.push(key);
                let mut begun = now;
                for at in 0..length + 3 {
                    if changes && at == length / 2 {
                        (ssrc, shift, begun) = (ssrc + 1, shift.wrapping_mul(31).wrapping_add(1), now);
                    }
                    let timestamp = (begun as u32 * 8).wrapping_add(shift);
                    let duration = ((now - begun + 20) * 8) as u16;
                    let ended = at >= length - 1;
                    let fate = fates.next().unwrap() % 400;
                    // The first one of each source gets through, that there be something to know the press by.
                    let must = at == 0 || (changes && at == length / 2);
                    if must || losses[fate] >= 30 {
                        packets.push(packet(now + delays[fate], key, ended, duration, ssrc, timestamp));
                        if doubles[fate] < 20 {
                            packets.push(packet(now + delays[(fate + 1) % 400], key, ended, duration, ssrc, timestamp));
                        }
                    }
                    now += if at >= length - 1 { 0 } else { 20 };
                }
                // Longer than any packet is late.
                now += 100;
            }
            packets.sort_by_key(|packet| packet.arrives_ms);
            prop_assert_eq!(received(&packets), expected);
        }
    }
}
