//! Who hears whom, whatever parties and supervisors speak: every codec of a call with every codec of a supervisor.
//!
//! There is one call for each codec, all at once, and a supervisor for each. They go round: in every turn each monitors
//! another call, until all have been at all.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
    thread,
    time::Duration,
};

use undertone_core::mixer::{Mode, Person};
use undertone_tests::{
    Result,
    lab::{Family, wait_for},
    phone::{Codec, Line, Phone},
    rtp::{Packet, Seen, Tap},
    speech::tone,
};

use super::{
    exchange::{Exchange, Plan},
    ground::Who,
    monitor::{TONE, TONES, assert_hears},
};

/// Each supervisor goes through these modes, by dialling this.
const MODES: [(&str, Mode); 4] =
    [("", Mode::Listen), ("*83", Mode::WhisperToAgent), ("*82", Mode::Barge), ("*81", Mode::WhisperToCaller)];
/// Packets in a row that are as they were sent where nobody speaks into them, and how long that may take: a coder with a
/// memory is given back when it has forgotten.
const IN_A_ROW: usize = 25;
const GIVEN_BACK: Duration = Duration::from_secs(15);
/// Packets of all that are looked through for them.
const LOOKED_AT: usize = 8_000;

/// The first host of the telephones of callers, of agents and of supervisors.
const HOSTS: [(Person, u8); 3] = [(Person::Caller, 40), (Person::Agent, 50), (Person::Supervisor, 60)];

/// A call of one codec.
struct Call {
    agent: Phone,
    caller: Phone,
}

struct Scene {
    exchange: Exchange,
    calls: Vec<Call>,
    supervisors: Vec<Phone>,
}

impl Scene {
    fn new() -> Result<Self> {
        let mut plan = Plan::loopback()?;
        plan.sip = configuration(&plan);
        let exchange = plan.start()?;
        let start = |person, at| {
            let (_, hz) = TONES.into_iter().find(|(it, _)| *it == person).expect("a tone");
            let line = Line {
                name: format!("{person:?} {at}"),
                number: number(person, at),
                at: SocketAddr::new(host(&exchange, person, at), 5060),
                codec: Codec::ALL[at],
                transport: "udp".into(),
                namespace: None,
                folder: exchange.operator.file(&format!("{person:?}-{at}")),
                more: format!("rtp_ports {}-{}\n", rtp_ports(person, at).start, rtp_ports(person, at).end - 1),
            };
            line.start(&tone(hz, TONE))
        };
        let phones = |person| (0..Codec::ALL.len()).map(|at| start(person, at)).collect::<Result<Vec<_>>>();
        let people = [Person::Agent, Person::Caller, Person::Supervisor];
        let [agents, callers, supervisors] = thread::scope(|scope| {
            people.map(|person| scope.spawn(move || phones(person))).map(|phones| phones.join().expect("no panic"))
        });
        let parties = agents?.into_iter().zip(callers?);
        let mut calls: Vec<_> = parties.map(|(agent, caller)| Call { agent, caller }).collect();
        for (at, call) in calls.iter().enumerate() {
            call.caller.call(&uri(&exchange, &number(Person::Agent, at)))?;
        }
        for call in &mut calls {
            call.caller.established()?;
            call.agent.established()?;
        }
        exchange.wait_for_calls(calls.len())?;
        let supervisors = supervisors?;
        Ok(Self { exchange, calls, supervisors })
    }

    /// The supervisor who is at a call in a turn.
    fn supervisor(&self, call: usize, turn: usize) -> usize {
        (call + turn) % self.supervisors.len()
    }

    /// Everybody at every call hears whom the table says.
    fn assert_heard(&self, turn: usize, mode: Mode) -> Result<()> {
        let mut ears = Vec::new();
        for (at, call) in self.calls.iter().enumerate() {
            let supervisor = self.supervisor(at, turn);
            for (person, _) in TONES {
                let phone = match person {
                    Person::Agent => &call.agent,
                    Person::Caller => &call.caller,
                    Person::Supervisor => &self.supervisors[supervisor],
                };
                let what = format!("{mode:?}: {person:?} of {:?} by {:?}", Codec::ALL[at], Codec::ALL[supervisor]);
                ears.push((what, person, phone, phone.heard_so_far()?.len()));
            }
        }
        for (what, person, phone, from) in ears {
            assert_hears(&what, phone, from, |speaker| mode.hears(person, speaker))?;
        }
        Ok(())
    }

    /// What parties get whom nobody speaks to is what the other one sends.
    fn assert_untouched(&self, tap: &Tap, mode: Mode) -> Result<()> {
        for (listener, speaker) in [(Person::Agent, Person::Caller), (Person::Caller, Person::Agent)] {
            if mode.hears(listener, Person::Supervisor) {
                continue;
            }
            for (at, codec) in Codec::ALL.into_iter().enumerate() {
                let ours = self.exchange.address_for(Who::Carrier).ip();
                let [from, to] = [speaker, listener].map(|person| rtp_ports(person, at));
                let what = format!("{mode:?}: {listener:?} to get what {speaker:?} sends in {codec:?}, byte by byte");
                wait_for(&what, GIVEN_BACK, || are_the_same(&tap.so_far(), ours, &from, &to).then_some(()))?;
            }
        }
        Ok(())
    }
}

/// Whether the last packets that arrived have the payloads that were sent, one after the other. Numbers and times may have
/// been moved, where a busy machine held a telephone up and the supervisor was heard meanwhile.
fn are_the_same(seen: &[Seen], ours: IpAddr, from: &Range<u16>, to: &Range<u16>) -> bool {
    let seen = &seen[seen.len().saturating_sub(LOOKED_AT)..];
    // RTP has the even ports.
    let is = |ports: &Range<u16>, at: SocketAddr| ports.contains(&at.port()) && at.port().is_multiple_of(2);
    let sent = once(seen.iter().filter(|it| it.to.ip() == ours && is(from, it.from)));
    let arrived = once(seen.iter().filter(|it| it.from.ip() == ours && is(to, it.to)));
    let last = &arrived[arrived.len().saturating_sub(IN_A_ROW)..];
    let in_order = last.windows(2).all(|pair| pair[1].sequence.wrapping_sub(pair[0].sequence) == 1);
    let is_last = |sent: &[&Packet]| sent.iter().zip(last).all(|(sent, arrived)| sent.payload == arrived.payload);
    last.len() == IN_A_ROW && in_order && sent.windows(IN_A_ROW).any(is_last)
}

/// Each packet once: the loopback interface shows it as it leaves and as it arrives.
fn once<'a>(seen: impl Iterator<Item = &'a Seen>) -> Vec<&'a Packet> {
    let mut packets: Vec<_> = seen.map(|it| &it.packet).collect();
    packets.dedup_by_key(|packet| packet.sequence);
    packets
}

/// Peers for all telephones, and who may monitor whom.
fn configuration(plan: &Plan) -> String {
    let ours = plan.ground.ours(Who::Carrier, Family::V4);
    let count = Codec::ALL.len();
    let all = |person| (0..count).map(|at| plan.ground.host(first(person) + at as u8).to_string()).collect::<Vec<_>>();
    let peer = |name: &str, side: &str, addresses: &[String]| {
        format!(
            "[[peer]]\nname = \"{name}\"\nside = \"{side}\"\naddresses = {addresses:?}\ntransport = \"udp\"\n\
             listen = \"udp:{ours}:5060\"\nmedia = \"{ours}\"\noptions = 0\n"
        )
    };
    let numbers = |person| (0..count).map(|at| number(person, at)).collect::<Vec<_>>();
    let mut text = format!(
        "[[user]]\nname = \"ann\"\nextensions = {:?}\n[[user]]\nname = \"bob\"\nextensions = {:?}\n\
         [[monitoring.rule]]\nwho = {{ users = [\"ann\"] }}\nwhom = {{ users = [\"bob\"] }}\n",
        numbers(Person::Supervisor),
        numbers(Person::Agent)
    );
    text += &peer("callers", "off-net", &all(Person::Caller));
    text += &peer("desks", "on-net", &all(Person::Supervisor));
    for (at, address) in all(Person::Agent).into_iter().enumerate() {
        let name = format!("agent-{at}");
        text += &peer(&name, "on-net", &[address]);
        let number = number(Person::Agent, at);
        text += &format!("[[route]]\nfrom = [\"callers\"]\nprefix = \"{number}\"\nto = \"{name}\"\n");
    }
    text
}

fn first(person: Person) -> u8 {
    HOSTS.into_iter().find(|(it, _)| *it == person).expect("hosts").1
}

fn host(exchange: &Exchange, person: Person, at: usize) -> IpAddr {
    exchange.ground.host(first(person) + at as u8)
}

/// Where a telephone has its media: on loopback, all of them are at the same address.
fn rtp_ports(person: Person, at: usize) -> Range<u16> {
    let begin = 10_000 + 100 * u16::from(first(person) + at as u8);
    begin..begin + 100
}

fn number(person: Person, at: usize) -> String {
    match person {
        Person::Agent => format!("10{at}"),
        Person::Caller => format!("49{at}"),
        Person::Supervisor => format!("20{at}"),
    }
}

fn uri(exchange: &Exchange, number: &str) -> String {
    format!("sip:{number}@{}", exchange.address_for(Who::Carrier))
}

mod privileged {
    use super::*;

    #[test]
    fn everybody_hears_whom_they_should_with_every_codec() -> Result<()> {
        let mut scene = Scene::new()?;
        // Payloads are seen where they leave and arrive, which takes privilege.
        let tap = Tap::on(None)?;
        for turn in 0..Codec::ALL.len() {
            for call in 0..scene.calls.len() {
                let supervisor = scene.supervisor(call, turn);
                let uri = uri(&scene.exchange, &format!("007{}", number(Person::Agent, call)));
                scene.supervisors[supervisor].call(&uri)?;
            }
            for supervisor in &mut scene.supervisors {
                supervisor.established()?;
            }
            for (code, mode) in MODES {
                scene.supervisors.iter().try_for_each(|supervisor| supervisor.press(code))?;
                scene.assert_heard(turn, mode)?;
                scene.assert_untouched(&tap, mode)?;
                tap.so_far().clear();
            }
            scene.supervisors.iter().try_for_each(Phone::hang_up)?;
            scene.supervisors.iter_mut().try_for_each(Phone::forget)?;
        }
        Ok(())
    }
}
