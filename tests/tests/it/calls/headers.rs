//! What is not the daemon's to change arrives as it was sent, byte for byte.

use std::net::{SocketAddr, UdpSocket};

use undertone_tests::Result;

use super::{
    exchange::{Exchange, Plan},
    ground::Who,
};
use crate::daemon::operator::{SOON, other};

/// Headers that no proxy needs, written as few would.
const ODD: &str = "X-Odd:   kept  as it is  \r\nx-LOWER:\tand a tab\r\ns: compact\r\nX-Latin: J\u{f6}rg, ÿ\r\n\
                   P-Asserted-Identity: <tel:+4930>, \"A, B\" <sip:a@b.example;x=%41>\r\nX-Empty:\r\n\
                   X-Folded: one\r\n two\r\nHistory-Info: <sip:100@a.example>;index=1\r\nX-Odd: again\r\n";
/// Attributes that are not about where media goes.
const ATTRIBUTES: &str = "a=rtpmap:0 PCMU/8000\r\na=x-odd:  kept \r\na=ptime:20\r\n";

/// A peer that writes and reads messages itself.
struct Peer {
    socket: UdpSocket,
    to: SocketAddr,
}

impl Peer {
    fn new(exchange: &Exchange, who: Who) -> Result<Self> {
        let socket = UdpSocket::bind(exchange.address_of(who)).map_err(other)?;
        socket.set_read_timeout(Some(SOON)).map_err(other)?;
        Ok(Self { socket, to: exchange.address_for(who) })
    }

    fn send(&self, message: &str) -> Result<()> {
        self.socket.send_to(message.as_bytes(), self.to).map(drop).map_err(other)
    }

    /// The next message that begins so.
    fn hear(&self, start: &str) -> Result<String> {
        let mut buffer = vec![0; 65_535];
        loop {
            let length = self.socket.recv(&mut buffer).map_err(|error| other(format!("no {start}: {error}")))?;
            let text = String::from_utf8(buffer[..length].to_vec()).map_err(other)?;
            if text.starts_with(start) {
                return Ok(text);
            }
        }
    }

    fn sdp(&self) -> String {
        let ip = self.socket.local_addr().expect("a bound socket has an address").ip();
        format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n{ATTRIBUTES}")
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:party@{}>\r\n", self.socket.local_addr().expect("a bound socket has an address"))
    }
}

/// What every proxy changes, and what anchoring media does.
const OURS: [&str; 8] =
    ["INVITE ", "Via: ", "Record-Route: ", "Max-Forwards: ", "Content-Length: ", "c=", "m=", "SIP/2.0 "];

/// The lines that are not ours.
fn theirs(message: &str) -> Vec<&str> {
    message.split("\r\n").filter(|line| !OURS.iter().any(|ours| line.starts_with(ours))).collect()
}

/// A message's headers of this name, as they stand there.
fn headers(message: &str, name: &str) -> String {
    message.split_inclusive("\r\n").filter(|line| line.starts_with(name)).collect()
}

#[test]
fn headers_and_bodies_arrive_as_they_were_sent() -> Result<()> {
    let exchange = Plan::loopback()?.start()?;
    let (carrier, pbx) = (Peer::new(&exchange, Who::Carrier)?, Peer::new(&exchange, Who::Pbx)?);
    let from = carrier.socket.local_addr().map_err(other)?;
    let (body, to) = (carrier.sdp(), carrier.to);
    let sent = format!(
        "INVITE sip:100@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKodd;rport\r\nMax-Forwards: 70\r\n\
         From: \"Ann\" <sip:+4930@a.example>;tag=ann\r\nTo: <sip:100@b.example>\r\nCall-ID: odd@a.example\r\n\
         CSeq: 1 INVITE\r\n{}{ODD}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        carrier.contact(),
        body.len()
    );
    carrier.send(&sent)?;
    let invite = pbx.hear("INVITE")?;
    assert_eq!(theirs(&invite), theirs(&sent));

    let body = pbx.sdp();
    let [via, routes, from, call_id, cseq] =
        ["Via: ", "Record-Route: ", "From: ", "Call-ID: ", "CSeq: "].map(|name| headers(&invite, name));
    let answer = format!(
        "SIP/2.0 200 Fine  by me\r\n{via}{routes}{from}To: <sip:100@b.example>;tag=bob\r\n{call_id}{cseq}{}{ODD}\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        pbx.contact(),
        body.len()
    );
    pbx.send(&answer)?;
    let heard = carrier.hear("SIP/2.0 200 Fine  by me\r\n")?;
    assert_eq!(theirs(&heard), theirs(&answer));
    Ok(())
}
