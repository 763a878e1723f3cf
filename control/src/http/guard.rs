//! What is looked at before any handler is asked.

use std::net::IpAddr;

use axum::{
    body::HttpBody as _,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CACHE_CONTROL, HOST, ORIGIN, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::problem::Problem;

/// Lets a request through that is none of another web page's, and has no body where nothing takes one.
pub(super) async fn guard(State(is_loopback): State<bool>, request: Request, next: Next) -> Response {
    let mut response = if is_foreign(request.headers(), is_loopback) {
        let way_out = "name the address itself or localhost, and leave the Origin header out";
        Problem::new(StatusCode::FORBIDDEN, "this request comes from a web page of another site", way_out)
            .into_response()
    } else if !request.body().is_end_stream() && ![Method::POST, Method::PATCH].contains(request.method()) {
        let way_out = "send it without one";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "this request has no body", way_out).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether a browser sends this for a page that came from elsewhere. It says so in Origin. Where it does not, the page's
/// own name leads here (DNS rebinding); no such name is an address, and who speaks with loopback needs no other.
fn is_foreign(headers: &HeaderMap, is_loopback: bool) -> bool {
    let text = |value: Option<&HeaderValue>| value.map(|value| value.to_str().unwrap_or_default().to_owned());
    let (host, origin) = (text(headers.get(HOST)), text(headers.get(ORIGIN)));
    let is_named = host.as_deref().is_some_and(|host| !is_local_name(host));
    let is_of_another = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_none() || authority != host.as_deref()
    };
    is_loopback && is_named || origin.as_deref().is_some_and(is_of_another)
}

/// Whether an authority is an address or localhost.
fn is_local_name(authority: &str) -> bool {
    let name = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, _)) => name,
        None => authority.split_once(':').map_or(authority, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_another_site_is_foreign() {
        let table = [
            (Some("127.0.0.1:8080"), None, true, false),
            (Some("localhost:8080"), None, true, false),
            (Some("[::1]:8080"), Some("http://[::1]:8080"), true, false),
            (None, None, true, false),
            (Some("undertone.example:8080"), None, false, false),
            (Some("undertone.example:8080"), None, true, true),
            (Some("undertone.example:8080"), Some("http://undertone.example:8080"), false, false),
            (Some("127.0.0.1:8080"), Some("http://evil.example"), true, true),
            (Some("127.0.0.1:8080"), Some("null"), false, true),
            (None, Some("http://evil.example"), false, true),
        ];
        for (host, origin, is_loopback, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in [(HOST, host), (ORIGIN, origin)] {
                headers.extend(value.map(|value| (name, HeaderValue::from_static(value))));
            }
            assert_eq!(is_foreign(&headers, is_loopback), expected, "{host:?} {origin:?} {is_loopback}");
        }
    }
}
