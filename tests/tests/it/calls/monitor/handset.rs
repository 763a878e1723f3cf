//! A telephone that does what it is told, also what no telephone should: SIP and RTP message by message.
//!
//! It takes every call that comes, and answers what is asked within them, on a thread of its own. What it says is a tone.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use undertone_tests::{
    Result,
    lab::{Namespace, wait_for},
};

use super::{
    super::{exchange::Exchange, ground::Who},
    sound::{Sound, bind},
};
use crate::daemon::operator::{SOON, other};

/// How long an answer is waited for before a request is sent again.
const AGAIN: Duration = Duration::from_secs(1);
/// The first port for media.
const MEDIA_FIRST: u16 = 4000;

/// A telephone. Dropped, it falls silent without a word, as one does whose battery is taken out.
pub(super) struct Handset {
    line: Arc<Line>,
    thread: Option<JoinHandle<()>>,
}

/// One call of it.
pub(super) struct Talk {
    /// What it says and hears.
    pub(super) sound: Sound,
    call_id: String,
    ours: String,
    theirs: String,
    target: String,
    routes: Vec<String>,
    cseq: u32,
    line: Arc<Line>,
}

struct Line {
    socket: UdpSocket,
    at: SocketAddr,
    to: SocketAddr,
    namespace: Option<Namespace>,
    hz: u32,
    /// All that came, the oldest first.
    heard: Mutex<Vec<String>>,
    came: Mutex<Vec<Talk>>,
    /// What is said and heard in each call, by its Call-ID.
    sounds: Mutex<Vec<(String, Sound)>>,
    next_port: AtomicU16,
    next_call: AtomicU32,
    is_deaf: AtomicBool,
    stops: AtomicBool,
}

impl Handset {
    /// At a host of the exchange, with a tone of so many hertz.
    pub(super) fn new(exchange: &Exchange, who: Who, hz: f64) -> Result<Self> {
        Self::beside(exchange, who, 0, hz)
    }

    /// The same with other ports than those of the telephone that is there already.
    pub(super) fn beside(exchange: &Exchange, who: Who, ports: u16, hz: f64) -> Result<Self> {
        let (mut at, to) = (exchange.address_of(who), exchange.address_for(who));
        at.set_port(at.port() + ports);
        let namespace = exchange.ground.namespace(who).cloned();
        let socket = bind(namespace.as_ref(), at)?;
        let line = Arc::new(Line {
            socket,
            at,
            to,
            namespace,
            hz: hz as u32,
            heard: Mutex::default(),
            came: Mutex::default(),
            sounds: Mutex::default(),
            next_port: AtomicU16::new(MEDIA_FIRST + ports),
            next_call: AtomicU32::new(1),
            is_deaf: AtomicBool::new(false),
            stops: AtomicBool::new(false),
        });
        let serving = Arc::clone(&line);
        let thread = thread::spawn(move || {
            while !serving.stops.load(Ordering::Relaxed) {
                serving.serve();
            }
        });
        Ok(Self { line, thread: Some(thread) })
    }

    /// Calls a number, and gives the call once it is up.
    pub(super) fn call(&self, number: &str) -> Result<Talk> {
        self.call_with(number, "", &[0])
    }

    /// Calls a number with more headers, and offers these codecs.
    pub(super) fn call_with(&self, number: &str, headers: &str, codecs: &[u8]) -> Result<Talk> {
        match self.try_call(number, headers, codecs)? {
            (talk, answer) if status(&answer) == 200 => Ok(talk),
            (_, answer) => Err(other(format!("{number} does not answer: {answer}"))),
        }
    }

    /// Calls a number from the extension 200, and gives the final response too.
    pub(super) fn try_call(&self, number: &str, headers: &str, codecs: &[u8]) -> Result<(Talk, String)> {
        let line = &self.line;
        let (at, to) = (line.at, line.to);
        let index = line.next_call.fetch_add(1, Ordering::Relaxed);
        let mut talk = Talk {
            sound: line.sound(codecs)?,
            call_id: format!("{index}-{}@{at}", line.hz),
            ours: format!("<sip:200@{at}>;tag=o{index}"),
            theirs: format!("<sip:{number}@{to}>"),
            target: format!("sip:{number}@{to}"),
            routes: Vec::new(),
            cseq: 0,
            line: Arc::clone(line),
        };
        lock(&line.sounds).push((talk.call_id.clone(), talk.sound.clone()));
        let offer = talk.sound.offer("");
        let answer = talk.request("INVITE", headers, &offer)?;
        if status(&answer) == 200 {
            talk.theirs = header(&answer, "To").unwrap_or_default();
            talk.routes = headers_of(&answer, "Record-Route");
            talk.routes.reverse();
            talk.target = contact(&answer).unwrap_or_default();
            talk.acknowledge()?;
            talk.sound.follow(&answer);
        }
        Ok((talk, answer))
    }

    /// The next call that has come and is answered.
    pub(super) fn came(&self) -> Result<Talk> {
        wait_for("a call", SOON, || {
            let mut came = lock(&self.line.came);
            (!came.is_empty()).then(|| came.remove(0))
        })
    }

    /// Waits for a message that has come with all of these words in it.
    pub(super) fn hears(&self, words: &[&str], timeout: Duration) -> Result<String> {
        self.line.hears(words, timeout)
    }

    /// What has come with all of these words in it.
    pub(super) fn heard(&self, words: &[&str]) -> Vec<String> {
        lock(&self.line.heard).iter().filter(|text| words.iter().all(|word| text.contains(word))).cloned().collect()
    }

    /// Answers nothing any more.
    pub(super) fn be_deaf(&self) {
        self.line.is_deaf.store(true, Ordering::Relaxed);
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        self.line.stops.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Talk {
    /// Makes an offer of what the sound is now, with this direction.
    pub(super) fn reinvite(&mut self, direction: &str) -> Result<()> {
        let offer = self.sound.offer(direction);
        let answer = self.request("INVITE", "", &offer)?;
        if status(&answer) != 200 {
            return Err(other(format!("a re-INVITE is refused: {answer}")));
        }
        self.acknowledge()?;
        self.sound.follow(&answer);
        Ok(())
    }

    /// Presses keys, each said by INFO.
    pub(super) fn press(&mut self, keys: &str) -> Result<()> {
        for key in keys.chars() {
            let body = format!("Signal={key}\r\nDuration=160\r\n");
            let answer = self.send("INFO", "Content-Type: application/dtmf-relay\r\n", &body)?;
            self.line.answer(&answer, self.cseq, "INFO")?;
        }
        Ok(())
    }

    /// Presses keys as fast as they can be sent.
    pub(super) fn press_at_once(&mut self, keys: &str) -> Result<()> {
        for key in keys.chars() {
            let body = format!("Signal={key}\r\nDuration=160\r\n");
            self.send("INFO", "Content-Type: application/dtmf-relay\r\n", &body)?;
        }
        Ok(())
    }

    /// Hangs up.
    pub(super) fn hang_up(&mut self) -> Result<()> {
        self.request("BYE", "", "").map(drop)
    }

    /// Waits until the other end has hung up: its BYE.
    pub(super) fn ended(&self, timeout: Duration) -> Result<String> {
        let bye = self.line.hears(&["BYE ", &format!("Call-ID: {}", self.call_id)], timeout)?;
        self.sound.stop();
        Ok(bye)
    }

    /// The header that names the dialog to the other end, in the INVITE of a third one (RFC 3891 §3).
    pub(super) fn replaces(&self) -> String {
        let tag = |address: &str| address.split_once(";tag=").map(|(_, tag)| tag.to_owned()).unwrap_or_default();
        format!("Replaces: {};to-tag={};from-tag={}\r\n", self.call_id, tag(&self.theirs), tag(&self.ours))
    }

    /// Sends a request with these headers, and gives its final response.
    pub(super) fn request(&mut self, method: &str, headers: &str, body: &str) -> Result<String> {
        let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = self.send(method, &format!("{headers}{typed}"), body)?;
        self.line.answer(&text, self.cseq, method)
    }

    fn acknowledge(&mut self) -> Result<()> {
        self.cseq -= 1;
        self.send("ACK", "", "").map(drop)
    }

    fn send(&mut self, method: &str, headers: &str, body: &str) -> Result<String> {
        self.cseq += 1;
        let Self { call_id, ours, theirs, target, routes, cseq, line, .. } = self;
        let (at, length) = (line.at, body.len());
        let branch = line.next_call.fetch_add(1, Ordering::Relaxed);
        let routes: String = routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bKhand{branch};rport\r\nMax-Forwards: 70\r\n\
             {routes}From: {ours}\r\nTo: {theirs}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:party@{at}>\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, REFER\r\n\
             {headers}Content-Length: {length}\r\n\r\n{body}"
        );
        line.send(&text)?;
        Ok(text)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.sound.stop();
    }
}

impl Line {
    fn sound(&self, codecs: &[u8]) -> Result<Sound> {
        let port = self.next_port.fetch_add(2, Ordering::Relaxed);
        Sound::new(self.namespace.clone(), SocketAddr::new(self.at.ip(), port), self.hz, codecs)
    }

    fn send(&self, text: &str) -> Result<()> {
        self.socket.send_to(text.as_bytes(), self.to).map(drop).map_err(other)
    }

    fn hears(&self, words: &[&str], timeout: Duration) -> Result<String> {
        wait_for(&format!("{words:?}"), timeout, || {
            lock(&self.heard).iter().find(|text| words.iter().all(|word| text.contains(word))).cloned()
        })
    }

    /// The final response to a request, which is sent again until there is one.
    fn answer(&self, request: &str, cseq: u32, method: &str) -> Result<String> {
        let call_id = header(request, "Call-ID").unwrap_or_default();
        let number = format!("{cseq} {method}");
        let is_it = |text: &&String| {
            text.starts_with("SIP/2.0")
                && status(text) >= 200
                && header(text, "Call-ID").as_deref() == Some(&call_id)
                && header(text, "CSeq").as_deref() == Some(&number)
        };
        for _ in 0..10 {
            let found = wait_for(&number, AGAIN, || lock(&self.heard).iter().find(is_it).cloned());
            if let Ok(answer) = found {
                return Ok(answer);
            }
            self.send(request)?;
        }
        Err(other(format!("no answer to {number}")))
    }

    fn serve(self: &Arc<Self>) {
        let mut buffer = vec![0; 65_535];
        let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { return };
        if self.is_deaf.load(Ordering::Relaxed) {
            return;
        }
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let is_new = !lock(&self.heard).contains(&text);
        if !text.starts_with("SIP/2.0") && !text.starts_with("ACK ") && is_new {
            let answer = self.answer_to(&text);
            let _ = self.socket.send_to(answer.as_bytes(), from);
        }
        lock(&self.heard).push(text);
    }

    /// What is answered to a request. A new call is answered at once.
    fn answer_to(self: &Arc<Self>, request: &str) -> String {
        let (mut to, is_invite) = (header(request, "To").unwrap_or_default(), request.starts_with("INVITE "));
        let (mut body, call_id) = (String::new(), header(request, "Call-ID").unwrap_or_default());
        if is_invite && !to.contains(";tag=") {
            let Ok(sound) = self.sound(&[0, 8]) else { return String::new() };
            to = format!("{to};tag=c{}", self.next_call.fetch_add(1, Ordering::Relaxed));
            body = sound.take_offer(request);
            lock(&self.sounds).push((call_id.clone(), sound.clone()));
            lock(&self.came).push(Talk {
                sound,
                call_id,
                ours: to.clone(),
                theirs: header(request, "From").unwrap_or_default(),
                target: contact(request).unwrap_or_default(),
                routes: headers_of(request, "Record-Route"),
                cseq: 0,
                line: Arc::clone(self),
            });
        } else if is_invite {
            let sound = lock(&self.sounds).iter().find(|(of, _)| *of == call_id).map(|(_, sound)| sound.clone());
            body = sound.map(|sound| sound.take_offer(request)).unwrap_or_default();
        }
        let copied: String = ["Via", "Record-Route", "From", "Call-ID", "CSeq"]
            .iter()
            .flat_map(|name| headers_of(request, name).into_iter().map(move |value| format!("{name}: {value}\r\n")))
            .collect();
        let typed = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let said = if request.starts_with("REFER ") { "202 Accepted" } else { "200 OK" };
        let (at, length) = (self.at, body.len());
        format!(
            "SIP/2.0 {said}\r\n{copied}To: {to}\r\nContact: <sip:party@{at}>\r\n{typed}Content-Length: {length}\r\n\r\n{body}"
        )
    }
}

/// The status of a response.
pub(super) fn status(response: &str) -> u16 {
    response.get(8..11).and_then(|status| status.parse().ok()).unwrap_or_default()
}

/// A header of a message.
pub(super) fn header(message: &str, name: &str) -> Option<String> {
    headers_of(message, name).into_iter().next()
}

fn headers_of(message: &str, name: &str) -> Vec<String> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned());
    head.split("\r\n").filter_map(value).collect()
}

fn contact(message: &str) -> Option<String> {
    let contact = header(message, "Contact")?;
    let inner = contact.split_once('<').map_or(contact.as_str(), |(_, rest)| rest);
    Some(inner.split('>').next().unwrap_or_default().to_owned())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
