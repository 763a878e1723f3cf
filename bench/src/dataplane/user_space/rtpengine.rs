//! Debian's rtpengine in user space, driven by its “ng” protocol: bencoded dictionaries over UDP.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, UdpSocket},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{
    STREAMS,
    bencode::{Value, decode, encode},
    scene::{PARTY, RELAY_IN, RELAY_OUT, SENDER, Scene},
    sender::source_port,
};
use crate::machine::Process;

const PROGRAM: &str = "/usr/bin/rtpengine";
/// Where it listens, on the loopback of a namespace that is ours.
const CONTROL: &str = "127.0.0.1:2223";
/// How long it may take to start.
const START: Duration = Duration::from_secs(20);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_millis(500);
const PARTY_PORT_FIRST: u16 = 5000;

/// Why it cannot be started, if so.
pub(super) fn obstacle() -> Option<String> {
    (!Path::new(PROGRAM).exists()).then(|| "rtpengine is not installed: run `cargo xtask setup --peers`".into())
}

/// Starts it, and sets up a call for each stream. Gives the port of each stream.
pub(super) fn start(scene: &Scene) -> Result<(Process, Vec<SocketAddr>)> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let pid_file = folder.path().join("pid");
    let arguments = [
        "--config-file=none",
        "--foreground",
        "--log-stderr",
        "--log-level=4",
        // No kernel module: this is what it does in user space.
        "--table=-1",
        // One core, one thread: more of them only take turns on it.
        "--num-threads=1",
        &format!("--interface=a/{RELAY_IN}"),
        &format!("--interface=b/{RELAY_OUT}"),
        &format!("--listen-ng={CONTROL}"),
        &format!("--pidfile={}", pid_file.display()),
        "--port-min=20000",
        "--port-max=40000",
        "--endpoint-learning=immediate",
    ]
    .map(String::from);
    let process = Process::start(&scene.relay, PROGRAM, &arguments, folder)?;
    let control = scene.relay.run(Control::connect)?;
    let ports = (0..STREAMS).map(|number| control.call(number)).collect::<Result<_>>()?;
    Ok((process, ports))
}

/// The “ng” protocol.
struct Control(UdpSocket);

impl Control {
    /// Connects, and waits until somebody answers.
    fn connect() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(CONTROL)?;
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

    /// Sets up stream `number`, and gives the port that it is to be sent to.
    fn call(&self, number: u16) -> Result<SocketAddr> {
        let call = format!("bench-{number}");
        let offer = sdp(SENDER, source_port(number));
        let answer = sdp(PARTY, PARTY_PORT_FIRST + 2 * number);
        let parties = [("call-id", call.as_str()), ("from-tag", "sender"), ("ICE", "remove")];
        self.ask(&format!("o{number}"), &[&parties[..], &[("command", "offer"), ("sdp", &offer)]].concat())?;
        let answered = [("command", "answer"), ("to-tag", "party"), ("sdp", &answer)];
        let reply = self.ask(&format!("a{number}"), &[&parties[..], &answered].concat())?;
        let sdp = reply.get(&b"sdp"[..]).and_then(Value::text).context("rtpengine answers without an SDP")?;
        if !sdp.contains(RELAY_IN) {
            bail!("rtpengine gives a port that is not on the sender's side: {sdp}");
        }
        Ok(SocketAddr::new(RELAY_IN.parse()?, media_port(sdp)?))
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

fn sdp(address: &str, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    )
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
        assert_eq!(media_port(&sdp(SENDER, 4002)).unwrap(), 4002);
        assert!(media_port("v=0\r\n").is_err());
    }
}
