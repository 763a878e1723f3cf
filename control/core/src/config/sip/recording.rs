//! `[recording]`.

use toml::de::DeValue;

use super::monitoring::{Known, words};
use crate::{
    config::{
        Media,
        section::Section,
        values::{self as plain, Wrong},
    },
    directory::Directory,
    recording::{AT_ONCE_DEFAULT, Copies, Files, PATTERN_DEFAULT, PORTS_EACH, Pattern, PatternError, Settings},
    trunk::Route,
};

const AT_ONCE_MAX: u32 = 10_000;
/// A century: who wants more wants an archive.
const KEEP_DAYS_MAX: u32 = 36_525;

/// Reads it all. Without the section nothing is recorded, also where a route says so, which is complained of.
pub(super) fn read(
    root: &Section<'_>,
    directory: &Directory,
    media: Option<&Media>,
    routes: &[Route],
) -> Option<Settings> {
    let Some(section) = root.section("recording") else {
        if routes.iter().any(|route| route.record) && !root.has("recording") {
            let wrong = "a [[route]] has its calls recorded, and nothing says where";
            let way_out =
                "write [recording] with [recording.files] or [recording.copies] below, or remove its `record`";
            root.complain(&root.place_of("route"), wrong, way_out);
        }
        return None;
    };
    let known = Known::new(directory);
    let everyone = section.or_default("everyone", plain::boolean, false);
    let (always, never) = (words(&section, "always", &known), words(&section, "never", &known));
    let at_once = section.or_default("at-once", plain::integer(1..=AT_ONCE_MAX), AT_ONCE_DEFAULT);
    let before = section.complaints();
    let files = section.section("files").map(|section| read_files(&section));
    let copies = section.section("copies").map(|section| read_copies(&section, media, at_once));
    section.finish();
    if files.is_none() && copies.is_none() && section.complaints() == before {
        let wrong = "nothing says where recordings go";
        let way_out =
            r#"write [recording.files] with directory = "/var/lib/undertone/recordings" below, or [recording.copies]"#;
        section.complain(section.place(), wrong, way_out);
    }
    Some(Settings {
        everyone: everyone?,
        always,
        never,
        at_once_max: at_once? as usize,
        // What cannot be read is complained of.
        files: files.flatten(),
        copies: copies.flatten(),
    })
}

fn read_files(section: &Section<'_>) -> Option<Files> {
    let directory = section.required("directory", r#"directory = "/var/lib/undertone/recordings""#, plain::folder);
    let name = section.or_default("name", pattern, Pattern::default());
    let before = section.complaints();
    let keep_days = section.optional("keep-days", plain::integer(1..=KEEP_DAYS_MAX)).map(|days| days.value);
    let group_readable = section.or_default("group-readable", plain::boolean, false);
    let is_whole = section.complaints() == before;
    section.finish();
    is_whole.then_some(Files { directory: directory?.value, name: name?, keep_days, group_readable: group_readable? })
}

fn read_copies(section: &Section<'_>, media: Option<&Media>, at_once: Option<u32>) -> Option<Copies> {
    let address = section.required("address", r#"address = "192.0.2.50""#, plain::host_address);
    let ports = section.required("ports", r#"ports = "30000-39999""#, plain::port_range);
    section.finish();
    let (address, ports) = (address?, ports?);
    if media.is_some_and(|media| media.addresses.contains(&address.value)) {
        let wrong = "this is a media address of ours, where nobody records";
        section.complain(&address.place, wrong, "write the address that the recorder listens at");
        return None;
    }
    let room = ports.value.count() / PORTS_EACH;
    if at_once.is_some_and(|at_once| room < at_once as usize) {
        let wrong =
            format!("these are enough for {room} recordings, of {PORTS_EACH} ports each, and fewer than `at-once`");
        section.complain(&ports.place, wrong, format!("write more, or at-once = {room}"));
        return None;
    }
    Some(Copies { address: address.value, ports: ports.value })
}

/// The name of a file.
fn pattern(value: &DeValue<'_>) -> Result<Pattern, Wrong> {
    let parsed = value.as_str().map_or(Err(PatternError::Characters), str::parse);
    parsed.map_err(|error| Wrong::new(error.to_string(), format!("write it like \"{PATTERN_DEFAULT}\"")))
}

#[cfg(test)]
mod tests {
    use crate::{Config, recording::Settings};

    const EXAMPLE: &str = include_str!("../../../../undertone.example.toml");
    const BEFORE: &str = "[media]\naddresses = [\"10.0.0.1\"]\nports = \"20000-20099\"\npath = \"io-uring\"\n[sip]\n\
                          listen = [\"udp:10.0.0.1:5060\"]\n[[user]]\nname = \"bob\"\nextensions = [\"100\"]\n";

    fn settings(text: &str) -> Result<Option<Settings>, String> {
        let config = Config::parse(&format!("{BEFORE}{text}")).map_err(|error| error.to_string())?;
        Ok(config.sip.expect("a section").recording)
    }

    #[test]
    fn left_out_nothing_is_recorded() {
        assert_eq!(settings(""), Ok(None));
        let example = Config::parse(EXAMPLE).expect("the example").sip.expect("a section").recording.expect("one");
        assert!(example.files.is_some() && example.copies.is_some());
        let shortest = settings("[recording.files]\ndirectory = \"/srv/calls\"").expect("right").expect("one");
        assert!(!shortest.everyone && shortest.always.is_empty() && shortest.files.expect("files").keep_days.is_none());
    }

    #[test]
    fn wrong_values_are_told_with_line_and_key() {
        for (text, expected) in [
            (
                "[recording]",
                "line 10, `recording`: nothing says where recordings go; write [recording.files] with directory = \"/var/lib/undertone/recordings\" below, or [recording.copies]",
            ),
            (
                "[recording.files]\ndirectory = \"calls\"",
                "line 11, `recording.files.directory`: expected a folder, from / on, found \"calls\"; write it like \"/var/lib/undertone/recordings\"",
            ),
            (
                "[recording.files]\ndirectory = \"/srv\"\nname = \"../{call}\"",
                "line 12, `recording.files.name`: expected a path within the folder, without empty parts and parts that begin with a dot, found \"../{call}\"; write it like \"{date}/{time}-{caller}-{agent}-{call}\"",
            ),
            (
                "[recording.copies]\naddress = \"10.0.0.1\"\nports = \"30000-39999\"",
                "line 11, `recording.copies.address`: this is a media address of ours, where nobody records; write the address that the recorder listens at",
            ),
            (
                "[recording]\nat-once = 100\n[recording.copies]\naddress = \"10.0.0.9\"\nports = \"30000-30099\"",
                "line 14, `recording.copies.ports`: these are enough for 25 recordings, of 4 ports each, and fewer than `at-once`; write more, or at-once = 25",
            ),
        ] {
            assert_eq!(settings(text), Err(expected.into()), "{text}");
        }
        let unknown = settings("[recording]\nalways = [\"bop\"]\n[recording.files]\ndirectory = \"/srv\"").unwrap_err();
        assert!(unknown.contains("did you mean \"bob\"?"), "{unknown}");
    }
}
