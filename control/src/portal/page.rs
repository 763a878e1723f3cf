//! The page itself: files that the daemon has in it.

use axum::{
    http::{
        HeaderMap, HeaderValue, Method, StatusCode, Uri,
        header::{ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY},
    },
    response::{IntoResponse as _, Response},
};

use crate::http::Problem;

/// The document that shows every page.
const DOCUMENT: &str = "index.html";
/// Files below it have names that change with what is in them.
const ASSETS: &str = "assets/";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// A file of the page.
struct File {
    /// Its path, without a slash in front.
    name: &'static str,
    /// Its content, compressed by gzip.
    gzip: &'static [u8],
    /// Its content.
    plain: &'static [u8],
    /// What changes with its content, in quotes.
    tag: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/portal.rs"));

/// Anything outside `/api`: a file, or else the document, which knows the page that the address is of.
pub(super) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "a page is only read", "use GET");
        return ([(ALLOW, "GET, HEAD")], problem).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let find = |name: &str| FILES.iter().find(|file| file.name == name);
    let file = find(path).or_else(|| find(DOCUMENT).filter(|_| !path.starts_with(ASSETS)));
    let problem = match file {
        Some(file) => return answer(file, &headers),
        None if FILES.is_empty() => {
            let way_out = "build the page with `cargo xtask portal`, and the program again";
            Problem::new(StatusCode::NOT_IMPLEMENTED, "this program was built without its page", way_out)
        }
        None => {
            let error = "there is no such file: the portal is of another version by now";
            Problem::new(StatusCode::NOT_FOUND, error, "load the page again")
        }
    };
    problem.into_response()
}

fn answer(file: &File, headers: &HeaderMap) -> Response {
    let has = |name, wanted: &str| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        value.split(',').any(|it| it.trim().split(';').next() == Some(wanted))
    };
    let cache = if file.name.starts_with(ASSETS) { FOR_EVER } else { ASK_AGAIN };
    let common = [
        (CACHE_CONTROL, cache),
        (ETAG, HeaderValue::from_static(file.tag)),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if has(IF_NONE_MATCH, file.tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let kind = [(CONTENT_TYPE, kind(file.name))];
    if has(ACCEPT_ENCODING, "gzip") {
        (common, kind, [(CONTENT_ENCODING, "gzip")], file.gzip).into_response()
    } else {
        (common, kind, file.plain).into_response()
    }
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: File = File { name: "assets/app-1.js", gzip: b"zipped", plain: b"plain", tag: "\"1\"" };

    #[test]
    fn a_file_comes_as_the_browser_takes_it() {
        let answer = |name, value: &'static str| {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
            let response = answer(&FILE, &headers);
            (response.status().as_u16(), response.headers().contains_key(CONTENT_ENCODING))
        };
        assert_eq!(answer(ACCEPT_ENCODING, "gzip, deflate, br"), (200, true));
        assert_eq!(answer(ACCEPT_ENCODING, "br;q=1.0, gzip;q=0.8"), (200, true));
        assert_eq!(answer(ACCEPT_ENCODING, "identity"), (200, false));
        assert_eq!(answer(IF_NONE_MATCH, "\"0\", \"1\""), (304, false));
        assert_eq!(answer(IF_NONE_MATCH, "\"11\""), (200, false));
    }
}
