//! A carrier's phone that calls, and a PBX's that answers: SIP by hand, over UDP.

use std::{
    fmt::Write as _,
    net::{SocketAddr, UdpSocket},
    time::Instant,
};

use undertone_tests::Result;

use super::{Appliance, Http, SOON, elsewhere, other};

/// An appliance between two peers, which answers HTTP.
pub(super) struct Site {
    pub(super) appliance: Appliance,
    pub(super) http: Http,
    sip: SocketAddr,
    carrier: UdpSocket,
    pbx: UdpSocket,
}

/// An appliance that routes 1… from the carrier to the PBX. `pbx` is more of that one's configuration.
pub(super) fn site(pbx: &str) -> Result<Site> {
    let appliance = Appliance::new()?;
    let bind = |ip: &str| {
        let socket = UdpSocket::bind((ip, 0)).map_err(other)?;
        socket.set_read_timeout(Some(SOON)).map_err(other)?;
        Ok::<_, undertone_tests::Error>(socket)
    };
    let at = elsewhere(&appliance);
    let site = Site {
        http: Http::new(at),
        sip: SocketAddr::from(([127, 65, 5, 1], at.port())),
        carrier: bind("127.65.6.1")?,
        pbx: bind("127.65.6.2")?,
        appliance,
    };
    let database = site.appliance.file("undertone.db");
    let (carrier, answers) = (address(&site.carrier), address(&site.pbx));
    let options = if pbx.is_empty() { "options = 0\n" } else { pbx };
    site.appliance.configure(&format!(
        "[storage]\npath = \"{}\"\n[http]\nlisten = \"{at}\"\n[sip]\nlisten = [\"udp:{}\"]\n\
         [[peer]]\nname = \"carrier\"\nside = \"off-net\"\naddresses = [\"{}\"]\ntarget = \"{carrier}\"\noptions = 0\n\
         [[peer]]\nname = \"pbx\"\nside = \"on-net\"\naddresses = [\"{}\"]\ntarget = \"{answers}\"\n{options}\
         [[route]]\nfrom = [\"carrier\"]\nprefix = \"1\"\nto = \"pbx\"\n",
        database.display(),
        site.sip,
        carrier.ip(),
        answers.ip(),
    ))?;
    Ok(site)
}

/// The two phones of a site.
pub(super) struct Phones<'s> {
    site: &'s Site,
    sent: u32,
}

/// A call that is up, as its caller knows it.
pub(super) struct Call {
    id: String,
    /// Where requests within it go, and by which way.
    target: String,
    routes: String,
    to: String,
}

impl<'s> Phones<'s> {
    pub(super) const fn new(site: &'s Site) -> Self {
        Self { site, sent: 0 }
    }

    /// The carrier's phone calls 100, which rings and answers.
    pub(super) fn call(&mut self, id: &str) -> Result<Call> {
        let site = self.site;
        self.invite(id, "100")?;
        let invite = receive(&site.pbx, "INVITE")?;
        site.pbx.send_to(respond(&invite, "180 Ringing", "").as_bytes(), site.sip).map_err(other)?;
        receive(&site.carrier, "SIP/2.0 180")?;
        let more = format!("Contact: <sip:100@{}>\r\n", address(&site.pbx));
        site.pbx
            .send_to(respond(&invite, "200 OK", &with_sdp(&more, &site.pbx)).as_bytes(), site.sip)
            .map_err(other)?;
        let ok = receive(&site.carrier, "SIP/2.0 200")?;
        let routes: Vec<_> = values(&ok, "Record-Route").collect();
        let contact = values(&ok, "Contact").next().ok_or_else(|| other("no Contact"))?;
        let call = Call {
            id: id.into(),
            target: contact.trim_matches(['<', '>']).into(),
            routes: routes.iter().rev().fold(String::new(), |all, route| format!("{all}Route: {route}\r\n")),
            to: values(&ok, "To").next().unwrap_or_default().into(),
        };
        self.within(&call, "ACK", 1)?;
        receive(&site.pbx, "ACK")?;
        Ok(call)
    }

    /// The caller hangs up.
    pub(super) fn hang_up(&mut self, call: &Call) -> Result<()> {
        self.within(call, "BYE", 2)?;
        let bye = receive(&self.site.pbx, "BYE")?;
        self.site.pbx.send_to(respond(&bye, "200 OK", "").as_bytes(), self.site.sip).map_err(other)?;
        receive(&self.site.carrier, "SIP/2.0 200").map(drop)
    }

    /// Both are told by a BYE that the call is over.
    pub(super) fn are_told_that_it_is_over(&self) -> Result<()> {
        for phone in [&self.site.carrier, &self.site.pbx] {
            let bye = receive(phone, "BYE")?;
            phone.send_to(respond(&bye, "200 OK", "").as_bytes(), self.site.sip).map_err(other)?;
        }
        Ok(())
    }

    /// The carrier's phone calls a number that no route takes.
    pub(super) fn dial_nowhere(&mut self, id: &str) -> Result<()> {
        let invite = self.invite(id, "999")?;
        let refusal = receive(&self.site.carrier, "SIP/2.0 404")?;
        let to = values(&refusal, "To").next().unwrap_or_default();
        // The ACK of a failure is of its INVITE's transaction.
        let ack = invite.split("\r\n\r\n").next().unwrap_or_default().replace("INVITE", "ACK");
        let lines = ack.lines().filter(|line| !line.starts_with("Content-"));
        let mut text = String::new();
        for line in lines {
            let line = if line.starts_with("To:") { format!("To: {to}") } else { line.to_owned() };
            let _ = write!(text, "{line}\r\n");
        }
        self.site.carrier.send_to(format!("{text}\r\n").as_bytes(), self.site.sip).map(drop).map_err(other)
    }

    /// Somebody who is no peer sends a request.
    pub(super) fn speak_as_a_stranger(&self) -> Result<()> {
        let stranger = UdpSocket::bind("127.65.6.3:0").map_err(other)?;
        stranger.send_to(b"OPTIONS sip:x SIP/2.0\r\n\r\n", self.site.sip).map(drop).map_err(other)
    }

    /// The PBX answers OPTIONS with a status until a condition is so.
    pub(super) fn answer_options_until(&mut self, status: u16, is: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + SOON;
        while !is()? {
            if Instant::now() > deadline {
                return Err(other("the peer's state does not change"));
            }
            let options = receive(&self.site.pbx, "OPTIONS")?;
            let answer = respond(&options, &format!("{status} Whatever"), "");
            self.site.pbx.send_to(answer.as_bytes(), self.site.sip).map_err(other)?;
        }
        Ok(())
    }

    fn invite(&mut self, id: &str, number: &str) -> Result<String> {
        let site = self.site;
        let (here, sip) = (address(&site.carrier), site.sip);
        let head = format!(
            "INVITE sip:{number}@{sip} SIP/2.0\r\n{}From: \"Ann\" <sip:+4930@{here}>;tag=a\r\n\
             To: <sip:{number}@{sip}>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\n",
            self.via(),
        );
        let more = format!("Contact: <sip:+4930@{here}>\r\nMax-Forwards: 70\r\n");
        let invite = head + &with_sdp(&more, &site.carrier);
        site.carrier.send_to(invite.as_bytes(), sip).map_err(other)?;
        Ok(invite)
    }

    fn within(&mut self, call: &Call, method: &str, cseq: u32) -> Result<()> {
        let here = address(&self.site.carrier);
        let Call { id, target, routes, to } = call;
        let request = format!(
            "{method} {target} SIP/2.0\r\n{}{routes}From: \"Ann\" <sip:+4930@{here}>;tag=a\r\nTo: {to}\r\n\
             Call-ID: {id}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
            self.via(),
        );
        self.site.carrier.send_to(request.as_bytes(), self.site.sip).map(drop).map_err(other)
    }

    fn via(&mut self) -> String {
        self.sent += 1;
        format!("Via: SIP/2.0/UDP {};branch=z9hG4bKtest{};rport\r\n", address(&self.site.carrier), self.sent)
    }
}

/// A response to a request, `more` being headers and a body that it has beside.
fn respond(request: &str, status: &str, more: &str) -> String {
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in values(request, name) {
            let tag = if name == "To" && !value.contains(";tag=") { ";tag=b" } else { "" };
            let _ = write!(text, "{name}: {value}{tag}\r\n");
        }
    }
    if more.is_empty() { text + "Content-Length: 0\r\n\r\n" } else { text + more }
}

/// Headers and a description of audio at a phone.
fn with_sdp(headers: &str, phone: &UdpSocket) -> String {
    let ip = address(phone).ip();
    let sdp = format!("v=0\r\no=x 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n");
    format!("{headers}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len())
}

/// The values of a header.
fn values<'m>(message: &'m str, name: &'m str) -> impl Iterator<Item = &'m str> {
    let head = message.lines().take_while(|line| !line.is_empty());
    head.filter_map(move |line| Some(line.split_once(':').filter(|it| it.0.eq_ignore_ascii_case(name))?.1.trim()))
}

/// The next message that begins so; others are passed over.
fn receive(phone: &UdpSocket, begins: &str) -> Result<String> {
    let mut buffer = [0; 8192];
    let deadline = Instant::now() + SOON;
    loop {
        let (length, _) = phone.recv_from(&mut buffer).map_err(|error| other(format!("no {begins}: {error}")))?;
        let message = String::from_utf8_lossy(&buffer[..length]);
        if message.starts_with(begins) {
            return Ok(message.into_owned());
        }
        if Instant::now() > deadline {
            return Err(other(format!("no {begins}, but {message}")));
        }
    }
}

fn address(phone: &UdpSocket) -> SocketAddr {
    phone.local_addr().expect("a bound socket has an address")
}
