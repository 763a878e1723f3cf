//! What cannot be is refused in words that name the cause and the way out, and harms nothing that runs.

mod privileged {
    use std::{fs, path::Path, time::Duration};

    use aya::maps::{Array, Map, MapData};
    use undertone_tests::{
        Result,
        lab::{Bpffs, Family, Lab, Process, program},
    };

    use crate::paths::bed::failed;

    const SOON: Duration = Duration::from_secs(60);

    /// A configuration for the lab's appliance, with some lines of `[media]` of the test's own.
    fn configuration(lab: &Lab, media: &str) -> Result<std::path::PathBuf> {
        let address = lab.caller.facing_address(Family::V4);
        let text = format!(
            "[media]\naddresses = [\"{address}\"]\nports = \"20000-30000\"\n{media}\n[control]\nsocket = \"{}\"\n",
            lab.directory().join("control.sock").display()
        );
        let path = lab.directory().join("undertone.toml");
        fs::write(&path, text).map_err(failed)?;
        Ok(path)
    }

    /// Runs the daemon until it gives up. Returns what it said.
    fn refusal(lab: &Lab, config: &Path) -> Result<String> {
        let output = lab
            .appliance
            .command("timeout")
            .arg("60")
            .arg(program("undertone")?)
            .arg("run")
            .arg("--config")
            .arg(config)
            .output()
            .map_err(failed)?;
        assert!(!output.status.success(), "it should not have run");
        assert_ne!(output.status.code(), Some(124), "it ran");
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    fn assert_says(said: &str, parts: &[&str]) {
        for part in parts {
            assert!(said.contains(part), "{said:?} does not say {part:?}");
        }
    }

    #[test]
    fn what_cannot_be_opened_says_why_and_what_to_do() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        lab.appliance.ip("link set agent down")?;
        let table: [(String, &[&str]); 6] = [
            (
                format!("interfaces = [\"nowhere\"]\npath = \"fastest\"\npins = \"{}\"", pins.display()),
                &["no interface `nowhere`", "ip link"],
            ),
            (
                format!("interfaces = [\"caller\", \"agent\"]\npins = \"{}\"", pins.display()),
                &["`agent` is down", "ip link set agent up"],
            ),
            (
                format!("interfaces = [\"nowhere\"]\npath = \"native\"\npins = \"{}\"", pins.display()),
                &["no interface `nowhere`", "ip link"],
            ),
            (
                format!("interfaces = [\"lo\"]\npath = \"native\"\npins = \"{}\"", pins.display()),
                &["`lo` does not take xdp-native", "choose another path"],
            ),
            (
                format!("interfaces = [\"caller\"]\npath = \"native\"\npins = \"{}/pins\"", lab.directory().display()),
                &["not on a BPF file system", "mount -t bpf"],
            ),
            ("path = \"native\"\npins = \"none\"".into(), &["interfaces"]),
        ];
        for (media, parts) in table {
            assert_says(&refusal(&lab, &configuration(&lab, &media)?)?, parts);
            assert!(!pins.exists(), "half of it was left pinned");
        }
        Ok(())
    }

    #[test]
    fn a_second_daemon_does_not_touch_what_the_first_has_pinned() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        let media = format!("interfaces = [\"caller\"]\npath = \"native\"\npins = \"{}\"", pins.display());
        let mut first = daemon(&lab, &configuration(&lab, &media)?, &pins)?;
        let before = entries(&pins)?;
        let config = configuration(&lab, &media)?;
        let elsewhere = fs::read_to_string(&config).map_err(failed)?.replace("control.sock", "another.sock");
        fs::write(&config, elsewhere).map_err(failed)?;
        let holder = first.pid().to_string();
        assert_says(&refusal(&lab, &config)?, &["has the pin folder", &holder, "stop it first"]);
        assert_eq!(entries(&pins)?, before, "nothing was touched");
        assert!(first.exit_status()?.is_none(), "the first daemon runs on");
        first.kill9()?;
        daemon(&lab, &config, &pins)?;
        Ok(())
    }

    /// Starts a daemon, and waits until it is there for good.
    fn daemon(lab: &Lab, config: &Path, pins: &Path) -> Result<Process> {
        let mut command = lab.appliance.command(program("undertone")?);
        command.arg("run").arg("--config").arg(config);
        let mut daemon = Process::spawn("undertone", command)?;
        daemon.wait_for_line("ready", SOON)?;
        assert!(pins.join("link-caller-xdp-native").exists(), "the program is attached");
        Ok(daemon)
    }

    #[test]
    fn tables_of_another_version_are_left_alone() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        let media = format!("interfaces = [\"caller\"]\npath = \"native\"\npins = \"{}\"", pins.display());
        let config = configuration(&lab, &media)?;
        daemon(&lab, &config, &pins)?.kill9()?;
        set_version(&pins.join("META"), 77)?;
        let before = entries(&pins)?;
        let ours = undertone_abi::ABI_VERSION.to_string();
        assert_says(&refusal(&lab, &config)?, &["ABI version 77", &ours, "undertone unload"]);
        assert_eq!(entries(&pins)?, before, "nothing was touched");
        Ok(())
    }

    fn set_version(meta: &Path, version: u64) -> Result<()> {
        let data = MapData::from_pin(meta).map_err(failed)?;
        let mut map: Array<MapData, u64> = Map::from_map_data(data).and_then(Array::try_from).map_err(failed)?;
        map.set(0, version, 0).map_err(failed)
    }

    fn entries(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
        let mut names: Vec<_> =
            fs::read_dir(folder).map_err(failed)?.filter_map(|entry| Some(entry.ok()?.file_name())).collect();
        names.sort();
        Ok(names)
    }
}
