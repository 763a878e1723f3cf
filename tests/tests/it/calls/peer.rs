//! A peer that writes and reads its messages itself.

use std::{
    io::ErrorKind,
    net::{SocketAddr, UdpSocket},
};

use undertone_tests::Result;

use super::{exchange::Exchange, ground::Who};
use crate::daemon::operator::{SOON, other};

/// A peer's socket.
pub(super) struct Peer {
    socket: UdpSocket,
    at: SocketAddr,
    to: SocketAddr,
}

impl Peer {
    pub(super) fn new(exchange: &Exchange, who: Who) -> Result<Self> {
        let at = exchange.address_of(who);
        let socket = UdpSocket::bind(at).map_err(other)?;
        socket.set_read_timeout(Some(SOON)).map_err(other)?;
        Ok(Self { socket, at, to: exchange.address_for(who) })
    }

    pub(super) fn send(&self, message: &str) -> Result<()> {
        self.socket.send_to(message.as_bytes(), self.to).map(drop).map_err(other)
    }

    /// The next message that begins so.
    pub(super) fn hear(&self, start: &str) -> Result<String> {
        loop {
            let text = self.next().map_err(|error| other(format!("no {start}: {error}")))?;
            if text.starts_with(start) {
                return Ok(text);
            }
        }
    }

    /// The final answer to a request: the next that has this in its head.
    pub(super) fn final_answer(&self, named: &str) -> Result<String> {
        loop {
            let text = self.next().map_err(|error| other(format!("no answer to {named}: {error}")))?;
            let is_final = text.starts_with("SIP/2.0 ") && !text.starts_with("SIP/2.0 1");
            if is_final && text.contains(&format!("{named}\r\n")) {
                return Ok(text);
            }
        }
    }

    /// The messages that have come.
    pub(super) fn heard(&self) -> Result<Vec<String>> {
        self.socket.set_nonblocking(true).map_err(other)?;
        let mut heard = Vec::new();
        loop {
            match self.next() {
                Ok(text) => heard.push(text),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(other(error)),
            }
        }
        self.socket.set_nonblocking(false).map_err(other)?;
        Ok(heard)
    }

    fn next(&self) -> std::io::Result<String> {
        let mut buffer = vec![0; 65_535];
        let length = self.socket.recv(&mut buffer)?;
        String::from_utf8(buffer[..length].to_vec()).map_err(std::io::Error::other)
    }

    /// A request for 100 outside of calls, with these headers and body; another one by another number.
    pub(super) fn request(&self, method: &str, number: u32, more: &str, body: &str) -> String {
        let Self { at, to, .. } = self;
        format!(
            "{method} sip:100@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKodd{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"Ann\" <sip:+4930@a.example>;tag=ann{number}\r\nTo: <sip:100@b.example>\r\n\
             Call-ID: odd{number}@a.example\r\nCSeq: 1 {method}\r\n{}",
            self.rest(more, body)
        )
    }

    /// An answer to a request.
    pub(super) fn answer(&self, request: &str, status: &str, more: &str, body: &str) -> String {
        let [via, routes, from, to, call_id, cseq] =
            ["Via: ", "Record-Route: ", "From: ", "To: ", "Call-ID: ", "CSeq: "].map(|name| headers(request, name));
        let to = to.trim_end();
        format!("SIP/2.0 {status}\r\n{via}{routes}{from}{to};tag=bob\r\n{call_id}{cseq}{}", self.rest(more, body))
    }

    fn rest(&self, more: &str, body: &str) -> String {
        let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let (at, length) = (self.at, body.len());
        format!("Contact: <sip:party@{at}>\r\n{more}{typed}Content-Length: {length}\r\n\r\n{body}")
    }

    /// A description of one audio line.
    pub(super) fn sdp(&self) -> String {
        let ip = self.at.ip();
        format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n")
    }
}

/// A message's headers of this name, as they stand there.
fn headers(message: &str, name: &str) -> String {
    message.split_inclusive("\r\n").filter(|line| line.starts_with(name)).collect()
}
