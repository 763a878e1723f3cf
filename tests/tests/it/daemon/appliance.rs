//! An appliance on loopback addresses of its own, where a daemon runs on the `io_uring` path.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    ops::Deref,
};

use undertone_tests::{
    Error, Result,
    rtp::{Packet, Stream},
};

use super::operator::{Operator, SOON, other};

/// Media ports of one appliance.
const PORTS: u16 = 32;
/// The first media port of the first.
const PORT_FIRST: u16 = 20_000;

/// An appliance without a daemon yet; its files go with it.
pub(super) struct Appliance {
    operator: Operator,
    slot: Slot,
}

/// Addresses and ports that no other test on this machine uses meanwhile.
struct Slot {
    number: u16,
    _claim: UdpSocket,
}

impl Slot {
    fn claim() -> Result<Self> {
        let claim = |number: u16| {
            let claim = UdpSocket::bind((Ipv4Addr::new(127, 65, 0, 1), PORT_FIRST + number)).ok()?;
            Some(Self { number, _claim: claim })
        };
        (0..200).find_map(claim).ok_or_else(|| Error::Other("200 tests are running at once".into()))
    }
}

impl Appliance {
    /// With a configuration that has no relays.
    pub(super) fn new() -> Result<Self> {
        let appliance = Self { operator: Operator::new(None)?, slot: Slot::claim()? };
        appliance.configure("")?;
        Ok(appliance)
    }

    /// Its media port number `index`.
    pub(super) fn port(&self, index: u16) -> SocketAddr {
        let port = PORT_FIRST + self.slot.number * PORTS + index;
        assert!(index < PORTS);
        SocketAddr::from((Ipv4Addr::new(127, 65, 1, 1), port))
    }

    /// Writes its configuration: the sections that every test has, and `rest`.
    pub(super) fn configure(&self, rest: &str) -> Result<()> {
        let text = format!(
            "[media]\naddresses = [\"{}\"]\nports = \"{}-{}\"\npath = \"io-uring\"\n[control]\nsocket = \"{}\"\n{rest}",
            self.port(0).ip(),
            self.port(0).port(),
            self.port(PORTS - 1).port(),
            self.socket().display(),
        );
        self.write_config(&text)
    }

    /// A `[[relay]]` between two parties, at media ports number `index` and `index + 2`.
    pub(super) fn relay(&self, index: u16, a: &Party, b: &Party) -> String {
        let (a_local, b_local) = (self.port(index), self.port(index + 2));
        let (a, b) = (a.address(), b.address());
        format!(
            "[[relay]]\na = {{ local = \"{a_local}\", peer = \"{a}\" }}\nb = {{ local = \"{b_local}\", peer = \"{b}\" }}\n"
        )
    }
}

impl Deref for Appliance {
    type Target = Operator;

    fn deref(&self) -> &Operator {
        &self.operator
    }
}

/// Somebody who sends and receives media.
pub(super) struct Party(UdpSocket);

impl Party {
    pub(super) fn new() -> Result<Self> {
        let socket = UdpSocket::bind("127.65.2.1:0").map_err(other)?;
        socket.set_read_timeout(Some(SOON)).map_err(other)?;
        Ok(Self(socket))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("a bound socket has an address")
    }

    /// Sends `count` packets of speech, each with another payload, and returns them as they were sent.
    pub(super) fn speak(&self, count: usize, to: SocketAddr) -> Result<Vec<Vec<u8>>> {
        let packets: Vec<_> = Stream::pcmu(7).numbered(count).iter().map(Packet::to_bytes).collect();
        for packet in &packets {
            self.0.send_to(packet, to).map_err(other)?;
        }
        Ok(packets)
    }

    /// The next `count` packets, all from `from`.
    pub(super) fn hear(&self, count: usize, from: SocketAddr) -> Result<Vec<Vec<u8>>> {
        let mut buffer = [0; 2048];
        let mut heard = Vec::new();
        for _ in 0..count {
            let (length, sender) = self.0.recv_from(&mut buffer).map_err(other)?;
            assert_eq!(sender, from);
            heard.push(buffer[..length].to_vec());
        }
        Ok(heard)
    }
}
