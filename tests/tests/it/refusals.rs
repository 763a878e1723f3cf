//! What cannot be is refused in words that name the cause and the way out, and harms nothing that runs.

mod privileged {
    use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

    use aya::maps::{Array, Map, MapData};
    use undertone_abi::limits::SHAPES_MAX;
    use undertone_dataplane::kernel::{Kernel, Sizes};
    use undertone_tests::{
        Result,
        lab::{Bpffs, Family, Lab, Process, program, wait_for},
        rtp::{Endpoint, Packet, Stream},
    };

    use crate::{
        daemon::program::Said,
        paths::bed::{bind, failed},
    };

    const SOON: Duration = Duration::from_secs(60);

    /// A configuration for the lab's appliance, with some lines of `[media]` of the test's own.
    fn configuration(lab: &Lab, media: &str) -> Result<std::path::PathBuf> {
        named_configuration(lab, "undertone", media, "")
    }

    /// Another one, whose daemon has a control socket of its own.
    fn named_configuration(lab: &Lab, name: &str, media: &str, relays: &str) -> Result<std::path::PathBuf> {
        let address = lab.caller.facing_address(Family::V4);
        let text = format!(
            "[media]\naddresses = [\"{address}\"]\nports = \"20000-30000\"\n{media}\n[control]\nsocket = \"{}\"\n{relays}",
            socket(lab, name).display()
        );
        let path = lab.directory().join(name).with_extension("toml");
        fs::write(&path, text).map_err(failed)?;
        Ok(path)
    }

    fn socket(lab: &Lab, name: &str) -> std::path::PathBuf {
        lab.directory().join(name).with_extension("sock")
    }

    /// What `undertone status` says of the daemon with this name.
    fn status(lab: &Lab, name: &str) -> Result<serde_json::Value> {
        let mut command = lab.appliance.command(program("undertone")?);
        let said = Said::of(command.arg("--socket").arg(socket(lab, name)).args(["status", "--json"]))?.done()?;
        serde_json::from_str(&said).map_err(failed)
    }

    /// Starts a daemon, as a command that has to be told its configuration.
    fn start(mut command: Command, config: &Path) -> Result<Process> {
        command.arg("run").arg("--config").arg(config);
        let mut daemon = Process::spawn("undertone", command)?;
        daemon.wait_for_line(" ready", SOON)?;
        Ok(daemon)
    }

    fn run(lab: &Lab, config: &Path) -> Result<Process> {
        start(lab.appliance.command(program("undertone")?), config)
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
        let table: [(String, &[&str]); 4] = [
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
        }
        Ok(())
    }

    #[test]
    fn sockets_do_not_start_beside_programs_that_take_their_packets() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        let media = |path: &str| format!("interfaces = [\"caller\"]\npath = \"{path}\"\npins = \"{}\"", pins.display());
        run(&lab, &configuration(&lab, &media("native"))?)?.kill9()?;
        let before = entries(&pins)?;
        let said = refusal(&lab, &configuration(&lab, &media("io-uring"))?)?;
        assert_says(&said, &["go on taking the packets", "undertone unload"]);
        assert_eq!(entries(&pins)?, before, "nothing was touched");
        Ok(())
    }

    #[test]
    fn an_interface_that_is_no_longer_configured_loses_its_program() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        let start = |interfaces: &str| {
            let media = format!("interfaces = {interfaces}\npath = \"native\"\npins = \"{}\"", pins.display());
            run(&lab, &configuration(&lab, &media)?)
        };
        let is_attached = |name: &str| pins.join(format!("link-{name}-xdp-native")).exists();
        start("[\"caller\", \"agent\"]")?.kill9()?;
        assert!(is_attached("caller") && is_attached("agent"));
        let _daemon = start("[\"caller\"]")?;
        assert!(is_attached("caller") && !is_attached("agent"));
        Ok(())
    }

    #[test]
    fn unload_leaves_alone_what_no_daemon_has_pinned() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let folder = bpffs.path().join("somebodys");
        fs::create_dir(&folder).map_err(failed)?;
        let map = Array::<MapData, u64>::create(1, 0).map_err(failed)?;
        map.pin(folder.join("precious")).map_err(failed)?;
        let mut unload = lab.appliance.command(program("undertone")?);
        let output = unload.args(["unload", "--yes", "--pins"]).arg(&folder).output().map_err(failed)?;
        assert!(!output.status.success());
        assert_says(&String::from_utf8_lossy(&output.stderr), &["holds what is not ours"]);
        assert!(folder.join("precious").exists());
        Ok(())
    }

    #[test]
    fn packets_under_way_can_be_waited_for_without_a_memory_barrier() {
        // What `settle` does on kernels that refuse the barrier: the one shape more than there can be.
        let mut kernel = Kernel::load(Sizes::default(), None).expect("programs that load");
        kernel.set_shape(SHAPES_MAX as u16, &[]).expect("a map of maps that can be changed");
        kernel.settle().expect("a kernel that can wait");
    }

    #[test]
    fn tables_of_another_version_are_left_alone() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        let media = format!("interfaces = [\"caller\"]\npath = \"native\"\npins = \"{}\"", pins.display());
        let config = configuration(&lab, &media)?;
        let mut command = lab.appliance.command(program("undertone")?);
        command.arg("run").arg("--config").arg(&config);
        let mut daemon = Process::spawn("undertone", command)?;
        wait_for("the program to be attached", SOON, || pins.join("link-caller-xdp-native").exists().then_some(()))?;
        daemon.kill9()?;
        set_version(&pins.join("META"), 77)?;
        let before = entries(&pins)?;
        let ours = undertone_abi::ABI_VERSION.to_string();
        assert_says(&refusal(&lab, &config)?, &["ABI version 77", &ours, "undertone unload"]);
        assert_eq!(entries(&pins)?, before, "nothing was touched");
        Ok(())
    }

    /// A call that a daemon relays by its configuration.
    struct Call {
        caller: Endpoint,
        agent: Endpoint,
        at: SocketAddr,
    }

    impl Call {
        fn new(lab: &Lab) -> Result<Self> {
            let at = (lab.caller.facing_address(Family::V4), 20_000).into();
            Ok(Self { caller: bind(&lab.caller, Family::V4)?, agent: bind(&lab.agent, Family::V4)?, at })
        }

        fn relay(&self) -> String {
            self.relay_with("")
        }

        /// With something more about what the caller sends.
        fn relay_with(&self, caller_too: &str) -> String {
            let Self { caller, agent, at } = self;
            let (caller, agent, ip) = (caller.local(), agent.local(), at.ip());
            format!(
                "[[relay]]\na = {{ local = \"{at}\", peer = \"{caller}\"{caller_too} }}\nb = {{ local = \"{ip}:20002\", peer = \"{agent}\" }}\n"
            )
        }

        /// Waits until a packet arrives, then sees that each of some does.
        fn crosses(&self) -> Result<()> {
            let packets: Vec<_> = Stream::pcmu(7).numbered(50).iter().map(Packet::to_bytes).collect();
            wait_for("media to flow", SOON, || {
                self.caller.send(&packets[0], self.at).ok()?;
                (!self.agent.take_received().is_empty()).then_some(())
            })?;
            self.agent.wait_for_silence(Duration::from_millis(200));
            self.agent.take_received();
            for packet in &packets {
                self.caller.send(packet, self.at)?;
            }
            let received = self.agent.wait_for_packets(packets.len(), SOON)?;
            assert!(received.iter().map(|packet| &packet.bytes).eq(&packets), "every packet, in order, as sent");
            Ok(())
        }
    }

    #[test]
    fn a_second_daemon_with_the_same_pin_folder_is_refused_and_the_first_unharmed() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        let call = Call::new(&lab)?;
        for path in ["native", "fastest"] {
            let media =
                format!("interfaces = [\"caller\", \"agent\"]\npath = \"{path}\"\npins = \"{}\"", pins.display());
            let config = named_configuration(&lab, "first", &media, &call.relay())?;
            let mut first = run(&lab, &config)?;
            call.crosses()?;
            let before = entries(&pins)?;
            // Its control socket and its mixer are its own; the folder is not.
            let mixer = format!("{media}\n[media.mixer]\ninterface = \"other\"\naddress = \"169.254.65.1\"");
            let said = refusal(&lab, &named_configuration(&lab, "second", &mixer, "")?)?;
            let holder = format!("another daemon (process {}) has the pin folder `{}`", first.pid(), pins.display());
            assert_says(&said, &["error: ", &holder, "stop it first"]);
            assert_eq!(entries(&pins)?, before);
            call.crosses()?;

            // The kernel takes the folder back however a daemon ends.
            first.signal(nix::sys::signal::Signal::SIGKILL)?;
            let mut next = run(&lab, &config)?;
            call.crosses()?;
            assert_eq!(status(&lab, "first")?["adopted"]["streams"], 2);
            assert!(next.terminate()?.success());
        }
        Ok(())
    }

    /// The stream goes through the mixer, so that it is lost when its daemon's link, ports or tables are touched.
    #[test]
    fn a_running_call_loses_no_packet_to_daemons_that_are_refused() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let call = Call::new(&lab)?;
        let media = |interface: &str, pins: &str| {
            let pins = bpffs.path().join(pins);
            format!("interfaces = [\"{interface}\", \"agent\"]\npath = \"native\"\npins = \"{}\"", pins.display())
        };
        let relay = call.relay_with(", divert = true");
        let _first = run(&lab, &named_configuration(&lab, "first", &media("caller", "pins"), &relay)?)?;
        call.crosses()?;
        let mixer = "\n[media.mixer]\ninterface = \"other\"\naddress = \"169.254.65.1\"";
        let refused: [(&str, String, &[&str]); 6] = [
            ("wrong", media("caller", "pins") + "\nprots = 7", &["`media.prots`"]),
            ("first", media("caller", "pins"), &["another daemon"]),
            ("second", media("caller", "pins"), &["another daemon", "has the pin folder"]),
            ("unknown", media("nowhere", "others"), &["no interface `nowhere`"]),
            ("beside", media("caller", "others"), &["`utmix` runs an XDP program of somebody else's"]),
            ("apart", media("caller", "others") + mixer, &["`caller` runs an XDP program of somebody else's"]),
        ];
        let mut sent = call.caller.send_while(Duration::from_millis(2), call.at, || {
            refused.iter().try_for_each(|(name, media, parts)| {
                let file = named_configuration(&lab, name, media, &relay)?;
                assert_says(&refusal(&lab, &file)?, parts);
                Ok(())
            })
        })?;
        let arrived = call.agent.wait_for_packets(50 + sent.len(), SOON)?;
        let mut arrived: Vec<_> = arrived.into_iter().skip(50).map(|packet| packet.bytes).collect();
        // A beat of the mixer's heart that comes late on a busy machine lets a packet overtake.
        arrived.sort_unstable();
        sent.sort_unstable();
        assert!(arrived == sent, "{} packets of {}", arrived.len(), sent.len());
        let status = status(&lab, "first")?;
        assert!(status["problems"].as_array().is_some_and(Vec::is_empty));
        let mut reasons = status["reasons"].as_array().into_iter().flatten();
        let diverted = reasons.find(|it| it["reason"] == "diverted").and_then(|it| it["packets"].as_u64());
        assert!(2 * diverted.unwrap_or(0) > sent.len() as u64, "{diverted:?} of {} by the mixer", sent.len());
        Ok(())
    }

    #[test]
    fn the_fastest_path_is_given_up_only_for_want_of_privilege_or_support() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let call = Call::new(&lab)?;
        let media = |pins: &Path| format!("interfaces = [\"caller\", \"agent\"]\npins = \"{}\"", pins.display());
        let privileged = || Ok(lab.appliance.command(program("undertone")?));
        let unprivileged = || {
            let mut command = lab.appliance.command("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]);
            command.arg(program("undertone")?);
            Ok(command)
        };
        let commands: [(&dyn Fn() -> Result<Command>, _, &str); 2] = [
            (&privileged, lab.directory().join("no-bpffs"), "is not on a BPF file system; mount one"),
            (&unprivileged, bpffs.path().join("pins"), "not allowed to"),
        ];
        for (command, pins, reason) in commands {
            let config = named_configuration(&lab, "undertone", &media(&pins), &call.relay())?;
            let mut daemon = start(command()?, &config)?;
            call.crosses()?;
            let path = status(&lab, "undertone")?["interfaces"][0].clone();
            assert_eq!(path["path"], "io-uring");
            assert!(path["reason"].as_str().is_some_and(|it| it.contains(reason)), "{path}");
            let log = daemon.lines();
            assert!(log.iter().any(|line| line.contains("WARN") && line.contains("no XDP here")), "{log:?}");
            assert!(log.iter().any(|line| line.contains(reason)), "{log:?}");
            assert!(daemon.terminate()?.success());
            assert!(!pins.exists(), "nothing is left of the attempt");
        }
        Ok(())
    }

    #[test]
    fn an_interface_that_takes_no_native_xdp_is_served_behind_its_driver_and_says_why() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        // A veth takes XDP only for frames that fit a page.
        for end in [lab.caller.facing(), lab.caller.interface()] {
            end.namespace().ip(&format!("link set {} mtu 9000", end.name()))?;
        }
        let call = Call::new(&lab)?;
        let pins = bpffs.path().join("pins");
        let media = format!("interfaces = [\"caller\", \"agent\"]\npins = \"{}\"", pins.display());
        let mut daemon = run(&lab, &named_configuration(&lab, "undertone", &media, &call.relay())?)?;
        call.crosses()?;
        let interfaces = status(&lab, "undertone")?["interfaces"].clone();
        let path = |index: usize| {
            ["interface", "path", "reason"].map(|key| interfaces[index][key].as_str().unwrap_or_default().to_owned())
        };
        let [interface, key, why] = path(0);
        assert_eq!((interface.as_str(), key.as_str()), ("caller", "xdp-generic"));
        assert_says(&why, &["xdp-native: ", "Numerical result out of range"]);
        assert_eq!(path(1), ["agent", "xdp-native", "the driver takes it"]);
        let mut shown = lab.appliance.command(program("undertone")?);
        let shown = Said::of(shown.arg("--socket").arg(socket(&lab, "undertone")).arg("status"))?.done()?;
        let line = shown.lines().find(|line| line.trim_start().starts_with("caller ")).unwrap_or_default();
        assert_says(line, &["xdp-generic", &why]);
        assert!(daemon.lines().iter().any(|line| line.contains("xdp-generic") && line.contains(&why)), "the log");
        assert!(daemon.terminate()?.success());
        Ok(())
    }

    #[test]
    fn a_mistake_is_no_reason_for_a_slower_path() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        let line = |interface: &str| format!("interfaces = [\"{interface}\"]\npins = \"{}\"", pins.display());
        assert_says(&refusal(&lab, &configuration(&lab, &line("nowhere"))?)?, &["no interface `nowhere`", "ip link"]);

        let mut daemon = run(&lab, &configuration(&lab, &format!("{}\ngroups = 8", line("caller")))?)?;
        // Its tables are too small for another, and its programs run where that wants to.
        daemon.kill9()?;
        let before = entries(&pins)?;
        let more = configuration(&lab, &format!("{}\ngroups = 800", line("caller")))?;
        assert_says(&refusal(&lab, &more)?, &["room for 8 copied streams", "800 are wanted", "undertone unload"]);
        let other = bpffs.path().join("other");
        let media = format!(
            "interfaces = [\"caller\"]\npins = \"{}\"\n[media.mixer]\ninterface = \"other\"\naddress = \"169.254.65.1\"",
            other.display()
        );
        let said = refusal(&lab, &configuration(&lab, &media)?)?;
        assert_says(&said, &["`caller` runs an XDP program of somebody else's", "ip link show dev caller"]);
        assert!(!other.exists(), "nothing is left of the attempt");
        assert_eq!(entries(&pins)?, before);

        set_version(&pins.join("META"), 77)?;
        let said = refusal(&lab, &configuration(&lab, &line("caller"))?)?;
        assert_says(&said, &["ABI version 77", "undertone unload"]);
        assert_eq!(entries(&pins)?, before, "nothing was touched");
        Ok(())
    }

    #[test]
    fn without_privilege_the_paths_of_xdp_are_refused() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        for path in ["native", "generic"] {
            let media = format!("interfaces = [\"caller\"]\npath = \"{path}\"\npins = \"{}\"", pins.display());
            let mut command = lab.appliance.command("setpriv");
            command.args(["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]).arg(program("undertone")?);
            let said = Said::of(command.arg("run").arg("--config").arg(configuration(&lab, &media)?))?;
            assert_eq!(said.exit, Some(1));
            assert_says(&said.err, &["error: not allowed to", "run as root, or with CAP_BPF"]);
        }
        Ok(())
    }

    #[test]
    fn what_is_half_configured_is_told_by_check_and_run_and_nothing_is_touched() -> Result<()> {
        let lab = Lab::three_way()?;
        let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
        let pins = bpffs.path().join("pins");
        lab.appliance.ip("link add bare type veth peer name barex")?;
        lab.appliance.ip("link set barex up")?;
        let knob = "net.ipv6.conf.bare.disable_ipv6=1";
        lab.appliance.tool("sysctl", &format!("-q {knob}"))?;
        let config = |interface: &str| {
            configuration(&lab, &format!("interfaces = [\"{interface}\"]\npins = \"{}\"", pins.display()))
        };
        let expect = |config: &Path, parts: &[&str]| -> Result<()> {
            assert_says(&refusal(&lab, config)?, parts);
            let mut check = lab.appliance.command(program("undertone")?);
            assert_says(&Said::of(check.arg("check").arg("--config").arg(config))?.failed(1)?, parts);
            assert!(!pins.exists());
            Ok(())
        };
        expect(&config("nowhere")?, &["there is no interface `nowhere` here\ntry: "])?;
        expect(&config("bare")?, &["interface `bare` is down\ntry: ", "ip link set bare up"])?;
        lab.appliance.ip("link set bare up")?;
        expect(&config("bare")?, &["interface `bare` has no IP address", "ip address add"])?;
        lab.appliance.ip("link add bridge0 type bridge")?;
        lab.appliance.ip("link set bare master bridge0")?;
        let mut check = lab.appliance.command(program("undertone")?);
        Said::of(check.arg("check").arg("--config").arg(config("bare")?))?.done()?;

        let address = lab.caller.facing_address(Family::V4).to_string();
        let text = fs::read_to_string(config("caller")?).map_err(failed)?.replace(&address, "192.0.2.1");
        let path = lab.directory().join("undertone.toml");
        fs::write(&path, text).map_err(failed)?;
        expect(&path, &["media address 192.0.2.1 is on no interface\ntry: ", "ip_nonlocal_bind"])?;
        lab.appliance.tool("sysctl", "-q net.ipv4.ip_nonlocal_bind=1")?;
        let mut check = lab.appliance.command(program("undertone")?);
        Said::of(check.arg("check").arg("--config").arg(&path))?.done().map(drop)
    }

    #[test]
    fn an_address_that_the_kernel_still_asks_about_is_here() -> Result<()> {
        let lab = Lab::three_way()?;
        // The kernel asks for the address for a minute before anybody may bind it.
        lab.appliance.tool("sysctl", "-q net.ipv6.conf.caller.dad_transmits=60 net.ipv6.conf.caller.accept_dad=1")?;
        lab.appliance.ip("address add fd00:99::1/64 dev caller")?;
        assert!(lab.appliance.ip("address show dev caller tentative")?.contains("fd00:99::1"));
        let address = lab.caller.facing_address(Family::V4).to_string();
        let config = configuration(&lab, "interfaces = [\"caller\"]\npins = \"none\"")?;
        let text = fs::read_to_string(&config).map_err(failed)?.replace(&address, "fd00:99::1");
        fs::write(&config, text).map_err(failed)?;
        let mut check = lab.appliance.command(program("undertone")?);
        Said::of(check.arg("check").arg("--config").arg(&config))?.done().map(drop)
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
