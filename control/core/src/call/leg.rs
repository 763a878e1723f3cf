//! One party's end of a call.

use bytes::Bytes;

use crate::{
    identity::Source,
    sip::{
        Flow,
        message::{Request, Response, Uri},
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
    /// Its user in From or To when that was last looked at: another one is another identity (RFC 4916).
    pub(crate) user: String,
    pub(crate) dialog: Party,
}

/// Who a party is, for people. A text is empty where nothing is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartyName {
    /// Its number.
    pub number: String,
    /// Its extension, where it has one.
    pub extension: String,
    /// Its display name, or that of the user.
    pub name: String,
    /// The user whose extension it is, by name.
    pub user: String,
    /// Whether it does not want the other party to know.
    pub is_private: bool,
    /// What says all this; `None` where nothing does.
    pub source: Option<Source>,
}

impl PartyName {
    /// Whether it says the same of a party, whatever says so.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let Self { number, extension, name, user, is_private, source: _ } = self;
        (number, extension, name, user, is_private)
            == (&other.number, &other.extension, &other.name, &other.user, &other.is_private)
    }
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

impl Party {
    /// The caller, from its INVITE.
    pub(crate) fn caller(request: &Request, flow: Flow) -> Self {
        Self {
            flow,
            address: copy(request.header("From").as_deref()),
            contact: request.target(),
            // Those it names have put themselves on top one after another: the last is nearest to us.
            routes: request.record_routes(),
            cseq: request.cseq,
        }
    }

    /// The callee, from its answer. `routes` are those Record-Routes that stand between it and us, as they came.
    pub(crate) fn callee(response: &Response, flow: Flow, routes: impl Iterator<Item = Uri>) -> Self {
        let mut routes: Vec<_> = routes.map(|uri| uri.to_bytes()).collect();
        routes.reverse();
        Self { flow, address: copy(response.header("To").as_deref()), contact: response.target(), routes, cseq: 0 }
    }
}

fn copy(value: Option<&[u8]>) -> Bytes {
    Bytes::copy_from_slice(value.unwrap_or_default())
}
