//! Descriptions in messages.

use crate::{
    call::Refusal,
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
