//! Streams outlive the daemon, and another daemon takes them over.

mod privileged {
    use std::{
        fs,
        net::SocketAddr,
        path::{Path, PathBuf},
        thread,
        time::Duration,
    };

    use aya::programs::{
        links::{FdLink, PinnedLink},
        loaded_programs,
    };
    use object::{Object as _, ObjectSection as _, SectionKind};
    use undertone_tests::{
        Result,
        lab::{Bpffs, Family, Lab, Process, program, wait_for},
        rtp::{Endpoint, Packet, Received, Stream},
    };

    use crate::paths::bed::{SOON, bind, failed};

    /// Long enough for programs to be verified on a busy machine.
    const START: Duration = Duration::from_secs(60);
    /// The audible gap that a dead mixer may leave.
    const GAP_MAX: Duration = Duration::from_millis(250);

    /// A lab with a daemon in its appliance.
    struct Scene {
        lab: Lab,
        bpffs: Bpffs,
        caller: Endpoint,
        agent: Endpoint,
        monitor: Endpoint,
    }

    impl Scene {
        fn new() -> Result<Self> {
            let lab = Lab::three_way()?;
            let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
            let caller = bind(&lab.caller, Family::V4)?;
            let agent = bind(&lab.agent, Family::V4)?;
            let monitor = bind(&lab.monitor, Family::V4)?;
            Ok(Self { lab, bpffs, caller, agent, monitor })
        }

        fn pins(&self) -> PathBuf {
            self.bpffs.path().join("pins")
        }

        fn socket(&self) -> PathBuf {
            self.lab.directory().join("control.sock")
        }

        /// Where the caller sends.
        fn port(&self) -> SocketAddr {
            (self.lab.caller.facing_address(Family::V4), 20_000).into()
        }

        fn configure(&self, divert: bool) -> Result<PathBuf> {
            self.configure_path("native", &format!("copies = [\"{}\"]\ndivert = {divert}", self.monitor.local()))
        }

        /// A configuration in which `caller` says something more of the caller's end.
        fn configure_path(&self, path: &str, caller: &str) -> Result<PathBuf> {
            let [here, there, beside] =
                [&self.lab.caller, &self.lab.agent, &self.lab.monitor].map(|site| site.facing_address(Family::V4));
            let text = format!(
                r#"
                [media]
                addresses = ["{here}", "{there}", "{beside}"]
                ports = "20000-30000"
                interfaces = ["caller", "agent", "monitor"]
                path = "{path}"
                pins = "{pins}"
                [control]
                socket = "{socket}"
                [[relay]]
                [relay.a]
                local = "{here}:20000"
                peer = "{peer}"
                {caller}
                [relay.b]
                local = "{there}:20002"
                peer = "{agent}"
                "#,
                pins = self.pins().display(),
                socket = self.socket().display(),
                peer = self.caller.local(),
                agent = self.agent.local(),
            );
            let file = self.lab.directory().join("undertone.toml");
            fs::write(&file, text).map_err(failed)?;
            Ok(file)
        }

        fn start(&self, config: &Path) -> Result<Process> {
            self.start_program(&program("undertone")?, config)
        }

        fn start_program(&self, program: &Path, config: &Path) -> Result<Process> {
            let mut command = self.lab.appliance.command(program);
            command.arg("run").arg("--config").arg(config);
            let daemon = Process::spawn("undertone", command)?;
            wait_for("the daemon to answer with all its ways known", START, || self.knows_all_ways().then_some(()))?;
            Ok(daemon)
        }

        /// What a command of the tool prints.
        fn ask(&self, arguments: &[&str]) -> Result<String> {
            let output = self
                .lab
                .appliance
                .command(program("undertone")?)
                .arg("--socket")
                .arg(self.socket())
                .args(arguments)
                .output()
                .map_err(failed)?;
            if output.status.success() {
                Ok(String::from_utf8_lossy(&output.stdout).into_owned())
            } else {
                Err(failed(String::from_utf8_lossy(&output.stderr)))
            }
        }

        /// Waits until packets flow to the agent and to the monitor, and forgets them.
        fn wait_for_media(&self) -> Result<()> {
            self.wait_for_media_at(&[&self.agent, &self.monitor])
        }

        fn wait_for_media_at(&self, listeners: &[&Endpoint]) -> Result<()> {
            let probe = Stream::pcmu(1).numbered(1)[0].to_bytes();
            let is_heard = |monitors: &[&Endpoint]| monitors.iter().all(|monitor| !monitor.received().is_empty());
            wait_for("media to flow", SOON, || {
                self.caller.send(&probe, self.port()).ok()?;
                is_heard(listeners).then_some(())
            })?;
            self.agent.wait_for_silence(SOON / 20);
            self.agent.take_received();
            self.monitor.wait_for_silence(SOON / 20);
            self.monitor.take_received();
            Ok(())
        }

        /// Sends a packet each millisecond while `meanwhile` runs. Returns what was sent.
        fn send_while(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<Vec<Vec<u8>>> {
            self.caller.send_while(Duration::from_millis(1), self.port(), meanwhile)
        }

        /// Gives an order, and sees where packets go from then on: to all of `heard`, and to none of `deaf`.
        fn order(&self, order: &[&str], heard: &[&Endpoint], deaf: &[&Endpoint]) -> Result<()> {
            self.ask(order)?;
            wait_for("the ways to be known", SOON, || self.knows_all_ways().then_some(()))?;
            let packets = Stream::pcmu(7).numbered(50);
            let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
            self.caller.send_paced(&packets, Duration::from_millis(1), self.port())?;
            for endpoint in heard {
                let received = endpoint.wait_for_packets(sent.len(), SOON)?;
                assert!(bytes(&received) == sent, "{} after {order:?}", endpoint.local());
                endpoint.take_received();
            }
            for endpoint in deaf {
                assert!(endpoint.received().is_empty(), "{} after {order:?}", endpoint.local());
            }
            Ok(())
        }

        fn status(&self) -> Result<serde_json::Value> {
            serde_json::from_str(&self.ask(&["status", "--json"])?).map_err(failed)
        }

        /// Whether a daemon answers that every next hop is resolved.
        fn knows_all_ways(&self) -> bool {
            let Ok(status) = self.status() else { return false };
            let mut usage = status["capacity"].as_array().into_iter().flatten();
            usage.any(|it| it["what"] == "destinations resolved" && it["used"] == it["max"])
        }

        /// How many packets counted for a reason.
        fn reason(&self, reason: &str) -> Result<u64> {
            let status = self.status()?;
            let mut reasons = status["reasons"].as_array().into_iter().flatten();
            Ok(reasons.find(|it| it["reason"] == reason).and_then(|it| it["packets"].as_u64()).unwrap_or(0))
        }
    }

    #[test]
    fn not_a_packet_is_lost_when_the_daemon_is_killed_and_another_takes_over() -> Result<()> {
        let scene = Scene::new()?;
        let config = scene.configure(false)?;
        let mut daemon = scene.start(&config)?;
        scene.wait_for_media()?;
        let mut second = None;
        let sent = scene.send_while(|| {
            daemon.kill9()?;
            let daemon = scene.start(&config)?;
            second = Some(daemon);
            Ok(())
        })?;
        for (who, endpoint) in [("agent", &scene.agent), ("monitor", &scene.monitor)] {
            let received = endpoint.wait_for_packets(sent.len(), SOON)?;
            assert_eq!(bytes(&received).len(), sent.len(), "{who}");
            assert!(bytes(&received) == sent, "{who}: every packet, in order, as sent");
        }
        // The second daemon can remove what it found.
        let port = scene.port().to_string();
        scene.ask(&["relay", "remove", &port])?;
        scene.agent.take_received();
        scene.caller.send(&sent[0], scene.port())?;
        assert!(scene.agent.wait_for_silence(SOON / 20).is_empty(), "a removed stream ends");
        Ok(())
    }

    #[test]
    fn a_daemon_takes_every_order_for_streams_that_another_began() -> Result<()> {
        let scene = Scene::new()?;
        let Scene { lab, caller, agent, monitor, .. } = &scene;
        let config = scene.configure(false)?;
        scene.start(&config)?.kill9()?;
        let _second = scene.start(&config)?;
        assert_eq!(scene.status()?["adopted"]["streams"], 2);
        scene.wait_for_media()?;

        let (other, elsewhere) = (bind(&lab.agent, Family::V4)?, bind(&lab.agent, Family::V4)?);
        let [port, first, second] = [scene.port(), monitor.local(), other.local()].map(|it| it.to_string());
        scene.order(&["copy", "add", &port, &second], &[agent, monitor, &other], &[])?;
        scene.order(&["copy", "remove", &port, &first], &[agent, &other], &[monitor])?;
        let diverted = scene.reason("diverted")?;
        scene.order(&["divert", "on", &port], &[agent, &other], &[monitor])?;
        let through_mixer = scene.reason("diverted")? - diverted;
        assert_eq!(through_mixer, 50);
        scene.order(&["divert", "off", &port], &[agent, &other], &[monitor])?;
        assert_eq!(scene.reason("diverted")?, diverted + through_mixer, "off again");
        let (from, peer) = (SocketAddr::new(lab.agent.facing_address(Family::V4), 20_002), elsewhere.local());
        let ends = [("--a-local", scene.port()), ("--a-peer", caller.local()), ("--b-local", from), ("--b-peer", peer)];
        let ends = ends.map(|(flag, value)| format!("{flag}={value}"));
        let change = [&["relay", "change"], &ends.each_ref().map(String::as_str)[..]].concat();
        scene.order(&change, &[&elsewhere, &other], &[agent, monitor])
    }

    #[test]
    fn not_a_packet_is_lost_when_another_program_takes_over() -> Result<()> {
        let scene = Scene::new()?;
        let config = scene.configure(false)?;
        let upgrade = other_build(&program("undertone")?, &scene.lab.directory().join("undertone"))?;
        let mut daemon = scene.start(&config)?;
        scene.wait_for_media()?;
        let pin = |interface: &str| scene.pins().join(format!("link-{interface}-xdp-native"));
        let links = || -> Result<Vec<Link>> {
            ["caller", "agent", "monitor"].map(|it| Link::at(&pin(it))).into_iter().collect()
        };
        let before = links()?;
        let mut second = None;
        let sent = scene.send_while(|| {
            assert!(daemon.terminate()?.success());
            second = Some(scene.start_program(&upgrade, &config)?);
            Ok(())
        })?;
        for (before, after) in before.iter().zip(links()?) {
            assert_eq!(after.id, before.id, "the link was never taken off");
            assert_ne!(after.program, before.program, "another program runs");
            assert_ne!(after.tag, before.tag, "of other instructions");
        }
        assert!(scene.pins().join("link-polls").exists(), "the packets of a poll still share a time");
        for (who, endpoint) in [("agent", &scene.agent), ("monitor", &scene.monitor)] {
            let received = endpoint.wait_for_packets(sent.len(), SOON)?;
            assert_eq!(bytes(&received).len(), sent.len(), "{who}");
            assert!(bytes(&received) == sent, "{who}: every packet, in order, as sent");
        }
        Ok(())
    }

    /// What the kernel says of a pinned link.
    #[derive(Debug)]
    struct Link {
        id: u32,
        program: u32,
        /// A sum over the program's instructions.
        tag: u64,
    }

    impl Link {
        fn at(pin: &Path) -> Result<Self> {
            let link = FdLink::from(PinnedLink::from_pin(pin).map_err(failed)?).info().map_err(failed)?;
            let program = loaded_programs().filter_map(std::result::Result::ok).find(|it| it.id() == link.program_id());
            let program = program.ok_or_else(|| failed("the link's program is gone"))?;
            Ok(Self { id: link.id(), program: program.id(), tag: program.tag() })
        }
    }

    /// A copy of the program at `from` whose XDP programs have other instructions that do the same.
    fn other_build(from: &Path, to: &Path) -> Result<PathBuf> {
        let mut bytes = fs::read(from).map_err(failed)?;
        let start = bpf_object(&bytes).ok_or_else(|| failed("the program holds no XDP object"))?;
        let places = {
            let object = object::File::parse(&bytes[start..]).map_err(failed)?;
            let code = object.sections().filter(|section| section.kind() == SectionKind::Text);
            let ranges: Vec<_> = code.filter_map(|section| section.file_range()).collect();
            ranges.into_iter().map(|(at, size)| start + at as usize..start + (at + size) as usize).collect::<Vec<_>>()
        };
        for place in places {
            for instruction in bytes[place].chunks_exact_mut(8) {
                // A small constant into 64 bits of a register: the same as into 32 of them, which clears the others.
                if let [code @ 0xb7, _, 0, 0, .., 0] = instruction {
                    *code = 0xb4;
                }
            }
        }
        fs::write(to, &bytes).map_err(failed)?;
        fs::set_permissions(to, fs::metadata(from).map_err(failed)?.permissions()).map_err(failed)?;
        Ok(to.into())
    }

    /// Where an ELF object for the BPF machine begins.
    fn bpf_object(bytes: &[u8]) -> Option<usize> {
        let is_one = |window: &[u8]| window.starts_with(b"\x7fELF\x02\x01\x01") && window[18..20] == [247, 0];
        bytes.windows(20).position(is_one)
    }

    /// Behind the driver, the kernel cannot copy: a copied stream passes through the daemon, and takes the straight way
    /// when its heart has stopped. Others never leave the kernel.
    #[test]
    fn a_killed_daemon_costs_a_copied_stream_behind_the_driver_a_moment_and_others_nothing() -> Result<()> {
        let scene = Scene::new()?;
        let mut daemon = scene.start(&scene.configure_path("generic", "")?)?;
        scene.wait_for_media_at(&[&scene.agent])?;
        let sent = scene.send_while(|| daemon.kill9().map(drop))?;
        assert!(bytes(&scene.agent.wait_for_packets(sent.len(), SOON)?) == sent, "every packet of a stream alone");
        scene.agent.take_received();

        let copies = format!("copies = [\"{}\"]", scene.monitor.local());
        let mut daemon = scene.start(&scene.configure_path("generic", &copies)?)?;
        scene.wait_for_media()?;
        let sent = scene.send_while(|| {
            thread::sleep(Duration::from_millis(100));
            daemon.kill9()?;
            // Long enough for the stream to come back, and to be heard for a while.
            thread::sleep(2 * GAP_MAX);
            Ok(())
        })?;
        let received = scene.agent.wait_for_silence(SOON / 20);
        let gap = longest_gap(&received);
        assert!(gap < GAP_MAX, "a gap of {gap:?}");
        assert_eq!(received.last().map(|packet| &packet.bytes), sent.last(), "the stream flows to its end");
        Ok(())
    }

    #[test]
    fn a_diverted_stream_is_back_on_the_wire_when_the_daemon_is_killed() -> Result<()> {
        let scene = Scene::new()?;
        let mut daemon = scene.start(&scene.configure(true)?)?;
        scene.wait_for_media()?;
        let sent = scene.send_while(|| {
            thread::sleep(Duration::from_millis(100));
            daemon.kill9()?;
            // Long enough for the stream to come back, and to be heard for a while.
            thread::sleep(2 * GAP_MAX);
            Ok(())
        })?;
        let received = scene.agent.wait_for_silence(SOON / 20);
        let gap = longest_gap(&received);
        assert!(gap < GAP_MAX, "a gap of {gap:?}");
        let last = received.last().map(|packet| packet.bytes.clone());
        assert_eq!(last.as_ref(), sent.last(), "the stream flows to its end");
        // The copy never left the kernel.
        assert_eq!(bytes(&scene.monitor.wait_for_packets(sent.len(), SOON)?).len(), sent.len());
        Ok(())
    }

    fn bytes(received: &[Received]) -> Vec<&[u8]> {
        received.iter().map(|packet| packet.bytes.as_slice()).collect()
    }

    fn longest_gap(received: &[Received]) -> Duration {
        received.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at)).max().unwrap_or(Duration::MAX)
    }
}
