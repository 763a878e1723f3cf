//! The page, in a real browser.

use undertone_core::mixer::Mode;
use undertone_tests::lab::wait_for;

use super::*;

impl Browser {
    fn sign_in(&self, user: &str, password: &str) -> Result<()> {
        self.wait_for_text("Password")?;
        self.fill("user", user)?;
        self.fill("password", password)?;
        self.enter()
    }
}

#[test]
fn a_supervisor_listens_whispers_and_joins_from_the_page() -> Result<()> {
    let mut site = Site::open()?;
    let browser = site.browser()?;
    browser.go("/agents")?;
    browser.sign_in("ann", "correct horse batterz")?;
    browser.wait_for_text("The name or the password is wrong")?;
    browser.picture("sign-in-refused")?;
    browser.sign_in("ann", PASSWORD)?;
    // Back to where she wanted to go.
    let agents = browser.wait_for_text("Bob Bauer")?;
    assert!(agents.contains("In call") && agents.contains("sales") && !agents.contains("Eve"), "{agents}");
    browser.picture("agents")?;
    browser.go("/")?;
    let calls = browser.wait_for_text("Bob Bauer")?;
    assert!(calls.contains("Inbound") && calls.contains("carrier"), "{calls}");
    browser.picture("active-calls")?;

    browser.press("Listen in")?;
    site.floor.supervisor.established()?;
    site.floor.session("up")?;
    browser.wait_for_text("Audio Monitoring")?;
    let shows = |expected: &[&str]| {
        wait_for(&format!("the controls {expected:?}"), SOON, || {
            let all = browser.buttons().ok()?;
            let modes = ["Listen Only", "Join Call", "Whisper To Bob Bauer", "Whisper To the caller"];
            let shown: Vec<_> =
                modes.into_iter().filter(|mode| all.iter().any(|name| name.starts_with(mode))).collect();
            (shown == expected).then_some(())
        })
    };
    let at_first = ["Join Call", "Whisper To Bob Bauer", "Whisper To the caller"];
    shows(&at_first)?;
    browser.picture("listen-only")?;
    site.floor.assert_heard(Some(Mode::Listen))?;
    for (button, mode) in [
        ("Whisper To Bob", Mode::WhisperToAgent),
        ("Whisper To the", Mode::WhisperToCaller),
        ("Join Call", Mode::Barge),
    ] {
        browser.press(button)?;
        shows(&["Listen Only"])?;
        browser.picture(mode.key())?;
        site.floor.assert_heard(Some(mode))?;
        browser.press("Listen Only")?;
        shows(&at_first)?;
        site.floor.session_in(Mode::Listen)?;
    }
    site.floor.assert_heard(Some(Mode::Listen))?;
    browser.press("End monitoring")?;
    browser.wait_for_text("has ended")?;
    wait_for("no session", SOON, || site.floor.sessions().ok()?.is_empty().then_some(()))?;
    browser.picture("ended")?;
    site.floor.assert_heard(None)
}

#[test]
fn an_open_page_shows_the_truth_after_the_daemon_was_killed() -> Result<()> {
    let mut site = Site::open()?;
    let browser = site.browser()?;
    browser.go("/")?;
    browser.sign_in("ann", PASSWORD)?;
    browser.wait_for_text("Bob Bauer")?;
    site.floor.exchange.daemon().kill9()?;
    browser.wait_for_text("Reconnecting")?;
    browser.picture("reconnecting")?;
    site.floor.exchange.restart()?;
    wait_for("the page to be connected again", SOON, || {
        browser.text().ok().filter(|text| !text.contains("Reconnecting") && text.contains("Bob Bauer")).map(drop)
    })?;
    site.floor.caller.hang_up()?;
    browser.wait_for_text("There are no calls")?;
    Ok(())
}

#[test]
fn what_a_role_may_not_see_is_not_on_its_page() -> Result<()> {
    let site = Site::open()?;
    let browser = site.browser()?;
    let table: [(&str, &str, &[&str]); 4] = [
        ("bob", "Bob Bauer", &["Agents", "Audit", "Listen in"]),
        ("audrey", "There are no calls", &["Agents", "Listen in", "Bob Bauer"]),
        ("nils", "There are no calls", &["Audit", "Bob Bauer"]),
        ("ada", "Bob Bauer", &[]),
    ];
    for (user, sees, not) in table {
        browser.go("/")?;
        browser.sign_in(user, PASSWORD)?;
        let shown = browser.wait_for_text(sees)?;
        let named = browser.buttons()?.join(" ");
        let leaks: Vec<_> = not.iter().filter(|text| shown.contains(**text) || named.contains(**text)).collect();
        assert!(leaks.is_empty(), "{user} sees {leaks:?} in {shown}");
        browser.press("Sign out")?;
    }
    Ok(())
}

/// A name that a page must not take for anything but one.
const MARKUP: &str = "<img src=x onerror=document.title='run'><b>Bob</b> \u{202e}reuaB \u{202c}&";

#[test]
fn every_page_is_whole_and_accessible_on_every_screen() -> Result<()> {
    let site = Site::with(MARKUP)?;
    let browser = site.browser()?;
    browser.go("/sign-in")?;
    browser.wait_for_text("Password")?;
    let axe = axe()?;
    let look = |page: &str| -> Result<()> {
        for (screen, width) in [("wide", 1_280), ("narrow", 360)] {
            for scheme in ["light", "dark"] {
                browser.set_size(width, 900)?;
                browser.set_scheme(scheme)?;
                browser.picture(&format!("{page}-{screen}-{scheme}"))?;
                let beyond = browser.run("return document.documentElement.scrollWidth - innerWidth")?;
                assert!(beyond.as_i64().is_some_and(|beyond| beyond <= 0), "{page} is {beyond} wider than {width}");
                let faults = browser.run_until_done(&format!("{axe}\n{AXE}"))?;
                assert_eq!(faults, json!([]), "{page}, {screen}, {scheme}");
            }
        }
        Ok(())
    };
    look("sign-in")?;
    browser.sign_in("ada", PASSWORD)?;
    browser.wait_for_text("Ada")?;
    for (page, path, shows) in [
        ("calls", "/", "Listen in"),
        ("agents", "/agents", "Ann Miller"),
        ("audit", "/audit", "Signed in"),
        ("wallboard", "/?wallboard", "Calls"),
    ] {
        browser.go(path)?;
        browser.wait_for_text(shows)?;
        look(page)?;
    }
    browser.go("/")?;
    let shown = browser.wait_for_text("onerror")?;
    assert!(shown.contains("<b>Bob</b>"), "{shown}");
    let title = browser.run("return document.title")?;
    assert!(title.as_str().is_some_and(|title| title.contains("Active Calls")), "{title}");
    Ok(())
}

/// Serious violations of WCAG 2.2 AA: rules, and where.
const AXE: &str = "const done = arguments[arguments.length - 1];
    axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
        .then(found => done(found.violations
            .filter(it => it.impact === 'serious' || it.impact === 'critical')
            .map(it => `${it.id}: ${it.nodes.map(node => node.target).join(' ')}`)))
        .catch(error => done([String(error)]));";

/// The script that finds them, which comes with what the page is built by.
fn axe() -> Result<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../control/portal/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).map_err(|error| other(format!("{path}: {error}; `cargo xtask portal` brings it")))
}
