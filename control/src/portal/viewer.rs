//! Who asks: the cookie of a request, and the user who has it.

use axum::{
    extract::{Request, State as Asked},
    http::{HeaderMap, Method, StatusCode, header::COOKIE},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use undertone_control_core::portal::SignInId;

use super::{Account, api::State};
use crate::http::{Client, Problem};

/// The cookie. A browser takes one of this name only over HTTPS, from the host that it is for, for all of its paths (RFC 6265bis
/// §4.1.3.2).
const COOKIE_NAME: &str = "__Host-undertone";

/// What an open page asks for by itself.
const UNTOUCHED: [&str; 2] = ["/api/v1/session", "/api/v1/live"];

/// Somebody who is signed in, and asks for something.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// Their sign-in.
    pub(crate) id: SignInId,
    /// The user, by name.
    pub(crate) user: String,
    /// From where they ask.
    pub(crate) address: String,
}

/// Lets those through who are signed in, and says who they are.
pub(super) async fn require(Asked(state): Asked<State>, mut request: Request, next: Next) -> Response {
    let Some(token) = token(request.headers()) else { return signed_out().into_response() };
    let address = request.extensions().get::<Client>().map(|Client(from)| from.to_string()).unwrap_or_default();
    // A page that nobody touches asks for no more than this.
    let is_use = !(request.method() == Method::GET && UNTOUCHED.contains(&request.uri().path()));
    match state.desk.ask(move |office| office.who_has(&token, is_use)).await {
        Ok(Some((id, account))) => {
            let user = account.user.clone();
            request.extensions_mut().insert(SignedIn { id, user, address });
            request.extensions_mut().insert::<Account>(account);
            next.run(request).await
        }
        Ok(None) => signed_out().into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The cookie that a browser is to have from now on.
pub(super) fn cookie(token: &str, lifetime_s: u64) -> String {
    format!("{COOKIE_NAME}={token}; Path=/; Max-Age={lifetime_s}; Secure; HttpOnly; SameSite=Strict")
}

/// What makes a browser forget it.
pub(super) fn no_cookie() -> String {
    cookie("", 0)
}

/// The token that a request brings. With two cookies of the name, one is somebody else's: it brings none.
fn token(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == COOKIE_NAME).map(|(_, token)| token);
    let token = ours.next()?;
    ours.next().is_none().then(|| token.to_owned())
}

fn signed_out() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "nobody is signed in here", "sign in: POST /api/v1/session")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_token_is_the_one_cookie_of_its_name() {
        let table: [(&[&'static str], Option<&str>); 6] = [
            (&["__Host-undertone=abc"], Some("abc")),
            (&["theme=dark; __Host-undertone=abc; a=b"], Some("abc")),
            (&["theme=dark", "__Host-undertone=abc"], Some("abc")),
            (&["undertone=abc; x__Host-undertone=abc"], None),
            (&["__Host-undertone=abc; __Host-undertone=def"], None),
            (&[], None),
        ];
        for (cookies, expected) in table {
            let headers = cookies.iter().map(|text| (COOKIE, HeaderValue::from_static(text))).collect();
            assert_eq!(token(&headers).as_deref(), expected, "{cookies:?}");
        }
        let set = cookie("abc", 60);
        assert_eq!(set, "__Host-undertone=abc; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict");
    }
}
