//! Signing in, and out.

use super::*;
use crate::calls::monitor::audit;

/// The audit's rows about sign-ins: what, whose, and why.
fn told(site: &Site) -> Result<Vec<[String; 3]>> {
    let rows = audit(&site.floor.exchange)?;
    let of_portal = rows.iter().filter(|row| row["what"].as_str().is_some_and(|what| what.contains("sign")));
    let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    Ok(of_portal.map(|row| ["what", "user", "reason"].map(|key| text(row, key))).collect())
}

#[test]
fn who_knows_the_password_is_in_and_nobody_else() -> Result<()> {
    let site = Site::open()?;
    let mut client = site.client()?;
    let answer = client.get("/api/v1/session")?;
    assert_eq!((answer.status, &answer.body["try"]), (401, &json!("sign in: POST /api/v1/session")));
    let wrong = client.sign_in("ann", "correct horse batterz")?;
    let unknown = client.sign_in("nobody", PASSWORD)?;
    assert_eq!((wrong.status, &wrong.body), (401, &unknown.body), "nobody learns which names there are");
    assert_eq!(client.cookie, None);

    let account = client.sign_in("ann", PASSWORD)?;
    let expected = json!({
        "user": "ann", "display_name": "Ann Miller", "role": "call-center-supervisor", "extensions": ["200"],
        "sees": { "agents": true, "audit": false, "everything": false }, "monitors": true,
    });
    assert_eq!((account.status, &account.body), (200, &expected));
    let cookie = account.header("set-cookie").unwrap_or_default();
    let token = cookie.strip_prefix("__Host-undertone=").and_then(|rest| rest.split(';').next()).unwrap_or_default();
    assert_eq!(token.len(), 64, "{cookie}");
    assert!(cookie.ends_with("; Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(client.get("/api/v1/session")?.body, expected);

    // A token that the client brings along is never made one that is signed in.
    let mut fixed = site.client()?;
    fixed.cookie = Some(format!("__Host-undertone={}", "0".repeat(64)));
    let given = fixed.cookie.clone();
    assert_eq!(fixed.sign_in("ann", PASSWORD)?.status, 200);
    assert_ne!(fixed.cookie, given);

    let out = client.ask("DELETE", "/api/v1/session", None)?;
    assert_eq!(out.status, 204);
    assert!(out.header("set-cookie").is_some_and(|cookie| cookie.contains("Max-Age=0")), "{}", out.head);
    assert_eq!(client.get("/api/v1/session")?.status, 401, "the cookie is worth nothing any more");
    assert_eq!(fixed.get("/api/v1/session")?.status, 200, "that of another browser is");
    let rows = undertone_tests::lab::wait_for("the audit", SOON, || {
        told(&site).ok().filter(|rows| rows.iter().any(|row| row[0] == "signed-out"))
    })?;
    let rows: Vec<_> = rows.iter().map(|row| row.each_ref().map(String::as_str)).collect();
    let expected = [
        ["sign-in-refused", "ann", ""],
        ["sign-in-refused", "nobody", ""],
        ["signed-in", "ann", ""],
        ["signed-in", "ann", ""],
        ["signed-out", "ann", "signed-out"],
    ];
    assert_eq!(rows, expected);
    Ok(())
}

#[test]
fn who_guesses_is_locked_out() -> Result<()> {
    let site = Site::open()?;
    let mut client = site.client()?;
    for guess in 0..5 {
        assert_eq!(client.sign_in("ann", &format!("guess number {guess}"))?.status, 401);
    }
    let locked = client.sign_in("ann", PASSWORD)?;
    assert_eq!(locked.status, 429, "{}", locked.body);
    let seconds = locked.header("retry-after").and_then(|text| text.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=30).contains(&seconds)), "{}", locked.head);
    assert_eq!(client.sign_in("bob", PASSWORD)?.status, 200, "others are not");
    Ok(())
}

#[test]
fn a_sign_in_ends_with_the_password_and_outlives_the_daemon() -> Result<()> {
    let mut site = Site::open()?;
    let (ann, bob) = (site.client_of("ann")?, site.client_of("bob")?);
    let mut page = ann.live()?;
    assert_eq!(page.next()?["kind"], "snapshot");
    // What was written a moment ago is on the disk.
    undertone_tests::lab::wait_for("the sign-ins to be written", SOON, || {
        told(&site).ok().filter(|rows| rows.len() == 2)
    })?;
    site.floor.exchange.daemon().kill9()?;
    site.floor.exchange.restart()?;
    assert_eq!([ann.get("/api/v1/session")?.status, bob.get("/api/v1/session")?.status], [200, 200]);

    let mut page = ann.live()?;
    assert_eq!(page.next()?["kind"], "snapshot");
    let other = site::hash("another horse battery")?;
    site.reload(|text| {
        let (before, after) = text.split_once("password = ").expect("a password");
        let (_, after) = after.split_once('\n').expect("a line");
        format!("{before}{other}\n{after}")
    })?;
    let end = page.until(|message| message["kind"] == "end")?;
    assert_eq!(end["why"], "signed-out");
    assert_eq!([ann.get("/api/v1/session")?.status, bob.get("/api/v1/session")?.status], [401, 200]);
    assert_eq!(site.client()?.sign_in("ann", PASSWORD)?.status, 401);
    assert_eq!(site.client()?.sign_in("ann", "another horse battery")?.status, 200);
    Ok(())
}

#[test]
fn a_request_of_another_site_is_refused() -> Result<()> {
    let site = Site::open()?;
    let mut ann = site.client_of("ann")?;
    let call = json!({ "extension": "100" });
    for header in
        ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]
    {
        ann.more = format!("{header}\r\n");
        let answer = ann.post("/api/v1/monitors", &call)?;
        assert_eq!(answer.status, 403, "{header}: {}", answer.body);
        assert!(answer.body["error"].as_str().is_some_and(|it| it.contains("another site")), "{}", answer.body);
    }
    ann.more = "Content-Encoding: identity\r\n".into();
    assert_eq!(site.floor.sessions()?, Vec::<Value>::new(), "nothing was begun");
    ann.more = format!("Origin: https://{}\r\nSec-Fetch-Site: same-origin\r\n", site.at);
    assert_eq!(ann.post("/api/v1/monitors", &call)?.status, 201);
    Ok(())
}

#[test]
fn what_is_no_request_harms_nobody() -> Result<()> {
    let site = Site::open()?;
    let ann = site.client_of("ann")?;
    let long = "x".repeat(5_000);
    let bodies = [
        (json!({ "user": "ann" }), 400),
        (json!({ "user": "ann", "password": 7 }), 400),
        (json!({ "user": "ann", "password": PASSWORD, "role": "administrator" }), 400),
        (json!({ "user": "ann", "password": long }), 413),
        (json!({ "user": "ann", "password": "x".repeat(300) }), 401),
        (json!([]), 400),
    ];
    for (body, expected) in bodies {
        let answer = ann.post("/api/v1/session", &body)?;
        assert_eq!(answer.status, expected, "{}", answer.body);
    }
    assert_eq!(ann.get("/api/v1/nothing")?.status, 404);
    assert_eq!(ann.ask("PUT", "/api/v1/session", None)?.status, 405);
    assert_eq!(ann.get("/api/v1/live")?.status, 426);
    let page = ann.get("/agents")?;
    assert_eq!(page.status, 200, "{}", page.body);
    let policy = page.header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(ann.get("/assets/old.js")?.status, 404);
    Ok(())
}
