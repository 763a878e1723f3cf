//! What is looked at before anything else, and what every answer says to the browser.

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
            X_FRAME_OPTIONS,
        },
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::http::Problem;

/// What the page may load: what comes with it. Nothing that stands in a document runs.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Lets a request through that no other site's page has made a browser send.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_foreign(request.method(), request.headers()) {
        let way_out = "open the portal by its own address";
        Problem::new(StatusCode::FORBIDDEN, "this request comes from a web page of another site", way_out)
            .into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is not the page itself is of this moment.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Whether a browser sends this for another site's page. It says so in Origin, and in Sec-Fetch-Site (Fetch Metadata). A link there
/// may lead to our page, which the browser then asks for without our cookie.
fn is_foreign(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(HOST).unwrap_or_default();
    let is_of_another = |origin: &str| origin.strip_prefix("https://") != Some(host);
    let is_of_another_site = |site: &str| !matches!(site, "same-origin" | "none");
    let site = text(HeaderName::from_static("sec-fetch-site"));
    text(ORIGIN).is_some_and(is_of_another) || *method != Method::GET && site.is_some_and(is_of_another_site)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_site_has_sent_is_foreign() {
        let origin = "https://portal.example:8443";
        let table = [
            (Method::GET, None, None, false),
            (Method::POST, None, None, false),
            (Method::POST, Some(origin), Some("same-origin"), false),
            (Method::GET, None, Some("cross-site"), false),
            (Method::POST, None, Some("cross-site"), true),
            (Method::DELETE, None, Some("same-site"), true),
            (Method::POST, Some("http://portal.example:8443"), None, true),
            (Method::GET, Some("https://evil.example"), None, true),
            (Method::POST, Some("null"), Some("none"), true),
        ];
        for (method, origin, site, expected) in table {
            let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static("portal.example:8443"))]);
            headers.extend(origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin))));
            headers
                .extend(site.map(|site| (HeaderName::from_static("sec-fetch-site"), HeaderValue::from_static(site))));
            assert_eq!(is_foreign(&method, &headers), expected, "{method} {origin:?} {site:?}");
        }
    }
}
