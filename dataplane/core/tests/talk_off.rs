//! Speech presses no keys.

use std::process::Command;

use undertone_core::mixer::SampleRate;
use undertone_core::mixer::tones::Detector;

const TEXT: &str = "The birch canoe slid on the smooth planks. Glue the sheet to the dark blue background. It is easy to \
    tell the depth of a well. These days a chicken leg is a rare dish. Rice is often served in round bowls. The juice of \
    lemons makes fine punch. Please hold the line, I am putting you through to sales. One, two, three, four, five, six, \
    seven, eight, nine, zero, star, hash. Who is it that you would like to speak to? Oooh, aaah, eee. Hello, hello, yes?";

/// The text in a voice, at 8 kHz.
fn spoken(voice: &str, pitch: u32, words_a_minute: u32) -> Vec<i16> {
    let (pitch, speed) = (pitch.to_string(), words_a_minute.to_string());
    let output = Command::new("espeak-ng").args(["--stdout", "-v", voice, "-p", &pitch, "-s", &speed, TEXT]).output();
    let wav = output.expect("espeak-ng speaks (Debian package espeak-ng; `cargo xtask setup` installs it)").stdout;
    // A header of 44 octets, and one channel of 22,050 a second.
    let pcm: Vec<i16> = wav[44..].as_chunks::<2>().0.iter().map(|&octets| i16::from_le_bytes(octets)).collect();
    let at = |place: f64| {
        let (before, part) = (place as usize, place.fract());
        let next = f64::from(pcm[(before + 1).min(pcm.len() - 1)]);
        (f64::from(pcm[before]) * (1.0 - part) + next * part) as i16
    };
    (0..pcm.len() * 8_000 / 22_050).map(|sample| at(sample as f64 * 22_050.0 / 8_000.0)).collect()
}

#[test]
fn minutes_of_speech_press_no_key() {
    let mut seconds = 0;
    for voice in ["en", "en+f2", "en+f4", "en+m3", "de", "fr+f3", "it", "pl+f2"] {
        for (pitch, speed) in [(20, 140), (50, 170), (85, 200)] {
            let pcm = spoken(voice, pitch, speed);
            assert!(pcm.iter().any(|sample| sample.abs() > 5_000), "{voice} is heard");
            seconds += pcm.len() / 8_000;
            let mut digits = String::new();
            Detector::new(SampleRate::Hz8000).process(&pcm, |digit| digits.push(digit.key()));
            assert_eq!(digits, "", "{voice}, pitch {pitch}, {speed} words a minute");
        }
    }
    assert!(seconds > 300, "only {seconds} seconds");
    println!("{seconds} seconds of speech");
}
