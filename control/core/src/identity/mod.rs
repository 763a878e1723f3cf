//! Who is on a leg: the number, extension and name of a party, read of what is said about it.
//!
//! The number that was dialled is rarely the extension that answers, and From is what a caller likes to be called. So a
//! peer has a list of [`Source`]s for the parties that call from it, and one for those that are called at it; the first
//! that says something is taken ([`read`]). A peer's [`Rule`] makes an extension of the number that was found.
//!
//! Identity is read, never written: messages pass on as they came, and what somebody wants kept private
//! (RFC 3323, RFC 3325) is only marked as such.

mod address;
mod did;
mod number;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use self::address::Address;
pub(crate) use self::number::plain;
pub use self::{
    did::{DidError, DidRange, DidTable},
    number::normalised,
};
use crate::{
    call::{PartyName, Role},
    sip::message::{Request, Response},
    trunk::{NumberError, Pattern, Peer, Side, Trunks},
};

/// Where it is said who a party is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// P-Asserted-Identity (RFC 3325): who the network in front says it is.
    AssertedIdentity,
    /// Remote-Party-ID (draft-ietf-sip-privacy-04), of the party that sends it.
    RemotePartyId,
    /// From, of the INVITE that began the call, and of later requests where it has changed (RFC 4916).
    From,
    /// To, of the INVITE that began the call.
    To,
    /// The number in the Request-URI, as the peer is asked for it.
    RequestUri,
    /// Contact.
    Contact,
    /// The topmost Diversion (RFC 5806): who passed the call on.
    Diversion,
    /// The table of direct inward dialling, for the number that was dialled or that calls.
    Did,
    /// A header of this name: an address, or a number as it is.
    Header(String),
}

/// What begins the name of a [`Source::Header`].
const HEADER: &str = "header:";

impl Source {
    /// Those with a name of their own, and whether they say who calls and who is called.
    const NAMED: [(Self, &'static str, bool, bool); 8] = [
        (Self::AssertedIdentity, "p-asserted-identity", true, true),
        (Self::RemotePartyId, "remote-party-id", true, true),
        (Self::From, "from", true, true),
        (Self::To, "to", false, true),
        (Self::RequestUri, "request-uri", false, true),
        (Self::Contact, "contact", true, true),
        (Self::Diversion, "diversion", true, false),
        (Self::Did, "did", true, true),
    ];

    /// The source of a name; `header:` is followed by that of a header.
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(header) = name.strip_prefix(HEADER) {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
            let is_name = (1..=64).contains(&header.len()) && header.bytes().all(is_token);
            return is_name.then(|| Self::Header(header.into()));
        }
        Self::NAMED.into_iter().find(|(_, known, ..)| *known == name).map(|(source, ..)| source)
    }

    /// The names of those that say who a party of this role is, but for headers.
    pub fn names(role: Role) -> impl Iterator<Item = &'static str> {
        let says = move |caller, callee| if role == Role::Caller { caller } else { callee };
        Self::NAMED.into_iter().filter(move |(.., caller, callee)| says(*caller, *callee)).map(|(_, name, ..)| name)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::NAMED.iter().find(|(source, ..)| source == self).map(|(_, name, ..)| *name);
        match self {
            Self::Header(name) => write!(formatter, "{HEADER}{name}"),
            _ => formatter.write_str(named.unwrap_or_default()),
        }
    }
}

/// How a peer says who its parties are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Of parties that call from it.
    pub caller: Vec<Source>,
    /// Of parties that are called at it.
    pub callee: Vec<Source>,
    /// What makes an extension of a number; `None` leaves that to the table of direct inward dialling.
    pub extension: Option<Rule>,
}

impl Rules {
    /// Those of a peer of a side that says nothing of it.
    pub fn of(side: Side) -> Self {
        use Source::{AssertedIdentity, Did, From, RemotePartyId, RequestUri, To};
        match side {
            Side::OnNet => Self {
                caller: vec![AssertedIdentity, RemotePartyId, From],
                callee: vec![AssertedIdentity, RemotePartyId, From, Did, RequestUri, To],
                extension: None,
            },
            Side::OffNet => Self {
                caller: vec![AssertedIdentity, From],
                callee: vec![AssertedIdentity, From, RequestUri, To],
                extension: None,
            },
        }
    }

    /// The list for a party of this role.
    pub fn sources(&self, role: Role) -> &[Source] {
        match role {
            Role::Caller => &self.caller,
            Role::Callee => &self.callee,
        }
    }
}

/// What makes an extension of a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// This is taken off the front.
    Prefix(String),
    /// The first group of a regular expression that fits the number as a whole.
    Expression(Pattern),
}

impl Rule {
    /// The rule of a regular expression, which has to have a group.
    pub fn expression(expression: &str) -> Result<Self, NumberError> {
        Pattern::expression(expression, Some("$1".into())).map(Self::Expression)
    }

    /// The extension that a number is; `None` when it is not one of these.
    pub fn apply(&self, number: &str) -> Option<String> {
        let extension = match self {
            Self::Prefix(prefix) => number.strip_prefix(prefix.as_str()).map(Into::into),
            Self::Expression(pattern) => pattern.apply(number),
        };
        extension.filter(|extension| !extension.is_empty())
    }
}

/// A message that says something of who a party is.
#[derive(Clone, Copy, Debug)]
pub enum Told<'m> {
    /// A request.
    Request(&'m Request),
    /// A response.
    Response(&'m Response),
}

/// Of whom a message says something.
#[derive(Clone, Copy, Debug)]
pub enum About<'m> {
    /// Who calls, in the INVITE that begins the call.
    Caller,
    /// Who is called, in the same INVITE.
    Callee {
        /// The number that was dialled.
        dialled: &'m str,
        /// The number that the peer is asked for.
        number: &'m str,
    },
    /// The party that sends it, in a response, or in a request within the call.
    Sender {
        /// Which one that is.
        role: Role,
        /// Its user in From or To so far: one that says the same there again says nothing.
        known: &'m str,
    },
}

impl About<'_> {
    /// Which party.
    pub const fn role(&self) -> Role {
        match self {
            Self::Caller => Role::Caller,
            Self::Callee { .. } => Role::Callee,
            Self::Sender { role, .. } => *role,
        }
    }
}

/// Who a party at `peer` is by a message: the first of the peer's sources that says so. `None` where none does.
///
/// Somebody anonymous is taken only where no source says more. Of the sources, those behind the one of `current`, which is
/// what is known of the party already, are not looked at, but for a From that has changed.
pub fn read(
    told: Told<'_>,
    about: About<'_>,
    peer: &Peer,
    trunks: &Trunks,
    current: Option<&PartyName>,
) -> Option<PartyName> {
    let sources = peer.identity.sources(about.role());
    let known = current.and_then(|it| sources.iter().position(|source| Some(source) == it.source.as_ref()));
    let mut anonymous = None;
    for (place, source) in sources.iter().enumerate() {
        if known.is_some_and(|known| place > known) && *source != Source::From {
            continue;
        }
        match claim(told, about, source, &trunks.dids) {
            Some(claim) if !claim.is_anonymous => return Some(party(claim, source, is_private(told), peer, trunks)),
            Some(claim) => anonymous = anonymous.or(Some((claim, source))),
            None => {}
        }
    }
    // What is known already is more.
    anonymous.filter(|_| known.is_none()).map(|(claim, source)| party(claim, source, true, peer, trunks))
}

/// The user in a From or To.
pub(crate) fn user_of(value: &[u8]) -> String {
    Address::read(value).map(|address| address.user).unwrap_or_default()
}

/// What a source says.
#[derive(Debug, Default)]
struct Claim {
    number: String,
    name: String,
    /// Where the source says that itself.
    extension: Option<String>,
    is_anonymous: bool,
    is_private: bool,
}

impl Claim {
    fn of_number(number: &str) -> Option<Self> {
        let number = normalised(number);
        (!number.is_empty()).then(|| Self { number, ..Self::default() })
    }

    fn of_address(address: Address<'_>) -> Self {
        let privacy = address.param("privacy").is_some_and(|privacy| !matches!(privacy.as_str(), "off" | "no"));
        Self {
            number: normalised(&address.user),
            name: address.name,
            extension: None,
            is_anonymous: address.is_anonymous,
            is_private: privacy,
        }
    }
}

fn claim(told: Told<'_>, about: About<'_>, source: &Source, dids: &DidTable) -> Option<Claim> {
    let is_of_sender = !matches!(about, About::Callee { .. });
    let sole = |name| Some(Claim::of_address(Address::read(told.values(name).first()?)?));
    let listed = |name| told.values(name).iter().flat_map(|value| address::list(value)).map(Claim::of_address).next();
    match (source, about) {
        (Source::AssertedIdentity, _) if is_of_sender => asserted(told),
        (Source::RemotePartyId, _) if is_of_sender => remote_party(told, about.role()),
        (Source::From, About::Caller) => sole("From"),
        (Source::From, About::Sender { known, .. }) if matches!(told, Told::Request(_)) => {
            let values = told.values("From");
            let from = Address::read(values.first()?)?;
            (from.user != known).then(|| Claim::of_address(from))
        }
        (Source::To, About::Callee { .. }) => sole("To"),
        (Source::RequestUri, About::Callee { number, .. }) => Claim::of_number(number),
        (Source::Contact, _) if is_of_sender => listed("Contact"),
        (Source::Diversion, About::Caller) => listed("Diversion"),
        (Source::Header(name), _) if is_of_sender => {
            let values = told.values(name);
            let value = values.first()?;
            let text = || Claim::of_number(&plain(value));
            address::list(value).map(Claim::of_address).next().or_else(text)
        }
        (Source::Did, About::Callee { dialled, number }) => [dialled, number].into_iter().find_map(|number| {
            let extension = dids.extension(number)?;
            Some(Claim { extension: Some(extension), ..Claim::of_number(number)? })
        }),
        (Source::Did, About::Caller) => [asserted(told), sole("From")].into_iter().flatten().find_map(|claim| {
            let extension = dids.extension(&claim.number)?;
            Some(Claim { extension: Some(extension), ..claim })
        }),
        _ => None,
    }
}

/// P-Asserted-Identity has at most one `sip` and one `tel` URI (RFC 3325 §9.1): the first says the number, and either of
/// them the name.
fn asserted(told: Told<'_>) -> Option<Claim> {
    let values = told.values("P-Asserted-Identity");
    let mut all = values.iter().flat_map(|value| address::list(value)).map(Claim::of_address);
    let mut first = all.next()?;
    for other in all {
        if first.is_anonymous && !other.is_anonymous {
            first.number.clone_from(&other.number);
            first.is_anonymous = false;
        }
        if first.name.is_empty() {
            first.name = other.name;
        }
    }
    Some(first)
}

/// The Remote-Party-ID of who sends it; of several, one that was screened, rather than one that says it was not.
fn remote_party(told: Told<'_>, role: Role) -> Option<Claim> {
    // Some name the sender by what it does in the transaction, some by what it was in the call.
    let by_message = if matches!(told, Told::Request(_)) { "calling" } else { "called" };
    let by_role = if role == Role::Caller { "calling" } else { "called" };
    let is_of_sender = |it: &Address<'_>| it.param("party").is_none_or(|party| party == by_message || party == by_role);
    let values = told.values("Remote-Party-ID");
    let all = values.iter().flat_map(|value| address::list(value)).filter(is_of_sender);
    let trust = |it: &Address<'_>| match it.param("screen").as_deref() {
        Some("yes") => 0,
        Some("no") => 2,
        _ => 1,
    };
    all.min_by_key(trust).map(Claim::of_address)
}

/// Whether the sender wants to stay unknown to the other side (RFC 3323 §4.2, RFC 3325 §9.3).
fn is_private(told: Told<'_>) -> bool {
    let asks = |value: &[u8]| {
        let mut words = value.split(|byte| b";,".contains(byte)).map(<[u8]>::trim_ascii);
        words.any(|word| ["id", "user", "header"].iter().any(|asks| word.eq_ignore_ascii_case(asks.as_bytes())))
    };
    told.values("Privacy").iter().any(|value| asks(value))
}

/// The party of a claim: with its extension, its user, and the user's name where the claim has none.
///
/// Where neither the peer's rule nor the table knows the number, a party of ours is found by it as it stands; where the
/// peer has a rule, only if that is a user's extension.
fn party(claim: Claim, source: &Source, is_private: bool, peer: &Peer, trunks: &Trunks) -> PartyName {
    let Claim { number, name, extension, is_anonymous, is_private: is_claim_private } = claim;
    let rule = peer.identity.extension.as_ref();
    let is_ours = peer.side == Side::OnNet && !is_anonymous;
    let by_table = || trunks.dids.extension(&number).filter(|_| is_ours);
    let as_it_stands = || {
        let is_known = rule.is_none() || trunks.directory.bearer(&number).is_some();
        Some(number.clone()).filter(|number| is_ours && is_known && !number.is_empty())
    };
    let extension =
        extension.or_else(|| rule.and_then(|rule| rule.apply(&number))).or_else(by_table).or_else(as_it_stands);
    let user = extension.as_deref().and_then(|extension| trunks.directory.user_at(extension));
    let name = if name.is_empty() { user.map(|user| user.shown_name().to_owned()).unwrap_or_default() } else { name };
    PartyName {
        number,
        extension: extension.unwrap_or_default(),
        name,
        user: user.map(|user| user.name.clone()).unwrap_or_default(),
        is_private: is_private || is_claim_private,
        source: Some(source.clone()),
    }
}

impl Told<'_> {
    fn values(&self, name: &str) -> Vec<Cow<'_, [u8]>> {
        match self {
            Self::Request(request) => request.named_values(name),
            Self::Response(response) => response.named_values(name),
        }
    }
}
