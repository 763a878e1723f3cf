//! What rtpengine is asked by its “ng” protocol: bencoded dictionaries over UDP.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    CONTROL_PORT,
    bencode::{Value, decode, encode},
};

/// How long it may take to start.
const START: Duration = Duration::from_secs(20);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(3);

/// The “ng” protocol, with an rtpengine whose two sides are called `a` and `b`.
pub(crate) struct Control(UdpSocket);

impl Control {
    /// Connects, and waits until somebody answers. To be called in rtpengine's namespace.
    pub(crate) fn connect() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.connect((Ipv4Addr::LOCALHOST, CONTROL_PORT))?;
        socket.set_read_timeout(Some(ANSWER))?;
        let (control, deadline) = (Self(socket), Instant::now() + START);
        loop {
            match control.ask("ping", &[("command", "ping")]) {
                Ok(_) => return Ok(control),
                Err(error) if Instant::now() > deadline => return Err(error.context("rtpengine does not start")),
                Err(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Sets up call `number` between a party on side `a` and one on side `b`: the port that each is to send to, whose
    /// addresses are `near`.
    pub(crate) fn call(&self, number: u16, parties: [SocketAddr; 2], near: [IpAddr; 2]) -> Result<[SocketAddr; 2]> {
        let call = format!("bench-{number}");
        let [offer, answer] = parties.map(sdp);
        let names = [("call-id", call.as_str()), ("from-tag", "sender"), ("ICE", "remove")];
        let offered =
            self.ask(&format!("o{number}"), &[&names[..], &[("command", "offer"), ("sdp", &offer)]].concat())?;
        let answered = [("command", "answer"), ("to-tag", "party"), ("sdp", &answer)];
        let answered = self.ask(&format!("a{number}"), &[&names[..], &answered].concat())?;
        // What is offered on is where the callee sends to; what is answered is where the caller does.
        Ok([port_of(&answered, near[0])?, port_of(&offered, near[1])?])
    }

    fn ask(&self, cookie: &str, pairs: &[(&str, &str)]) -> Result<BTreeMap<Vec<u8>, Value>> {
        let mut dictionary: BTreeMap<_, _> =
            pairs.iter().map(|(key, value)| (key.as_bytes().to_vec(), Value::bytes(value))).collect();
        if pairs.contains(&("command", "offer")) {
            // From the first interface to the second.
            let direction = Value::List(vec![Value::bytes("a"), Value::bytes("b")]);
            dictionary.insert(b"direction".to_vec(), direction);
        }
        let mut request = format!("{cookie} ").into_bytes();
        encode(&Value::Dictionary(dictionary), &mut request);
        self.0.send(&request)?;
        let mut buffer = vec![0; 65_536];
        loop {
            let length = self.0.recv(&mut buffer).context("rtpengine does not answer")?;
            let reply = buffer.get(..length).unwrap_or_default();
            // What answers an earlier question comes too late.
            let Some(body) = reply.strip_prefix(format!("{cookie} ").as_bytes()) else { continue };
            let Value::Dictionary(reply) = decode(body)? else { bail!("rtpengine answers with no dictionary") };
            return match reply.get(&b"result"[..]).and_then(Value::text) {
                Some("ok" | "pong") => Ok(reply),
                _ => bail!("rtpengine refuses: {reply:?}"),
            };
        }
    }
}

fn sdp(party: SocketAddr) -> String {
    let (address, port) = (party.ip(), party.port());
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    )
}

/// The port on `near` that a reply tells.
fn port_of(reply: &BTreeMap<Vec<u8>, Value>, near: IpAddr) -> Result<SocketAddr> {
    let sdp = reply.get(&b"sdp"[..]).and_then(Value::text).context("rtpengine answers without an SDP")?;
    if !sdp.contains(&near.to_string()) {
        bail!("rtpengine gives a port that is not at {near}: {sdp}");
    }
    Ok(SocketAddr::new(near, media_port(sdp)?))
}

fn media_port(sdp: &str) -> Result<u16> {
    let port = sdp.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok());
    port.with_context(|| format!("there is no audio in rtpengine's SDP: {sdp}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_media_line_is_read() {
        assert_eq!(media_port(&sdp("10.9.0.2:4002".parse().unwrap())).unwrap(), 4002);
        assert!(media_port("v=0\r\n").is_err());
    }
}
