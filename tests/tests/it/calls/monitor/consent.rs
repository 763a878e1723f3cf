//! Who hears the consent tone, and how loud others are while a supervisor speaks.

use std::{ops::Range, time::Instant};

use super::*;

const CONSENT_HZ: f64 = 1_400.0;
/// As strong as the tone is where it is heard at all.
const CONSENT: f64 = 1_500.0;
/// A tone is looked for in pieces of 30 ms, every 10 ms.
const PIECE: usize = 240;
const STEP: usize = 80;
/// The tone takes half a second; a click, as of packets that a busy machine has lost, is short.
const BURST_MIN: usize = SAMPLE_RATE as usize / 5;
/// How long a mode goes on without a tone before it is taken for one that has none: where there is one, it is heard at once.
const SILENT: usize = 2 * SAMPLE_RATE as usize;

/// When the consent tone is in sound.
fn bursts(sound: &[i16]) -> Vec<Range<usize>> {
    let mut bursts: Vec<Range<usize>> = Vec::new();
    for at in (0..sound.len().saturating_sub(PIECE)).step_by(STEP) {
        if strength(&sound[at..at + PIECE], CONSENT_HZ) < CONSENT {
            continue;
        }
        match bursts.last_mut().filter(|burst| burst.end >= at) {
            Some(burst) => burst.end = at + PIECE,
            None => bursts.push(at..at + PIECE),
        }
    }
    bursts.retain(|burst| burst.len() >= BURST_MIN);
    bursts
}

impl Floor {
    fn parties(&self) -> [(Person, &Phone); 2] {
        [(Person::Agent, &self.agent), (Person::Caller, &self.caller)]
    }

    /// After something was done, these hear the tone and the other parties do not.
    fn assert_told(&self, what: &str, told: &[Person], act: impl FnOnce() -> Result<()>) -> Result<()> {
        let begins: Result<Vec<_>> = self.parties().iter().map(|(_, phone)| Ok(phone.heard_so_far()?.len())).collect();
        let begins = begins?;
        act()?;
        for ((person, phone), from) in self.parties().iter().zip(&begins) {
            let is_told = told.contains(person);
            let sound = wait_for(&format!("{what}: {person:?} to hear what there is"), SOON, || {
                let sound = phone.heard_so_far().ok().filter(|sound| sound.len() >= from + SILENT)?;
                // A tone that is heard is heard to its end, so that it is not taken for one of the next mode.
                let is_over = |burst: &Range<usize>| burst.end + 2 * PIECE < sound.len() - from;
                (!is_told || bursts(&sound[*from..]).first().is_some_and(is_over)).then_some(sound)
            })?;
            assert_eq!(!bursts(&sound[*from..]).is_empty(), is_told, "{what}: {person:?}");
        }
        Ok(())
    }

    fn reload_with(&self, was: &str, is: &str) -> Result<()> {
        let file = self.exchange.operator.config();
        let text = std::fs::read_to_string(&file).expect("the configuration");
        assert!(text.contains(was), "{text}");
        std::fs::write(&file, text.replace(was, is)).expect("written");
        self.exchange.operator.say(&["reload"])?.done().map(drop)
    }

    /// Who was to hear the tone, each time that it changed, as the audit has it.
    fn told(&self) -> Result<Vec<[bool; 2]>> {
        let rows = self.audit()?.into_iter().filter(|row| row["what"] == "consent-tone");
        let heard = |row: Value| {
            let details: Value = serde_json::from_str(row["details"].as_str()?).ok()?;
            Some([details["agent"].as_bool()?, details["caller"].as_bool()?])
        };
        Ok(rows.filter_map(heard).collect())
    }
}

fn plan_with(mut plan: Plan, keys: &str) -> Plan {
    let section = MONITORING.replace("[monitoring]\n", &format!("[monitoring]\n{keys}"));
    plan.sip.insert_str(0, &section);
    plan
}

/// A call with a consent tone that these hear, in these modes.
fn floor(plan: Plan, persons: &str, modes: &str) -> Result<Floor> {
    let floor = Floor::of(plan_with(plan, &format!("consent-tone = {persons}\nconsent-tone-modes = {modes}\n")))?;
    // A telephone that has not begun to play what comes hears no tone either.
    floor.assert_heard(None)?;
    Ok(floor)
}

#[test]
fn the_consent_tone_is_heard_by_those_and_in_the_modes_that_are_configured() -> Result<()> {
    let mut floor = floor(Plan::loopback()?, r#"["caller"]"#, r#"["listen", "barge"]"#)?;
    let caller = [Person::Caller];
    floor.assert_told("007100", &caller, || floor.dial("007100"))?;
    floor.supervisor.established()?;
    for (code, told) in [("*83", &[][..]), ("*82", &caller), ("*81", &[]), ("*80", &caller)] {
        floor.assert_told(code, told, || floor.supervisor.press(code))?;
    }
    let agent = [Person::Agent];
    floor.assert_told("reload", &agent, || {
        floor.reload_with(r#"consent-tone = ["caller"]"#, r#"consent-tone = ["agent"]"#)
    })?;
    floor.assert_told("the supervisor has hung up", &[], || floor.supervisor.hang_up())?;
    assert_eq!(bursts(&floor.supervisor.heard()?), [], "who monitors does not hear it");
    let told = wait_for("the audit", SOON, || floor.told().ok().filter(|told| told.last() == Some(&[false; 2])))?;
    let (to_caller, to_nobody) = ([false, true], [false; 2]);
    assert_eq!(told, [to_caller, to_nobody, to_caller, to_nobody, to_caller, [true, false], to_nobody]);
    floor.assert_heard(None)
}

#[test]
fn the_consent_tone_comes_every_fifteen_seconds() -> Result<()> {
    let mut floor = floor(Plan::loopback()?, r#"["agent", "caller"]"#, r#"["listen"]"#)?;
    floor.dial("007100")?;
    floor.supervisor.established()?;
    // By the clock on the wall: a telephone's recording lacks what a busy machine has lost.
    let mut seen = [Vec::new(), Vec::new()];
    wait_for("both to hear it twice", 3 * SOON, || {
        for ((_, phone), seen) in floor.parties().iter().zip(&mut seen) {
            let sound = phone.heard_so_far().ok()?;
            let is_over = |burst: &Range<usize>| burst.end + 2 * PIECE < sound.len();
            if bursts(&sound).get(seen.len()).is_some_and(is_over) {
                seen.push(Instant::now());
            }
        }
        seen.iter().all(|seen| seen.len() == 2).then_some(())
    })?;
    for (seen, (person, phone)) in seen.iter().zip(floor.parties()) {
        let apart = (seen[1] - seen[0]).as_secs_f64();
        assert!((14.0..16.0).contains(&apart), "{person:?} hears it after {apart} s");
        let length = bursts(&phone.heard_so_far()?)[0].len() as f64 / f64::from(SAMPLE_RATE);
        assert!((0.3..0.65).contains(&length), "{person:?} hears it for {length} s");
    }
    floor.assert_told("*82", &[], || floor.supervisor.press("*82"))
}

#[test]
fn a_party_is_softer_while_a_supervisor_speaks_where_that_is_configured() -> Result<()> {
    let mut floor = Floor::of(plan_with(Plan::loopback()?, "ducking = 20\n"))?;
    floor.dial("007100")?;
    floor.supervisor.established()?;
    floor.assert_heard(Some(Mode::Listen))?;
    floor.supervisor.press("*83")?;
    // The agent's ear: the caller at a tenth, the supervisor as loud as ever.
    let from = floor.agent.heard_so_far()?.len();
    let softly = |sound: &[i16]| (300.0..1_200.0).contains(&strength(sound, 1_100.0));
    wait_for("the caller to be softer for the agent", SOON, || {
        let sound = floor.agent.heard_so_far().ok()?;
        let sound = sound.get(from..)?.rchunks_exact(LISTENED).next()?;
        (hears(sound, 1_700.0) == Some(true) && softly(sound)).then_some(())
    })?;
    let sound = floor.caller.heard_so_far()?;
    let sound = sound.rchunks_exact(LISTENED).next().expect("half a second");
    assert_eq!(hears(sound, 700.0), Some(true), "whom nobody speaks to hears the agent as before");
    floor.reload_with("ducking = 20", "ducking = 0")?;
    floor.assert_heard(Some(Mode::WhisperToAgent))?;
    floor.supervisor.press("*80")?;
    floor.assert_heard(Some(Mode::Listen))
}

mod privileged {
    use super::*;

    #[test]
    fn the_consent_tone_outlives_its_daemon_over_xdp() -> Result<()> {
        let plan = Plan::on(Ground::lab()?, [(Family::V4, Over::Udp); 2]);
        let mut floor = floor(plan, r#"["agent"]"#, r#"["listen"]"#)?;
        floor.assert_told("007100", &[Person::Agent], || floor.dial("007100"))?;
        floor.supervisor.established()?;
        floor.assert_told("*83", &[], || floor.supervisor.press("*83"))?;
        floor.assert_told("*80", &[Person::Agent], || floor.supervisor.press("*80"))?;
        floor.exchange.daemon().kill9()?;
        let begins = floor.agent.heard_so_far()?.len();
        floor.exchange.restart()?;
        wait_for("the agent to hear the tone of the next daemon", SOON, || {
            let sound = floor.agent.heard_so_far().ok()?;
            bursts(&sound[begins..]).first().is_some_and(|it| it.end + 2 * PIECE < sound.len() - begins).then_some(())
        })?;
        floor.assert_told("*83", &[], || floor.supervisor.press("*83"))
    }
}
