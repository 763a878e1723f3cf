//! Addresses as they stand in headers.
//!
//! Who somebody is has to be read from what trunks really send: names without quotes, Latin-1, users that no grammar
//! allows. What is found here is only shown and looked up; nothing is sent by it.

use super::number::plain;

/// An address of a header: a name, a user and the parameters behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address<'v> {
    /// The display name; empty without one.
    pub(super) name: String,
    /// The user of the URI, or the subscriber of a `tel` URI, without parameters.
    pub(super) user: String,
    /// Whether it says that it does not say who it is (RFC 3323 §4.1.1.3).
    pub(super) is_anonymous: bool,
    /// What stands behind it, read when it is asked for.
    params: &'v [u8],
}

/// The addresses of a header that is a list of them. Those that cannot be read are left out.
pub(super) fn list(value: &[u8]) -> impl Iterator<Item = Address<'_>> {
    pieces(value, b',').filter_map(Address::read)
}

impl<'v> Address<'v> {
    /// The one address of a header like From.
    pub(super) fn read(value: &'v [u8]) -> Option<Self> {
        let before = pieces(value, b'<').next().filter(|before| before.len() < value.len());
        let (name, uri, params) = if let Some(before) = before {
            let (uri, behind) = split(value.get(before.len() + 1..)?, b'>')?;
            (before, uri, behind)
        } else {
            // Without brackets, a semicolon begins what is not of the URI (RFC 3261 §20.10).
            let uri = pieces(value, b';').next()?;
            (&[][..], uri, value.get(uri.len()..)?)
        };
        let (user, host) = user_and_host(uri.trim_ascii())?;
        let user = plain(&decoded(user));
        let is_anonymous = user.eq_ignore_ascii_case("anonymous")
            || host.eq_ignore_ascii_case(b"anonymous.invalid")
            || user.is_empty();
        Some(Self { name: plain(&unquoted(name)), user, is_anonymous, params })
    }

    /// A parameter behind the address, in lower case; empty where it has no value.
    pub(super) fn param(&self, name: &str) -> Option<String> {
        let mut params = pieces(self.params, b';').skip(1).map(param);
        params.find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// What stands between separators that are neither in quotes nor in brackets.
fn pieces(value: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped, mut is_bracketed) = (false, false, false);
    value.split(move |byte| {
        let is_outside = !is_quoted && !is_bracketed;
        is_quoted ^= *byte == b'"' && !is_escaped && !is_bracketed;
        is_escaped = is_quoted && *byte == b'\\' && !is_escaped;
        is_bracketed = !is_quoted && *byte != b'>' && (is_bracketed || *byte == b'<');
        is_outside && *byte == separator
    })
}

fn param(piece: &[u8]) -> (String, String) {
    let (name, value) = split(piece, b'=').unwrap_or((piece, &[]));
    let text = |bytes: &[u8]| plain(bytes).trim().to_ascii_lowercase();
    (text(name), text(&unquoted(value)))
}

/// The two parts of a URI that say who: what stands in front of the `@`, and the host.
fn user_and_host(uri: &[u8]) -> Option<(&[u8], &[u8])> {
    let (scheme, rest) = split(uri, b':')?;
    let is = |name: &str| scheme.eq_ignore_ascii_case(name.as_bytes());
    // Parameters of a user, as numbers from a `tel` URI keep them (RFC 3261 §19.1.6).
    let without_params = |user| split(user, b';').map_or(user, |(user, _)| user);
    if is("tel") {
        return Some((without_params(rest), &[]));
    }
    let (user, host) = split(rest, b'@').filter(|_| is("sip") || is("sips"))?;
    let user = split(user, b':').map_or(user, |(user, _password)| user);
    let end = host.iter().position(|byte| b";?:".contains(byte)).unwrap_or(host.len());
    Some((without_params(user), host.get(..end)?))
}

/// The text of a display name or a parameter, without its quotes.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let text = text.trim_ascii();
    let Some(inner) = text.strip_prefix(b"\"").map(|rest| rest.strip_suffix(b"\"").unwrap_or(rest)) else {
        return text.to_vec();
    };
    let mut is_escaped = false;
    let keep = |byte: &&u8| {
        is_escaped = **byte == b'\\' && !is_escaped;
        !is_escaped
    };
    inner.iter().filter(keep).copied().collect()
}

/// A user without its escapes; what is no escape stays as it is.
fn decoded(user: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(user.len());
    let mut rest = user;
    while let Some((first, behind)) = rest.split_first() {
        let digits = behind.split_first_chunk::<2>().filter(|_| *first == b'%');
        let escaped = digits.and_then(|(digits, behind)| {
            let text = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(text, 16).ok()?, behind))
        });
        let (byte, behind) = escaped.unwrap_or((*first, behind));
        out.push(byte);
        rest = behind;
    }
    out
}

fn split(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == at)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &[u8]) -> Option<(String, String)> {
        Address::read(value).map(|it| (it.name, it.user))
    }

    #[test]
    fn addresses_are_read_as_trunks_send_them() {
        let table: &[(&[u8], &str, &str)] = &[
            (b"<sip:100@pbx.example>", "", "100"),
            (b"sip:100@pbx.example;tag=a", "", "100"),
            (b"\"Ann\" <sip:100@pbx.example>;tag=a", "Ann", "100"),
            (b"  \"A \\\"B\\\", <C>; D\"  < SIP:100@pbx.example > ", "A \"B\", <C>; D", "100"),
            (b"Bell, Alexander <sips:+49.30@a.example;user=phone>", "Bell, Alexander", "+49.30"),
            (b"J\xc3\xb6rg M\xc3\xbcller <tel:+49-30-1;phone-context=x>", "J\u{f6}rg M\u{fc}ller", "+49-30-1"),
            (b"J\xf6rg <sip:1@a>", "J\u{fffd}rg", "1"),
            (b"tel:104", "", "104"),
            (b"<sip:104;phone-context=pbx.example:secret@a.example:5060>", "", "104"),
            (b"<sip:104:secret@[2001:db8::1]:5060>", "", "104"),
            (b"<sip:%31%30%34@a>", "", "104"),
            (b"<sip:100%@a>", "", "100%"),
            (b"<sip:a%zz%4@a>", "", "a%zz%4"),
            (b"\"no end <sip:1@a>", "", ""),
            (b"<sip:1@a", "", ""),
            (b"<sip:pbx.example>", "", ""),
            (b"<mailto:ann@a.example>", "", ""),
            (b"<>", "", ""),
            (b"", "", ""),
            (b"ann", "", ""),
        ];
        for (value, name, user) in table {
            let expected = (!user.is_empty()).then(|| ((*name).to_owned(), (*user).to_owned()));
            assert_eq!(read(value), expected, "{}", value.escape_ascii());
        }
    }

    #[test]
    fn control_characters_and_endless_names_do_not_get_in() {
        let name = "x".repeat(5000);
        let value = format!("\"\u{1b}[2J{name}\" <sip:1%0d%0a2@a>");
        let (name, user) = read(value.as_bytes()).expect("an address");
        assert_eq!((name.starts_with("[2Jxxx"), name.chars().count(), user.as_str()), (true, 128, "12"));
    }

    #[test]
    fn a_list_is_cut_where_its_commas_are() {
        let users = |value: &[u8]| list(value).map(|it| it.user).collect::<Vec<_>>();
        assert_eq!(users(b"\"A, B\" <sip:a@b.example;x=,>;y=\",\", <tel:+49>,, junk ,sip:c@d"), ["a", "+49", "c"]);
        assert_eq!(users(b",,,"), [""; 0]);
    }

    #[test]
    fn parameters_behind_an_address_are_found_in_any_case() {
        let address = Address::read(b"<sip:1@a;party=no> ; PARTY = \"Called\";screen;x=\";\"").expect("an address");
        let params = ["party", "screen", "x", "y"].map(|name| address.param(name));
        assert_eq!(params.each_ref().map(Option::as_deref), [Some("called"), Some(""), Some(";"), None]);
    }
}
