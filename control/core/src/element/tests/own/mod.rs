//! Calls that the element has itself.

mod answering;
mod life;
mod placing;
mod simulation;
mod within;

use undertone_core::mixer::Codec;

use super::*;
use crate::ua::{Cause, Limits, MediaLeg, Order, OwnNumber, Terms, UaId};

/// The PBX's phone calls 007100: its INVITE.
pub(crate) fn dial(branch: &str) -> Draft {
    Draft {
        uri: format!("sip:007100@{US}"),
        from: "\"Sue\" <sip:200@pbx.example>;tag=sue".into(),
        to: "<sip:007100@undertone.example>".into(),
        at: PBX,
        body: phone("203.0.113.7:6000"),
        ..invite(branch)
    }
}

/// What a phone speaks: µ-law, A-law, and events.
pub(crate) fn phone(at: &str) -> String {
    sdp(at).replace("RTP/AVP 0 8\r\n", "RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n")
}

fn terms() -> Terms {
    Terms { local: None, codecs: vec![Codec::Pcma, Codec::Pcmu], order: Order::Theirs }
}

fn numbers() -> Vec<OwnNumber> {
    let code = |number: &str| OwnNumber::Exactly(number.into());
    vec![OwnNumber::Prefix { prefix: "007".into(), more_max: 6 }, code("*80"), code("*81")]
}

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.element.set_own(numbers(), Limits::default());
    bench
}

impl Bench {
    /// What was told of calls of our own since it was last looked at.
    fn told(&mut self) -> Vec<ua::Event> {
        std::mem::take(&mut self.own)
    }

    /// The call that has just come in.
    fn incoming(&mut self) -> ua::Incoming {
        match &self.told()[..] {
            [ua::Event::Incoming(incoming)] => (**incoming).clone(),
            other => panic!("a call, not {other:?}"),
        }
    }

    fn accept(&mut self, id: UaId) -> Result<(), ua::UaError> {
        let outcome = self.element.accept(self.now, id, &terms());
        self.drain();
        outcome
    }

    fn hang_up_own(&mut self, id: UaId, status: u16, text: &str) {
        assert!(self.element.hang_up(self.now, id, Cause::by_us(status, text)));
        self.drain();
    }

    fn place(&mut self, placement: ua::Placement) -> Result<UaId, ua::UaError> {
        let outcome = self.element.place(self.now, placement);
        self.drain();
        outcome
    }

    /// A call to 007100 that is up: its name, and what it was answered.
    fn own_up(&mut self) -> (UaId, Response) {
        self.send(PBX, dial("1").with("Supported: timer").with("Allow: INVITE, ACK, BYE, UPDATE").text());
        let id = self.incoming().id;
        self.accept(id).expect("it can be answered");
        let answer = self.response(PBX);
        assert_eq!(answer.status(), 200);
        self.send(PBX, in_own("ACK", "2", 1, &answer).text());
        let told = self.told();
        assert!(matches!(told[..], [ua::Event::Media(_, _), ua::Event::Up(_)]), "{told:?}");
        (id, answer)
    }

    fn leg(&self, id: UaId) -> MediaLeg {
        *self.element.ua(id).and_then(ua::Ua::media).expect("media was agreed on")
    }

    /// The first of the requests that a peer was sent, which may have been repeated.
    pub(crate) fn first_request(&mut self, peer: &str) -> Request {
        let heard = self.heard(peer);
        match heard.first() {
            Some(Message::Request(request)) => request.clone(),
            _ => panic!("a request to {peer}, not {}", summary(&heard)),
        }
    }

    /// The one event of the end of a call.
    fn ended(&mut self) -> Cause {
        match &self.told()[..] {
            [ua::Event::Ended(_, cause)] => cause.clone(),
            other => panic!("an end, not {other:?}"),
        }
    }
}

/// A request of the phone within its call to us.
pub(crate) fn in_own(method: &'static str, branch: &str, cseq: u32, answer: &Response) -> Draft {
    let tag = String::from_utf8_lossy(answer.to_tag.as_ref().expect("a tag")).into_owned();
    let to = format!("<sip:007100@undertone.example>;tag={tag}");
    Draft { method, uri: format!("sip:{US}"), to, cseq, body: String::new(), ..dial(branch) }
}

pub(crate) fn header(response: &Response, name: &'static str) -> String {
    String::from_utf8_lossy(&response.header(name).unwrap_or_default()).into_owned()
}

pub(crate) fn asked(request: &Request, name: &'static str) -> String {
    String::from_utf8_lossy(&request.header(name).unwrap_or_default()).into_owned()
}
