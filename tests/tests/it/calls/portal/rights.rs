//! What each role sees, and what it may do.

use super::*;

/// What is on a page when it opens: the numbers of calls, of agents, and of controls to listen in.
fn seen(client: &Https) -> Result<[usize; 3]> {
    let snapshot = client.live()?.next()?;
    assert_eq!(snapshot["kind"], "snapshot");
    let count = |list: &Value| list.as_array().map(Vec::len).unwrap_or_default();
    let targets = snapshot["calls"].as_array().into_iter().flatten().map(|call| count(&call["targets"])).sum();
    Ok([count(&snapshot["calls"]), count(&snapshot["agents"]), targets])
}

#[test]
fn each_role_sees_and_may_do_its_own() -> Result<()> {
    let site = Site::open()?;
    // What they see, what comes of listening to Bob, and of reading the audit. A rule alone gives nobody a control.
    let table = [
        ("bob", [1, 0, 0], 403, 403),
        ("eve", [0, 0, 0], 403, 403),
        ("ann", [1, 2, 1], 201, 403),
        ("nils", [0, 1, 0], 403, 403),
        ("olga", [0, 1, 0], 403, 403),
        ("simon", [1, 8, 0], 403, 403),
        ("ada", [1, 8, 1], 201, 200),
        ("audrey", [0, 0, 0], 403, 200),
    ];
    for (user, sees, listens, reads) in table {
        let client = site.client_of(user)?;
        assert_eq!(seen(&client)?, sees, "{user}");
        let answer = client.post("/api/v1/monitors", &json!({ "extension": "100" }))?;
        assert_eq!(answer.status, listens, "{user}: {}", answer.body);
        assert_eq!(client.get("/api/v1/audit?limit=5")?.status, reads, "{user}");
    }
    Ok(())
}

#[test]
fn without_a_cookie_there_is_nothing() -> Result<()> {
    let site = Site::open()?;
    let mut client = site.client()?;
    for cookie in [None, Some("__Host-undertone="), Some("__Host-undertone=0000"), Some("undertone=1")] {
        client.cookie = cookie.map(Into::into);
        let table = [
            ("GET", "/api/v1/session", None),
            ("DELETE", "/api/v1/session", None),
            ("GET", "/api/v1/live", None),
            ("POST", "/api/v1/monitors", Some(json!({ "extension": "100" }))),
            ("PATCH", "/api/v1/monitors/1", Some(json!({ "mode": "barge" }))),
            ("DELETE", "/api/v1/monitors/1", None),
            ("GET", "/api/v1/audit", None),
        ];
        for (method, path, body) in table {
            let answer = client.ask(method, path, body.as_ref())?;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
        }
    }
    Ok(())
}

#[test]
fn a_session_is_the_users_own() -> Result<()> {
    let mut site = Site::open()?;
    let (ann, ada) = (site.client_of("ann")?, site.client_of("ada")?);
    let begun = ann.post("/api/v1/monitors", &json!({ "extension": "100", "phone": "200" }))?;
    assert_eq!(begun.status, 201, "{}", begun.body);
    assert_eq!((&begun.body["own"], &begun.body["supervisor"]["via"]), (&json!(true), &json!("portal")));
    site.floor.supervisor.established()?;
    site.floor.session("up")?;
    let path = format!("/api/v1/monitors/{}", begun.body["id"].as_str().unwrap_or_default());
    let barge = json!({ "mode": "barge" });
    for answer in [ada.ask("PATCH", &path, Some(&barge))?, ada.ask("DELETE", &path, None)?] {
        assert_eq!(answer.status, 404, "{}", answer.body);
    }
    assert_eq!(ann.post("/api/v1/monitors", &json!({ "extension": "100", "phone": "304" }))?.status, 403);
    assert_eq!(ann.ask("PATCH", &path, Some(&json!({ "mode": "shout" })))?.status, 400);
    let switched = ann.ask("PATCH", &path, Some(&barge))?;
    assert_eq!((switched.status, &switched.body["mode"]), (200, &json!("barge")), "{}", switched.body);
    assert_eq!(ann.ask("DELETE", &path, None)?.status, 204);
    site.floor.exchange.wait_for_calls(1)?;
    undertone_tests::lab::wait_for("no session", SOON, || site.floor.sessions().ok()?.is_empty().then_some(()))
}

#[test]
fn a_page_is_told_what_changes() -> Result<()> {
    let mut site = Site::open()?;
    let (ann, nils) = (site.client_of("ann")?, site.client_of("nils")?);
    let (mut page, mut others) = (ann.live()?, nils.live()?);
    let (snapshot, of_others) = (page.next()?, others.next()?);
    let call = &snapshot["calls"][0];
    assert_eq!(
        [&call["phase"], &call["direction"], &call["trunk"], &call["callee"]["name"], &call["targets"][0]["extension"]],
        [&json!("up"), &json!("inbound"), &json!("carrier"), &json!("Bob Bauer"), &json!("100")],
        "{call}"
    );
    assert_eq!(call["targets"][0]["modes"], json!(["listen", "whisper", "whisper-caller", "barge"]));
    assert_eq!(of_others["calls"], json!([]));
    let agents = snapshot["agents"].as_array().cloned().unwrap_or_default();
    let bob = agents.iter().find(|agent| agent["user"] == "bob").cloned().unwrap_or_default();
    assert_eq!((&bob["state"], &bob["call"], &bob["queues"]), (&json!("in-call"), &call["id"], &json!(["sales"])));

    ann.post("/api/v1/monitors", &json!({ "extension": "100" }))?;
    site.floor.supervisor.established()?;
    let is_up = |message: &Value| message["monitors"][0]["state"] == "up";
    let up = page.until(is_up)?;
    assert_eq!((&up["monitors"][0]["own"], &up["monitors"][0]["call"]), (&json!(true), &call["id"]));
    if up["calls"].is_null() {
        page.until(|message| message["calls"][0]["monitored"] == 1)?;
    }
    site.floor.caller.hang_up()?;
    page.until(|message| message["calls_over"][0] == call["id"])?;
    // Nils has seen none of it before his rights are others; the same configuration again changes none.
    site.reload(|text| text)?;
    site.reload(|text| text.replace("\"Eve\"", "\"Eva\""))?;
    let mut told = Vec::new();
    loop {
        let message = others.next()?;
        if message["kind"] == "end" {
            assert_eq!(message["why"], "rights-changed");
            break;
        }
        for list in ["calls", "calls_over", "agents", "monitors"] {
            told.extend(message[list].as_array().cloned().unwrap_or_default());
        }
    }
    assert_eq!(told, Vec::<Value>::new());
    Ok(())
}
