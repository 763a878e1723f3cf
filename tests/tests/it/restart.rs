//! Streams outlive the daemon, and another daemon takes them over.

mod privileged {
    use std::{
        fs,
        os::unix::fs::PermissionsExt as _,
        path::{Path, PathBuf},
        sync::atomic::{AtomicBool, Ordering},
        thread,
        time::{Duration, Instant},
    };

    use aya::programs::{
        links::{FdLink, PinnedLink},
        loaded_programs,
    };
    use undertone_abi::limits::HEARTBEAT_STALE_MS;
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
        caller: Endpoint,
        agent: Endpoint,
        monitor: Endpoint,
        bpffs: Bpffs,
        lab: Lab,
    }

    impl Scene {
        fn new() -> Result<Self> {
            let lab = Lab::three_way()?;
            let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
            let caller = bind(&lab.caller, Family::V4)?;
            let agent = bind(&lab.agent, Family::V4)?;
            let monitor = bind(&lab.monitor, Family::V4)?;
            Ok(Self { caller, agent, monitor, bpffs, lab })
        }

        fn pins(&self) -> PathBuf {
            self.bpffs.path().join("pins")
        }

        fn socket(&self) -> PathBuf {
            self.lab.directory().join("control.sock")
        }

        /// Where the caller sends.
        fn port(&self) -> std::net::SocketAddr {
            (self.lab.caller.facing_address(Family::V4), 20_000).into()
        }

        fn configure(&self, divert: bool) -> Result<PathBuf> {
            let [here, there, beside] =
                [&self.lab.caller, &self.lab.agent, &self.lab.monitor].map(|site| site.facing_address(Family::V4));
            let text = format!(
                r#"
                [media]
                addresses = ["{here}", "{there}", "{beside}"]
                ports = "20000-30000"
                interfaces = ["caller", "agent", "monitor"]
                path = "native"
                pins = "{pins}"
                [control]
                socket = "{socket}"
                [[relay]]
                [relay.a]
                local = "{here}:20000"
                peer = "{caller}"
                copies = ["{monitor}"]
                divert = {divert}
                [relay.b]
                local = "{there}:20002"
                peer = "{agent}"
                "#,
                pins = self.pins().display(),
                socket = self.socket().display(),
                caller = self.caller.local(),
                agent = self.agent.local(),
                monitor = self.monitor.local(),
            );
            let path = self.lab.directory().join("undertone.toml");
            fs::write(&path, text).map_err(failed)?;
            Ok(path)
        }

        fn start(&self, config: &Path) -> Result<Process> {
            self.start_program(&program("undertone")?, config)
        }

        fn start_program(&self, program: &Path, config: &Path) -> Result<Process> {
            let mut command = self.lab.appliance.command(program);
            command.arg("run").arg("--config").arg(config);
            let daemon = Process::spawn("undertone", command)?;
            wait_for("the daemon to answer with all its ways known", START, || {
                let status = self.ask(&["status", "--json"]).ok()?;
                status.contains("\"streams\"").then_some(())
            })?;
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

        /// A daemon of another build: the time after which a mixer counts as dead is another in its programs.
        fn another_build(&self) -> Result<PathBuf> {
            let mut bytes = fs::read(program("undertone")?).map_err(failed)?;
            let object = bytes.windows(20).position(is_bpf_object).ok_or_else(|| failed("no programs in it"))?;
            let stale = [ns(HEARTBEAT_STALE_MS), ns(HEARTBEAT_STALE_MS - 1)];
            let mut changed = 0;
            for instruction in bytes[object..].as_chunks_mut::<8>().0.iter_mut().take(OBJECT_INSTRUCTIONS_MAX) {
                if instruction[0] == JUMP_IF_SIGNED_LESS && instruction[4..] == stale[0] {
                    instruction[4..].copy_from_slice(&stale[1]);
                    changed += 1;
                }
            }
            assert!(changed > 0, "the programs compare a time with the mixer's");
            let path = self.lab.directory().join("undertone-of-another-build");
            fs::write(&path, bytes).map_err(failed)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(failed)?;
            Ok(path)
        }

        /// The link to the caller's interface, and the program behind it: the link's number and the program's tag.
        fn attached(&self) -> Result<(u32, u64)> {
            let pin = self.pins().join("link-caller-xdp-native");
            let link: FdLink = PinnedLink::from_pin(pin).map_err(failed)?.into();
            let link = link.info().map_err(failed)?;
            let mut programs = loaded_programs().flatten();
            let program = programs.find(|program| program.id() == link.program_id());
            Ok((link.id(), program.ok_or_else(|| failed("no program behind the link"))?.tag()))
        }

        /// Waits until packets flow to the agent and to the monitor, and forgets them.
        fn wait_for_media(&self) -> Result<()> {
            let probe = Stream::pcmu(1).numbered(1)[0].to_bytes();
            wait_for("media to flow", SOON, || {
                self.caller.send(&probe, self.port()).ok()?;
                (!self.agent.received().is_empty() && !self.monitor.received().is_empty()).then_some(())
            })?;
            self.agent.wait_for_silence(SOON / 20);
            self.agent.take_received();
            self.monitor.wait_for_silence(SOON / 20);
            self.monitor.take_received();
            Ok(())
        }

        /// Every packet came, in order, as it was sent. Where one did not, the daemon's counters may tell why.
        fn assert_received(&self, who: &str, endpoint: &Endpoint, sent: &[Vec<u8>]) -> Result<()> {
            let Ok(received) = endpoint.wait_for_packets(sent.len(), SOON) else {
                let (received, status) = (endpoint.take_received(), self.ask(&["status"])?);
                let missing = sent.iter().position(|packet| !bytes(&received).contains(&packet.as_slice()));
                panic!(
                    "{who}: {} of {} packets came, the first that did not is {missing:?}\n{status}",
                    received.len(),
                    sent.len()
                );
            };
            assert!(bytes(&received) == sent, "{who}: every packet, in order, as sent");
            Ok(())
        }

        /// Sends a packet each millisecond while `meanwhile` runs. Returns what was sent.
        fn send_while(&self, meanwhile: impl FnOnce() -> Result<()>) -> Result<Vec<Vec<u8>>> {
            let packets: Vec<_> = Stream::pcmu(7).numbered(60_000).iter().map(Packet::to_bytes).collect();
            let done = AtomicBool::new(false);
            let sent = thread::scope(|scope| -> Result<usize> {
                let sender = scope.spawn(|| -> Result<usize> {
                    let start = Instant::now();
                    for (index, packet) in packets.iter().enumerate() {
                        if done.load(Ordering::Relaxed) {
                            return Ok(index);
                        }
                        thread::sleep(
                            (start + Duration::from_millis(index as u64)).saturating_duration_since(Instant::now()),
                        );
                        self.caller.send(packet, self.port())?;
                    }
                    Ok(packets.len())
                });
                let result = meanwhile();
                done.store(true, Ordering::Relaxed);
                let sent = sender.join().expect("a sender");
                result.and(sent)
            })?;
            Ok(packets.into_iter().take(sent).collect())
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
            scene.assert_received(who, endpoint, &sent)?;
        }
        // The second daemon can change and remove what it found.
        let port = scene.port().to_string();
        scene.ask(&["relay", "remove", &port])?;
        scene.agent.take_received();
        scene.caller.send(&sent[0], scene.port())?;
        assert!(scene.agent.wait_for_silence(SOON / 20).is_empty(), "a removed stream ends");
        Ok(())
    }

    #[test]
    fn not_a_packet_is_lost_when_another_build_takes_over() -> Result<()> {
        let scene = Scene::new()?;
        let config = scene.configure(false)?;
        let another_build = scene.another_build()?;
        let mut daemon = scene.start(&config)?;
        scene.wait_for_media()?;
        let (link, tag) = scene.attached()?;
        let mut second = None;
        let sent = scene.send_while(|| {
            daemon.terminate()?;
            second = Some(scene.start_program(&another_build, &config)?);
            Ok(())
        })?;
        for (who, endpoint) in [("agent", &scene.agent), ("monitor", &scene.monitor)] {
            scene.assert_received(who, endpoint, &sent)?;
        }
        let (link_after, tag_after) = scene.attached()?;
        assert_eq!(link_after, link, "the program was replaced behind its link");
        assert_ne!(tag_after, tag, "another program runs");
        assert!(scene.pins().join("link-polls").exists(), "and its packets share a time");
        Ok(())
    }

    /// More instructions than the object file has.
    const OBJECT_INSTRUCTIONS_MAX: usize = 1 << 18;
    /// `BPF_JMP | BPF_JSLT | BPF_K`, RFC 9669, section 4.3.
    const JUMP_IF_SIGNED_LESS: u8 = 0xc5;

    /// Whether an ELF file for BPF begins here.
    fn is_bpf_object(bytes: &[u8]) -> bool {
        const BPF: [u8; 2] = 247_u16.to_le_bytes();
        bytes.starts_with(b"\x7fELF") && bytes[18..20] == BPF
    }

    /// Milliseconds as an instruction's constant in nanoseconds.
    fn ns(ms: u64) -> [u8; 4] {
        (ms as u32 * 1_000_000).to_le_bytes()
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
