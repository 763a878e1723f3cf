//! Who hears whom while a supervisor is at a call, with one pure tone a person.

use std::{collections::HashSet, net::SocketAddr, sync::Arc, thread, time::Duration};

use undertone_abi::{RowIndex, lane_of};
use undertone_core::mixer::{
    CallKey, Codec, Event, Format, Mode, Party, Person, SessionKey, SessionSpec, StreamSpec, dtmf::Digit,
};
use undertone_dataplane::{Mixing, PathChoice, Policy};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    rtp::{Endpoint, Packet, Received, Stream},
    speech::{decode_pcmu, encode_pcmu, hears, tone},
};

use super::{
    bed::{Bed, Call, LANES, SOON, bind},
    on_every_path,
};

on_every_path!(
    everybody_hears_whom_the_table_says,
    a_supervisor_goes_to_a_call_of_another_lane,
    a_party_of_whom_nothing_was_heard_is_spoken_for,
    a_key_is_heard_once,
);

const PCMU: Format =
    Format { codec: Codec::Pcmu, payload_type: 0, telephone_event: Some(101), comfort_noise: None, packet_ms: 20 };
const CALL: CallKey = CallKey(1);
const SESSION: SessionKey = SessionKey(1);
const PACKET: Duration = Duration::from_millis(20);
/// Packets that each person sends in each mode.
const PACKETS: usize = 50;
/// Of what is heard, pieces of so many packets are looked at, which begin here: when the mode has changed, and before all
/// have ended.
const PIECE: usize = 15;
const PIECES: [usize; 3] = [20, 25, 30];

/// Each person's tone, in hertz.
const TONES: [(Person, f64); 3] = [(Person::Agent, 700.0), (Person::Caller, 1_100.0), (Person::Supervisor, 1_700.0)];

/// A call with a supervisor at it.
pub(super) struct Scene<'a> {
    bed: &'a Bed,
    key: CallKey,
    session: SessionKey,
    pub(super) call: Call,
    pub(super) supervisor: Arc<Endpoint>,
    /// The port that the supervisor sends to.
    pub(super) at: SocketAddr,
}

impl<'a> Scene<'a> {
    pub(super) fn new(bed: &'a Bed, family: Family, port: u16) -> Result<Self> {
        Self::of(bed, bed.call(family, port)?, family, SESSION, 45_000)
    }

    /// With a call that there is, and a supervisor who sends to this port.
    fn of(bed: &'a Bed, call: Call, family: Family, session: SessionKey, port: u16) -> Result<Self> {
        let supervisor = Arc::new(bind(&bed.lab.monitor, family)?);
        let at = SocketAddr::new(bed.lab.monitor.facing_address(family), port);
        let scene = Self { bed, key: CALL, session, call, supervisor, at };
        scene.tap()?;
        let spec = SessionSpec {
            format: PCMU,
            remote: scene.supervisor.local().into(),
            rtcp: None,
            policy: Policy::Strict,
            hears: true,
            tones: false,
        };
        let mixing = scene.mixing();
        bed.lab.appliance.run(|| mixing.open(session, at, None, spec))?.expect("a socket");
        mixing.attach(session, CALL, Mode::Listen);
        Ok(scene)
    }

    /// Another call that the same supervisor may go to.
    fn beside(&self, key: CallKey, port: u16) -> Result<Self> {
        let call = self.bed.call(Family::V4, port)?;
        let scene = Self { key, call, supervisor: Arc::clone(&self.supervisor), ..*self };
        scene.tap()?;
        Ok(scene)
    }

    /// Has the mixer hear the call.
    fn tap(&self) -> Result<()> {
        self.follow();
        for at in [self.agents(), self.callers()] {
            self.bed.drive(|plane| plane.tap(at))?;
        }
        Ok(())
    }

    /// Says which streams are the call's.
    fn follow(&self) {
        let spec = |row| StreamSpec { row, format: Some(PCMU), sequence_offset: 0 };
        self.mixing().set_call(self.key, self.rows().map(spec));
    }

    fn rows(&self) -> [RowIndex; 2] {
        [self.agents(), self.callers()].map(|at| self.bed.plane.row(at).expect("a row"))
    }

    /// The lane of the mixer that has the call.
    fn lane(&self) -> u32 {
        let [agent, caller] = self.rows();
        lane_of(agent, caller, LANES)
    }

    fn mixing(&self) -> &Mixing {
        self.bed.plane.mixing().expect("a mixer")
    }

    /// The port that the agent sends to, and that the caller sends to.
    const fn agents(&self) -> SocketAddr {
        self.call.relay.b.local
    }

    pub(super) const fn callers(&self) -> SocketAddr {
        self.call.relay.a.local
    }

    /// Leads those streams by the mixer that somebody speaks into.
    pub(super) fn set_mode(&self, mode: Mode) -> Result<()> {
        self.mixing().attach(self.session, self.key, mode);
        self.lead(mode)
    }

    fn lead(&self, mode: Mode) -> Result<()> {
        for (party, at) in Party::BOTH.into_iter().zip([self.agents(), self.callers()]) {
            let is_spoken_into = mode.hears(party.other().person(), Person::Supervisor);
            self.bed.drive(|plane| plane.set_divert(at, is_spoken_into))?;
        }
        Ok(())
    }

    /// Everybody speaks for a second. Gives what each of them has sent and heard, in the order of [`TONES`].
    fn speak(&self, stream: &Stream) -> Result<[(Vec<Packet>, Vec<Packet>); 3]> {
        let ends =
            [(&self.call.agent, self.agents()), (&self.call.caller, self.callers()), (&*self.supervisor, self.at)];
        let people = TONES.iter().zip(ends).zip([7_u32, 8, 9]).map(|(((_, hz), (end, to)), ssrc)| {
            let packets = Stream { ssrc, ..stream.clone() }.packets(&encode_pcmu(&tone(*hz, 160 * PACKETS)));
            (end, to, packets)
        });
        let people: Vec<_> = people.collect();
        for (end, ..) in &people {
            end.take_received();
        }
        thread::scope(|scope| {
            let senders: Vec<_> =
                people.iter().map(|(end, to, packets)| scope.spawn(|| end.send_paced(packets, PACKET, *to))).collect();
            senders.into_iter().try_for_each(|sender| sender.join().expect("a sender").map(drop))
        })?;
        let mut heard = people.into_iter().map(|(end, _, sent)| {
            let last = sent.last().map(|packet| packet.timestamp);
            let heard = wait_for("all that was said to be heard", SOON, || {
                let heard: Vec<_> = end.received().iter().filter_map(|packet| packet.packet().ok()).collect();
                let is_last = |packet: &Packet| Some(packet.timestamp) == last || packet.ssrc < 7 || packet.ssrc > 8;
                (heard.len() >= PACKETS && heard.iter().any(is_last)).then_some(heard)
            })?;
            Ok((sent, heard))
        });
        let mut next = || heard.next().expect("three people");
        Ok([next()?, next()?, next()?])
    }
}

fn everybody_hears_whom_the_table_says(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (family, port) in [(Family::V4, 20_000), (Family::V6, 20_010)] {
        let scene = Scene::new(&bed, family, port)?;
        let modes = [Mode::Listen, Mode::WhisperToAgent, Mode::Barge, Mode::WhisperToCaller, Mode::Listen];
        for (turn, mode) in modes.into_iter().enumerate() {
            scene.set_mode(mode)?;
            let numbers = (turn * PACKETS) as u16;
            let said = scene.speak(&Stream::pcmu(0).starting_at(numbers, u32::from(numbers) * 160))?;
            assert_heard(&format!("{family:?}"), mode, &said);
            // Where the supervisor is not to be heard, what one party hears is what the other has sent.
            let [(from_agent, to_agent), (from_caller, to_caller), _] = said;
            for (party, sent, heard) in
                [(Person::Agent, from_caller, to_agent), (Person::Caller, from_agent, to_caller)]
            {
                let mut heard = heard;
                // A machine that is busy may let one packet overtake another on its way from the mixer.
                heard.sort_by_key(|packet| packet.sequence);
                let steps = heard.windows(2).map(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence));
                assert_eq!(steps.filter(|step| *step != 1).count(), 0, "{mode:?}: numbers that {party:?} misses");
                // What the supervisor alone says while nobody else does has other times.
                let said = |packet: &&Packet| sent.iter().any(|sent| sent.timestamp == packet.timestamp);
                let said: Vec<_> = heard.iter().filter(said).map(|packet| &packet.payload).collect();
                // Where the supervisor speaks, a sender that a busy machine holds up is spoken over, and what it says then
                // has later times.
                let spoken_over = if mode.hears(party, Person::Supervisor) { PACKETS / 5 } else { 0 };
                assert!(said.len() + spoken_over >= PACKETS, "{mode:?}: {party:?} hears {} packets", said.len());
                let others = sent.iter().zip(said).skip(5).filter(|(sent, said)| sent.payload != **said).count();
                if !mode.hears(party, Person::Supervisor) {
                    assert_eq!(
                        others, 0,
                        "{mode:?}: packets of {PACKETS} that {party:?} hears otherwise than they were said"
                    );
                }
            }
        }
        scene.mixing().close(SESSION);
        scene.mixing().end_call(CALL);
        wait_for("the session to end", SOON, || scene.mixing().report(SESSION).is_none().then_some(()))?;
    }
    Ok(())
}

/// Somebody who goes from call to call is with each as with the first, and is heard and hears as one stream.
fn a_supervisor_goes_to_a_call_of_another_lane(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let here = Scene::new(&bed, Family::V4, 20_000)?;
    let mut ports = (20_010..).step_by(4);
    let there = loop {
        let there = here.beside(CallKey(2), ports.next().expect("a port"))?;
        if there.lane() != here.lane() {
            break there;
        }
        here.mixing().end_call(there.key);
    };
    let mut sources = HashSet::new();
    for (turn, scene) in [&here, &there, &here].into_iter().enumerate() {
        for mode in [Mode::Barge, Mode::Listen] {
            scene.set_mode(mode)?;
            let numbers = (turn * 2 * PACKETS + usize::from(mode == Mode::Listen) * PACKETS) as u16;
            let said = scene.speak(&Stream::pcmu(0).starting_at(numbers, u32::from(numbers) * 160))?;
            assert_heard(&format!("turn {turn}"), mode, &said);
            let [.., (_, to_supervisor)] = &said;
            // RTCP comes to the same port.
            let sound = to_supervisor.iter().filter(|packet| packet.payload_type == PCMU.payload_type);
            sources.extend(sound.map(|packet| packet.ssrc));
        }
    }
    assert_eq!(sources.len(), 1, "a supervisor's telephone hears one stream: {sources:?}");
    // The call's streams come to other ports: whoever is at it goes along, in the mode that it was in.
    here.set_mode(Mode::Barge)?;
    here.mixing().end_call(there.key);
    let there = Scene { key: here.key, ..there };
    there.follow();
    there.lead(Mode::Barge)?;
    let numbers = (6 * PACKETS) as u16;
    let said = there.speak(&Stream::pcmu(0).starting_at(numbers, u32::from(numbers) * 160))?;
    assert_heard("at other ports", Mode::Barge, &said);
    Ok(())
}

/// The mixer has heard nothing of the caller, who says nothing as soon as somebody whispers to the agent: also where the caller
/// has said something before.
fn a_party_of_whom_nothing_was_heard_is_spoken_for(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    for (call, said) in [0, 4].into_iter().enumerate() {
        let before = bed.call(Family::V4, 20_000 + 10 * call as u16)?;
        let numbered = Stream::pcmu(7).numbered(said);
        before.caller.send_paced(&numbered, PACKET, before.relay.a.local)?;
        before.agent.wait_for_packets(said, SOON)?;
        let scene = Scene::of(&bed, before, Family::V4, SessionKey(call as u64), 45_000 + 2 * call as u16)?;
        scene.set_mode(Mode::WhisperToAgent)?;
        let words = Stream::pcmu(9).packets(&encode_pcmu(&tone(1_700.0, 160 * PACKETS)));
        scene.supervisor.send_paced(&words, PACKET, scene.at)?;
        let heard = scene.call.agent.wait_for_packets(said + PACKETS / 2, SOON)?;
        let heard = heard.iter().skip(said).map(Received::packet);
        let heard: Vec<u8> = heard.collect::<Result<Vec<_>>>()?.into_iter().flat_map(|packet| packet.payload).collect();
        assert_eq!(hears(&decode_pcmu(&heard), 1_700.0), Some(true), "{said} packets before");
        scene.mixing().close(scene.session);
        scene.mixing().end_call(scene.key);
    }
    Ok(())
}

/// Who has heard whom is what the table says.
fn assert_heard(what: &str, mode: Mode, said: &[(Vec<Packet>, Vec<Packet>); 3]) {
    for ((listener, _), (_, heard)) in TONES.iter().zip(said) {
        for (speaker, hz) in TONES {
            let expected = mode.hears(*listener, speaker);
            // A machine that is busy may hold somebody up, which is a click, and one can argue about that piece.
            let pieces: Vec<_> = pieces(heard).map(|sound| hears(&sound, hz)).collect();
            assert!(
                pieces.contains(&Some(expected)) && !pieces.contains(&Some(!expected)),
                "{what} {mode:?}: {listener:?} hears {speaker:?}: {pieces:?}, not {expected}"
            );
        }
    }
}

/// Pieces of the sound that somebody has heard.
fn pieces(heard: &[Packet]) -> impl Iterator<Item = Vec<i16>> + '_ {
    PIECES.into_iter().filter_map(|at| {
        let payload: Vec<u8> = heard.get(at..at + PIECE)?.iter().flat_map(|packet| packet.payload.clone()).collect();
        Some(decode_pcmu(&payload))
    })
}

fn a_key_is_heard_once(path: PathChoice) -> Result<()> {
    let bed = Bed::new(path)?;
    let scene = Scene::new(&bed, Family::V4, 20_000)?;
    let mut events = scene.mixing().take_events().expect("nobody has them");
    // Each key's last packets come three times (RFC 4733 §2.5.1.4).
    for (number, event) in [10_u8, 8, 3].into_iter().enumerate() {
        for (packet, duration) in [160_u16, 320, 480, 480, 480].into_iter().enumerate() {
            let end = if packet >= 2 { 0x80 } else { 0 };
            let [high, low] = duration.to_be_bytes();
            let packet = Packet {
                payload_type: 101,
                marker: packet == 0,
                sequence: (number * 5 + packet) as u16,
                timestamp: 8_000 * number as u32,
                ssrc: 9,
                payload: vec![event, end | 0x0a, high, low],
            };
            scene.supervisor.send(&packet.to_bytes(), scene.at)?;
        }
    }
    let mut pressed = Vec::new();
    wait_for("three keys", SOON, || {
        while let Ok(event) = events.try_recv() {
            pressed.push(event);
        }
        (pressed.len() >= 3).then_some(())
    })?;
    let expected = ['*', '8', '3'].map(|key| Event::Digit(SESSION, Digit::of_key(key).expect("a key")));
    assert_eq!(pressed, expected);
    Ok(())
}
