//! Descriptions in messages.

use super::{Element, Event, invite::manner};
use crate::{
    call::{CallId, Media, Refusal, Role},
    sdp::{Bodies, SdpError},
};

/// What is read of a message to find its descriptions.
pub(super) struct Body<'m> {
    pub(super) content_type: Vec<u8>,
    pub(super) is_encoded: bool,
    pub(super) bytes: &'m [u8],
}

/// The descriptions of a request or a response.
macro_rules! body_of {
    ($message:expr) => {{
        let message = $message;
        $crate::element::bodies::Body {
            content_type: message.header("Content-Type").map(std::borrow::Cow::into_owned).unwrap_or_default(),
            is_encoded: message
                .header("Content-Encoding")
                .is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")),
            bytes: message.body(),
        }
    }};
}
pub(super) use body_of;

impl Body<'_> {
    /// Whether there is a description.
    pub(super) fn has_sdp(&self) -> bool {
        !self.bytes.is_empty()
            && Bodies::find(&self.content_type, self.bytes).map_or(true, |bodies| bodies.sdp().len() > 0)
    }

    /// The body with every description as `change` makes it; `None` when there is none.
    pub(super) fn change(
        &self,
        mut change: impl FnMut(&[u8]) -> Result<Vec<u8>, Refusal>,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let bodies = Bodies::find(&self.content_type, self.bytes)?;
        if bodies.sdp().len() == 0 {
            return Ok(None);
        }
        if self.is_encoded {
            return Err(SdpError::Encoded.into());
        }
        let changed: Vec<_> = bodies.sdp().map(&mut change).collect::<Result<_, _>>()?;
        Ok(Some(bodies.splice(&changed)))
    }
}

impl<M: Media> Element<M> {
    /// Makes the descriptions that a party sends what the other one reads, as an offer or as an answer: the body that they
    /// stand in then, `None` when there are none.
    pub(super) fn describe(
        &mut self,
        id: CallId,
        from: Role,
        is_answer: bool,
        body: &Body<'_>,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let Some(call) = self.calls.get_mut(&id) else { return Ok(None) };
        let manners = Role::BOTH.map(|role| {
            let leg = call.leg(role);
            self.trunks.peer(leg.peer).map(|peer| manner(peer, leg.dialog.flow.remote))
        });
        let [Some(caller), Some(callee)] = &manners else { return Ok(None) };
        let manners = [caller, callee];
        let (session, ports, media) = (&mut call.session, &mut self.ports, &mut self.media);
        let mut failures = Vec::new();
        let body = body.change(|sdp| {
            if is_answer {
                let (sdp, failed) = session.make_answer(from, sdp, manners, ports, media)?;
                failures.extend(failed);
                Ok(sdp)
            } else {
                session.make_offer(from, sdp, manners, ports, media)
            }
        })?;
        for failure in failures {
            self.tell(Event::Media(id, failure));
        }
        Ok(body)
    }
}
