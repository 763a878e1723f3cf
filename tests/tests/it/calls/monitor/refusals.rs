//! What a telephone hears of a refusal.

use undertone_tests::speech::write_wav;

use super::*;

const WHY_HZ: f64 = 900.0;
/// The fast busy tone.
const BUSY_HZ: [f64; 2] = [480.0, 620.0];

/// Whether some tenth of a second of sound is this tone, as strong as our signals are at least.
fn has(sound: &[i16], hz: f64) -> bool {
    sound.chunks_exact(800).any(|piece| strength(piece, hz) > 1_000.0)
}

/// A floor whose refusals are heard so; with a recording of a second.
fn floor(keys: &str) -> Result<(Floor, tempfile::TempDir)> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("why.wav");
    write_wav(&file, &tone(WHY_HZ, SAMPLE_RATE as usize))?;
    let file = file.display();
    let announcements =
        format!("[monitoring.announcements]\nprotected = \"{file}\"\nmode-not-permitted = \"{file}\"\n");
    let announcements = if keys.contains("announcement") { announcements } else { String::new() };
    let mut plan = Plan::loopback()?;
    let section = MONITORING.replace("[monitoring]\n", &format!("[monitoring]\n{keys}"));
    let section = section
        .replace("[[monitoring.rule]]\n", &format!("{announcements}[[monitoring.rule]]\nmodes = [\"listen\"]\n"));
    plan.sip.insert_str(0, &section);
    Ok((Floor::of(plan)?, folder))
}

impl Floor {
    /// What the supervisor's telephone hears of a call that is refused with this status.
    fn refused(&mut self, number: &str, status: &str) -> Result<Vec<i16>> {
        self.dial(number)?;
        self.supervisor.refused(status)?;
        self.supervisor.heard_so_far()
    }
}

#[test]
fn a_call_that_is_refused_hears_why_and_is_never_answered() -> Result<()> {
    let (mut floor, _folder) = floor("refused-call = \"announcement\"\n")?;
    let sound = floor.refused("007300", "403")?;
    assert!(has(&sound, WHY_HZ) && !has(&sound, BUSY_HZ[0]), "{} samples", sound.len());
    assert!(sound.len() > SAMPLE_RATE as usize / 2, "most of it is heard: {} samples", sound.len());
    // There is no recording for this one.
    let sound = floor.refused("007999", "404")?;
    assert!(BUSY_HZ.iter().all(|hz| has(&sound, *hz)) && !has(&sound, WHY_HZ), "{} samples", sound.len());
    assert_eq!(floor.sessions()?, Vec::<Value>::new());
    let rows: Vec<_> = floor.audit()?.into_iter().filter(|row| row["what"] == "refused").collect();
    assert_eq!(rows.iter().map(|row| row["reason"].clone()).collect::<Vec<_>>(), ["protected", "unknown-extension"]);
    floor.assert_heard(None)
}

#[test]
fn a_call_that_is_refused_hears_a_tone() -> Result<()> {
    let (mut floor, _folder) = floor("refused-call = \"tone\"\n")?;
    let sound = floor.refused("007300", "403")?;
    assert!(BUSY_HZ.iter().all(|hz| has(&sound, *hz)), "{} samples", sound.len());
    Ok(())
}

#[test]
fn a_mode_that_is_refused_is_told_in_the_session() -> Result<()> {
    let (mut floor, _folder) = floor("refusal = \"announcement\"\n")?;
    floor.dial("007100")?;
    floor.supervisor.established()?;
    floor.assert_heard(Some(Mode::Listen))?;
    let from = floor.supervisor.heard_so_far()?.len();
    floor.supervisor.press("*82")?;
    wait_for("the supervisor to hear why", SOON, || {
        floor.supervisor.heard_so_far().ok().filter(|sound| has(&sound[from..], WHY_HZ))
    })?;
    floor.assert_heard(Some(Mode::Listen))?;
    assert!(!has(&floor.agent.heard_so_far()?, WHY_HZ) && !has(&floor.caller.heard_so_far()?, WHY_HZ));
    Ok(())
}
