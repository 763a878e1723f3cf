//! One party's end of a call.

use bytes::Bytes;

use crate::{
    sip::{
        Flow,
        message::{Address, Request, Response, Uri},
    },
    trunk::{PeerIndex, Side},
};

/// What is known of one party.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The peer that it is at.
    pub peer: PeerIndex,
    /// Whether it is ours.
    pub side: Side,
    /// Who it is.
    pub party: PartyName,
    /// Its tag in the dialog; `None` until it is heard of.
    pub tag: Option<Bytes>,
    pub(crate) dialog: Party,
}

/// Who a party is, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartyName {
    /// Its number or extension.
    pub number: String,
    /// Its display name; empty without one.
    pub name: String,
}

/// What it takes to send a party a request in its dialog (RFC 3261 §12).
#[derive(Clone, Debug)]
pub struct Party {
    /// The way to its peer.
    pub flow: Flow,
    /// Its URI in From or To, as it is written there, with the tag.
    pub address: Bytes,
    /// Its Contact.
    pub contact: Option<Bytes>,
    /// The elements between it and us, the nearest first.
    pub routes: Vec<Bytes>,
    /// The number of its last request.
    pub cseq: u32,
}

/// Characters of a number or name that are kept.
const NAME_MAX: usize = 128;

impl PartyName {
    /// The party of an address.
    pub fn of(address: &Address) -> Self {
        let user = address.uri.decoded_user().or_else(|| {
            let tel = address.uri.tel_parts()?;
            Some(tel.subscriber().to_vec())
        });
        Self {
            number: plain(&user.unwrap_or_default()),
            name: plain(address.display_name.as_deref().unwrap_or_default()),
        }
    }
}

/// A text for people, short and without control characters.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|letter| !letter.is_control()).take(NAME_MAX).collect()
}

impl Party {
    /// The caller, from its INVITE.
    pub(crate) fn caller(request: &Request, flow: Flow) -> Self {
        Self {
            flow,
            address: copy(request.header("From").as_deref()),
            contact: request.address("Contact").map(|contact| contact.uri.to_bytes()),
            // Those it names have put themselves on top one after another: the last is nearest to us.
            routes: request.record_routes(),
            cseq: request.cseq,
        }
    }

    /// The callee, from its answer. `routes` are those Record-Routes that stand between it and us, as they came.
    pub(crate) fn callee(response: &Response, flow: Flow, routes: impl Iterator<Item = Uri>) -> Self {
        let mut routes: Vec<_> = routes.map(|uri| uri.to_bytes()).collect();
        routes.reverse();
        Self {
            flow,
            address: copy(response.header("To").as_deref()),
            contact: response.address("Contact").map(|contact| contact.uri.to_bytes()),
            routes,
            cseq: 0,
        }
    }
}

fn copy(value: Option<&[u8]>) -> Bytes {
    Bytes::copy_from_slice(value.unwrap_or_default())
}
