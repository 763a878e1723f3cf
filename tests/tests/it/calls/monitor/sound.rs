//! What a handset says and hears: a tone in packets of 20 ms, and whatever comes.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use audio_codec_algorithms::{decode_alaw, decode_ulaw, encode_alaw, encode_ulaw};
use undertone_tests::{
    Result,
    lab::Namespace,
    rtp::Packet,
    speech::{SAMPLE_RATE, tone},
};

use super::Ear;
use crate::daemon::operator::other;

/// How often sockets look whether to stop.
const LOOK: Duration = Duration::from_millis(20);
/// The time and the samples of a packet.
const PACKET: Duration = Duration::from_millis(20);
const SAMPLES: usize = 160;
/// The payload types of G.711 (RFC 3551 §6).
pub(super) const PCMU: u8 = 0;
pub(super) const PCMA: u8 = 8;

/// A handle on the sound of one call.
#[derive(Clone)]
pub(super) struct Sound(Arc<Inner>);

struct Inner {
    namespace: Option<Namespace>,
    state: Mutex<State>,
    heard: Mutex<Heard>,
    stops: AtomicBool,
}

/// What came.
#[derive(Default)]
struct Heard {
    samples: Vec<i16>,
    /// The numbers of the packets, in the order in which they came.
    numbers: Vec<u16>,
    rtcp: Vec<Vec<u8>>,
}

/// What is said.
struct State {
    socket: Arc<UdpSocket>,
    local: SocketAddr,
    remote: Option<SocketAddr>,
    /// What is spoken, the most wanted first.
    codecs: Vec<u8>,
    /// What an offer is answered with, where that is more than one.
    answers: Vec<u8>,
    /// What the other end wants to hear.
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Nothing is sent.
    is_silent: bool,
    /// Of how many packets one is lost on its way; 0 for none.
    lost_of: u16,
    /// Whether RTCP is to come with RTP.
    is_muxed: bool,
    version: u32,
    tone: Vec<i16>,
    /// When the next packet is due.
    due: Instant,
}

/// A socket where a host is.
pub(super) fn bind(namespace: Option<&Namespace>, at: SocketAddr) -> Result<UdpSocket> {
    let open = || {
        let socket = UdpSocket::bind(at)?;
        socket.set_read_timeout(Some(LOOK))?;
        Ok::<_, std::io::Error>(socket)
    };
    match namespace {
        Some(namespace) => namespace.run(open)?,
        None => open(),
    }
    .map_err(|error| other(format!("{at}: {error}")))
}

impl Sound {
    /// A tone of so many hertz, which is said as soon as it is known to whom.
    pub(super) fn new(namespace: Option<Namespace>, local: SocketAddr, hz: u32, codecs: &[u8]) -> Result<Self> {
        let socket = Arc::new(bind(namespace.as_ref(), local)?);
        let state = State {
            socket,
            local,
            remote: None,
            codecs: codecs.to_vec(),
            answers: Vec::new(),
            payload_type: codecs.first().copied().unwrap_or_default(),
            ssrc: hz << 16 | u32::from(local.port()),
            sequence: 1,
            timestamp: 0,
            is_silent: false,
            lost_of: 0,
            is_muxed: false,
            version: 0,
            tone: tone(f64::from(hz), SAMPLE_RATE as usize),
            due: Instant::now(),
        };
        let (heard, stops) = (Mutex::default(), AtomicBool::new(false));
        let sound = Self(Arc::new(Inner { namespace, state: Mutex::new(state), heard, stops }));
        for run in [Self::listen, Self::speak] {
            let sound = sound.clone();
            thread::spawn(move || {
                while !sound.0.stops.load(Ordering::Relaxed) {
                    run(&sound);
                }
            });
        }
        Ok(sound)
    }

    /// Says and hears nothing any more.
    pub(super) fn stop(&self) {
        self.0.stops.store(true, Ordering::Relaxed);
    }

    /// Sends nothing from now on, or again.
    pub(super) fn set_silent(&self, is_silent: bool) {
        self.state().is_silent = is_silent;
    }

    /// Loses one of so many packets from now on.
    pub(super) fn set_lost_of(&self, packets: u16) {
        self.state().lost_of = packets;
    }

    /// Asks for RTCP to come with RTP, from the next description on.
    pub(super) fn set_muxed(&self) {
        self.state().is_muxed = true;
    }

    /// Is another source from now on, whose numbers begin anew.
    pub(super) fn set_source(&self, ssrc: u32) {
        let mut state = self.state();
        (state.ssrc, state.sequence, state.timestamp) = (ssrc, 40_000, 3_000_000_000);
    }

    /// Sends this payload type from now on, without a word of it.
    pub(super) fn set_payload_type(&self, payload_type: u8) {
        self.state().payload_type = payload_type;
    }

    /// Speaks these codecs from the next description on.
    pub(super) fn set_codecs(&self, codecs: &[u8]) {
        self.state().codecs = codecs.to_vec();
    }

    /// Answers an offer with all of these that stand in it, rather than with one.
    pub(super) fn set_answer(&self, codecs: &[u8]) {
        self.state().answers = codecs.to_vec();
    }

    /// Is at another port from the next description on: takes it at once, and leaves the old one.
    pub(super) fn move_by(&self, ports: u16) -> Result<()> {
        let mut state = self.state();
        let mut local = state.local;
        local.set_port(local.port() + ports);
        state.socket = Arc::new(bind(self.0.namespace.as_ref(), local)?);
        state.local = local;
        Ok(())
    }

    /// The source that it is.
    pub(super) fn ssrc(&self) -> u32 {
        self.state().ssrc
    }

    /// A number of its packets, for one that is made elsewhere.
    pub(super) fn take_number(&self) -> u16 {
        let mut state = self.state();
        state.sequence = state.sequence.wrapping_add(1);
        state.sequence.wrapping_sub(1)
    }

    /// Where it is sent to.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.state().remote
    }

    /// Sends something else from where its packets come from.
    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) -> Result<()> {
        let socket = Arc::clone(&self.state().socket);
        socket.send_to(bytes, to).map(drop).map_err(other)
    }

    /// The longest time of which no packet came, by the numbers of those that did: a machine that is busy says nothing in it.
    pub(super) fn longest_gap(&self) -> Duration {
        let heard = self.heard();
        let steps = heard.numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]).cast_signed());
        PACKET * steps.max().unwrap_or_default().saturating_sub(1).max(0).cast_unsigned().into()
    }

    /// How many packets have come.
    pub(super) fn packets(&self) -> usize {
        self.heard().numbers.len()
    }

    /// The RTCP that came on the port of RTP.
    pub(super) fn rtcp(&self) -> Vec<Vec<u8>> {
        self.heard().rtcp.clone()
    }

    /// A description of it, with this direction.
    pub(super) fn offer(&self, direction: &str) -> String {
        let codecs = self.state().codecs.clone();
        self.describe(&codecs, direction)
    }

    /// Takes an offer, and gives the answer: the first codec of it that is spoken.
    pub(super) fn take_offer(&self, offer: &str) -> String {
        self.follow(offer);
        let direction = match direction(offer) {
            "a=sendonly" => "a=recvonly",
            "a=recvonly" => "a=sendonly",
            other => other,
        };
        let state = self.state();
        let codecs = if state.answers.is_empty() { vec![state.payload_type] } else { state.answers.clone() };
        drop(state);
        self.describe(&codecs, direction)
    }

    /// Sends where a description says, what it wants to hear most, and nothing while it does not want to hear.
    pub(super) fn follow(&self, description: &str) {
        let ip = description.lines().find_map(|line| line.strip_prefix("c=IN IP4 ").or(line.strip_prefix("c=IN IP6 ")));
        let media = description.lines().find_map(|line| line.strip_prefix("m=audio "));
        let (Some(ip), Some(mut fields)) = (ip.and_then(|ip| ip.parse().ok()), media.map(str::split_whitespace)) else {
            return;
        };
        let port = fields.next().and_then(|port| port.parse().ok()).unwrap_or_default();
        let mut state = self.state();
        let wanted =
            fields.skip(1).filter_map(|number| number.parse().ok()).find(|number| state.codecs.contains(number));
        state.payload_type = wanted.unwrap_or(state.payload_type);
        let wants = !matches!(direction(description), "a=sendonly" | "a=inactive");
        state.remote = wants.then(|| SocketAddr::new(ip, port));
    }

    fn describe(&self, codecs: &[u8], direction: &str) -> String {
        let mut state = self.state();
        state.version += 1;
        let (local, version) = (state.local, state.version);
        let mux = if state.is_muxed { "a=rtcp-mux\r\n" } else { "" };
        let family = if local.is_ipv4() { "IP4" } else { "IP6" };
        let (ip, port) = (local.ip(), local.port());
        let numbers: String = codecs.iter().map(|number| format!(" {number}")).collect();
        let name = |number: &u8| if *number == PCMA { "PCMA" } else { "PCMU" };
        let maps: String = codecs.iter().map(|number| format!("a=rtpmap:{number} {}/8000\r\n", name(number))).collect();
        let direction = if direction.is_empty() { String::new() } else { format!("{direction}\r\n") };
        format!(
            "v=0\r\no=- 1 {version} IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\n\
             m=audio {port} RTP/AVP{numbers} 101\r\n{maps}a=rtpmap:101 telephone-event/8000\r\n{mux}{direction}"
        )
    }

    fn listen(&self) {
        let socket = Arc::clone(&self.state().socket);
        let mut buffer = [0; 2048];
        let Ok((length, _)) = socket.recv_from(&mut buffer) else { return };
        let bytes = &buffer[..length];
        let mut heard = self.heard();
        if bytes.get(1).is_some_and(|kind| (192..=223).contains(kind)) {
            heard.rtcp.push(bytes.to_vec());
        } else if let Ok(packet) = Packet::parse(bytes) {
            heard.numbers.push(packet.sequence);
            match packet.payload_type {
                PCMU => heard.samples.extend(packet.payload.iter().map(|byte| decode_ulaw(*byte))),
                PCMA => heard.samples.extend(packet.payload.iter().map(|byte| decode_alaw(*byte))),
                _ => {}
            }
        }
    }

    /// Sends the next packet, and waits until the one behind it is due.
    fn speak(&self) {
        let (socket, packet, to, due) = {
            let mut state = self.state();
            let at = state.timestamp as usize % state.tone.len();
            let samples = state.tone.iter().cycle().skip(at).take(SAMPLES);
            let encode = if state.payload_type == PCMA { encode_alaw } else { encode_ulaw };
            let packet = Packet {
                payload_type: state.payload_type,
                marker: false,
                sequence: state.sequence,
                timestamp: state.timestamp,
                ssrc: state.ssrc,
                payload: samples.map(|sample| encode(*sample)).collect(),
            };
            state.timestamp = state.timestamp.wrapping_add(SAMPLES as u32);
            let is_lost = state.lost_of > 0 && state.sequence.is_multiple_of(state.lost_of);
            let to = state.remote.filter(|_| !state.is_silent);
            if to.is_some() {
                state.sequence = state.sequence.wrapping_add(1);
            }
            // One that was kept from running does not send all at once what it has missed.
            let (next, now) = (state.due + PACKET, Instant::now());
            state.due = if now.saturating_duration_since(next) > 5 * PACKET { now } else { next };
            (Arc::clone(&state.socket), packet, to.filter(|_| !is_lost), state.due)
        };
        if let Some(to) = to {
            let _ = socket.send_to(&packet.to_bytes(), to);
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ear for Sound {
    fn heard_so_far(&self) -> Result<Vec<i16>> {
        Ok(self.heard().samples.clone())
    }
}

/// The direction of a description (RFC 3264 §5.1).
fn direction(description: &str) -> &str {
    let all = ["a=sendonly", "a=recvonly", "a=inactive"];
    description.lines().find(|line| all.contains(line)).unwrap_or("a=sendrecv")
}
