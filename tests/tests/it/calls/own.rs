//! Telephones call the element itself, and it calls them.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::Arc,
    time::{Duration, Instant},
};

use rtp_rs::{RtpPacketBuilder, RtpReader};
use undertone_control_core::{
    call::{Media, MediaFailure, Ports},
    element::{Element, Limits, Output},
    sip::{Flow, Transport},
    time::Nanos,
    trunk::{Listener, Peer, PeerIndex, Side, Trunks},
    ua::{self, By, Cause, Destination, Event, MediaLeg, Order, OwnNumber, Placement, Terms, UaId},
};
use undertone_core::{Policy, Relay, StreamReport, mixer::Codec};
use undertone_tests::{
    Error, Result,
    lab::Family,
    phone::{self, Line, Phone},
    speech::SAMPLE_RATE,
};

use super::ground::{Ground, Who};

/// Long enough for anything that a telephone does.
const SOON: Duration = Duration::from_secs(10);

/// Calls between peers are none of this.
struct Nothing;

impl Media for Nothing {
    fn add(&mut self, _relay: &Relay) -> std::result::Result<(), MediaFailure> {
        Err(MediaFailure("there are no calls between peers".into()))
    }

    fn change(&mut self, relay: &Relay) -> std::result::Result<(), MediaFailure> {
        self.add(relay)
    }

    fn remove(&mut self, _at: SocketAddr) {}

    fn report(&self, _at: SocketAddr) -> Option<StreamReport> {
        None
    }
}

/// The element with one socket, and a telephone at its PBX.
struct Bed {
    element: Element<Nothing>,
    socket: UdpSocket,
    began: Instant,
    events: Vec<Event>,
    phone: Phone,
    _folder: tempfile::TempDir,
    _ground: Ground,
}

impl Bed {
    fn new() -> Result<Self> {
        let ground = Ground::loopback()?;
        let ours = SocketAddr::new(ground.ours(Who::Pbx, Family::V4), 5060);
        let at = SocketAddr::new(ground.theirs(Who::Pbx, Family::V4), 5060);
        let folder = tempfile::tempdir().map_err(failed)?;
        let line = Line {
            name: "supervisor".into(),
            number: "200".into(),
            at,
            transport: "udp".into(),
            codec: phone::Codec::Pcmu,
            namespace: None,
            folder: folder.path().join("phone"),
            more: String::new(),
        };
        let trunks = Trunks {
            listeners: vec![Listener { transport: Transport::Udp, address: ours }],
            peers: vec![Peer::new("pbx", Side::OnNet, at)],
            ..Trunks::default()
        };
        let ports = Ports::new(&[ours.ip()], 20_000, 20_099);
        let mut element = Element::new(Arc::new(trunks), Limits::default(), Nothing, ports, [7; 32], Nanos(0));
        let number = OwnNumber::Prefix { prefix: "007".into(), more_max: 6 };
        element.set_own(vec![number], ua::Limits::default());
        let socket = UdpSocket::bind(ours).map_err(failed)?;
        let phone = line.start(&vec![1000; 30 * SAMPLE_RATE as usize])?;
        Ok(Self { element, socket, began: Instant::now(), events: Vec::new(), phone, _folder: folder, _ground: ground })
    }

    fn now(&self) -> Nanos {
        Nanos(self.began.elapsed().as_nanos() as u64)
    }

    /// Serves the socket until something is told that `found` wants.
    fn wait_for<T>(&mut self, what: &str, mut found: impl FnMut(&Event) -> Option<T>) -> Result<T> {
        let until = Instant::now() + SOON;
        loop {
            self.drain();
            while !self.events.is_empty() {
                let event = self.events.remove(0);
                if let Some(found) = found(&event) {
                    return Ok(found);
                }
            }
            if Instant::now() > until {
                return Err(Error::Other(format!("waited for {what}")));
            }
            self.serve()?;
        }
    }

    /// Takes one message, or sees to what is due.
    fn serve(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        self.socket.set_read_timeout(Some(Duration::from_millis(10))).map_err(failed)?;
        match self.socket.recv_from(&mut buffer) {
            Ok((length, remote)) => {
                let flow = Flow { listener: 0, transport: Transport::Udp, remote, connection: 0 };
                self.element.receive(self.now(), flow, &buffer[..length]);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(failed(error)),
        }
        if self.element.deadline() <= self.now() {
            self.element.timeout(self.now());
        }
        self.drain();
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(output) = self.element.poll() {
            match output {
                Output::Send(sending) => {
                    self.socket.send_to(&sending.bytes, sending.flow.remote).expect("a loopback interface");
                }
                Output::Ua(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn incoming(&mut self) -> Result<ua::Incoming> {
        self.wait_for("a call", |event| match event {
            Event::Incoming(incoming) => Some((**incoming).clone()),
            _ => None,
        })
    }

    fn media(&mut self) -> Result<MediaLeg> {
        self.wait_for("media", |event| if let Event::Media(_, leg) = event { Some(**leg) } else { None })
    }

    fn ended(&mut self) -> Result<Cause> {
        self.wait_for("the end", |event| if let Event::Ended(_, cause) = event { Some(cause.clone()) } else { None })
    }

    fn up(&mut self, id: UaId) -> Result<()> {
        self.wait_for("the call to be up", |event| (*event == Event::Up(id)).then_some(()))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn failed(error: std::io::Error) -> Error {
    Error::Other(error.to_string())
}

fn terms() -> Terms {
    Terms { local: None, codecs: vec![Codec::Opus, Codec::G722, Codec::Pcma, Codec::Pcmu], order: Order::Theirs }
}

/// Packets come as was agreed on, and go where they are wanted.
fn assert_speaks(leg: &MediaLeg) -> Result<()> {
    let socket = UdpSocket::bind(leg.local).map_err(failed)?;
    socket.set_read_timeout(Some(SOON)).map_err(failed)?;
    let mut buffer = [0; 2048];
    for sequence in 0..60_u16 {
        let (length, from) = socket.recv_from(&mut buffer).map_err(failed)?;
        let packet = RtpReader::new(&buffer[..length]).expect("RTP");
        assert_eq!((packet.payload_type(), packet.payload().len()), (leg.arriving.payload_type, 160), "20 ms of G.711");
        // On loopback a telephone calls itself what it likes, and is where it sends from: hence the policy.
        let remote = leg.remote.expect("it said where it is");
        assert_eq!((from.port(), leg.learn), (remote.port(), Policy::Latch));
        let echo = RtpPacketBuilder::new()
            .payload_type(leg.format.payload_type)
            .ssrc(7)
            .sequence(sequence.into())
            .timestamp(u32::from(sequence) * 160)
            .payload(packet.payload())
            .build()
            .expect("a packet");
        socket.send_to(&echo, from).map_err(failed)?;
    }
    Ok(())
}

#[test]
fn a_telephone_calls_a_number_of_ours_holds_resumes_and_is_hung_up_on() -> Result<()> {
    let mut bed = Bed::new()?;
    let ours = bed.socket.local_addr().map_err(failed)?;
    bed.phone.call(&format!("sip:007100@{ours}"))?;
    let incoming = bed.incoming()?;
    assert_eq!((incoming.number.as_str(), incoming.party.extension.as_str()), ("007100", "200"));
    assert!(bed.element.alert(bed.now(), incoming.id));
    bed.element.accept(bed.now(), incoming.id, &terms()).expect("it can be answered");
    let leg = bed.media()?;
    assert_eq!((leg.format.codec, leg.sends, leg.local.ip()), (Codec::Pcmu, true, ours.ip()));
    bed.up(incoming.id)?;
    bed.phone.established()?;
    assert_speaks(&leg)?;
    for (holds, sends) in [(true, false), (false, true)] {
        bed.phone.hold(holds)?;
        assert_eq!(bed.media()?.sends, sends);
    }
    assert!(bed.element.hang_up(bed.now(), incoming.id, Cause::by_us(480, "The Call Is Over")));
    assert_eq!(bed.ended()?.by, By::Us);
    let heard = bed.phone.heard()?;
    assert!(heard.iter().any(|sample| sample.unsigned_abs() > 500), "it heard its own voice come back");
    Ok(())
}

#[test]
fn a_telephone_that_is_refused_hears_why() -> Result<()> {
    let mut bed = Bed::new()?;
    let ours = bed.socket.local_addr().map_err(failed)?;
    bed.phone.call(&format!("sip:007999@{ours}"))?;
    let id = bed.incoming()?.id;
    assert!(bed.element.turn_down(bed.now(), id, 404, "No Such Call", None));
    bed.ended()?;
    bed.phone.refused("404 No Such Call")
}

#[test]
fn a_telephone_is_called_answers_and_hangs_up() -> Result<()> {
    let mut bed = Bed::new()?;
    let placement = Placement {
        to: Destination::Peers(vec![PeerIndex(0)]),
        number: "200".into(),
        from_number: "007100".into(),
        from_name: "Undertone monitoring 100".into(),
        terms: terms(),
        auto_answer: true,
        ring_s: 10,
    };
    let now = bed.now();
    let id = bed.element.place(now, placement).expect("it is placed");
    bed.up(id)?;
    let leg = bed.media()?;
    assert_eq!(leg.format.codec, Codec::Pcmu, "all that it speaks");
    bed.phone.established()?;
    assert_speaks(&leg)?;
    bed.phone.hang_up()?;
    assert_eq!(bed.ended()?.by, By::Party);
    assert_eq!(bed.element.ports_used().0, 0);
    let nobodys: IpAddr = leg.local.ip();
    assert!(!bed.element.is_of_call(SocketAddr::new(nobodys, leg.local.port())));
    Ok(())
}
