//! Streams that outlive the daemon, in XDP.

mod privileged {
    use std::{net::SocketAddr, path::PathBuf, time::Duration};

    use nix::sys::signal::Signal;
    use undertone_dataplane::Dataplane;
    use undertone_tests::{
        Result,
        lab::{Bpffs, Family, Lab, Process, Site, wait_for},
        rtp::{Endpoint, Stream},
    };

    use crate::daemon::{
        captures,
        operator::{Operator, SOON, START, has_copy, start},
    };

    /// How long nothing has to arrive for nothing to be coming.
    const SILENCE: Duration = Duration::from_millis(200);

    /// A lab whose appliance has a configuration, and what its daemon pins.
    struct Bed {
        operator: Operator,
        pins: PathBuf,
        _bpffs: Bpffs,
        lab: Lab,
    }

    /// Two parties and the ports between them.
    struct Call {
        caller: Endpoint,
        agent: Endpoint,
        at: SocketAddr,
        from: SocketAddr,
    }

    impl Bed {
        fn new() -> Result<Self> {
            let lab = Lab::three_way()?;
            let operator = Operator::new(Some(lab.appliance.clone()))?;
            let bpffs = Bpffs::mount(&lab.directory().join("bpf"))?;
            let pins = bpffs.path().join("pins");
            Ok(Self { operator, pins, _bpffs: bpffs, lab })
        }

        fn configure(&self, relays: &str) -> Result<()> {
            let addresses = [&self.lab.caller, &self.lab.agent].map(|site| site.facing_address(Family::V4).to_string());
            self.operator.write_config(&format!(
                "[media]\naddresses = {addresses:?}\nports = \"20000-20999\"\ninterfaces = [\"caller\", \"agent\", \"monitor\"]\n\
                 pins = \"{}\"\ngroups = 64\n[control]\nsocket = \"{}\"\n{relays}",
                self.pins.display(),
                self.operator.socket().display(),
            ))
        }

        fn call(&self, port: u16) -> Result<Call> {
            let bind = |site: &Site| Endpoint::bind(site.namespace(), (site.address(Family::V4), 0));
            Ok(Call {
                caller: bind(&self.lab.caller)?,
                agent: bind(&self.lab.agent)?,
                at: (self.lab.caller.facing_address(Family::V4), port).into(),
                from: (self.lab.agent.facing_address(Family::V4), port + 2).into(),
            })
        }

        /// Starts a daemon, and waits until every next hop is resolved.
        fn run(&self, arguments: &[&str]) -> Result<Process> {
            let daemon = start(self.operator.run_command(arguments)?)?;
            self.wait_for_ways()?;
            Ok(daemon)
        }

        fn wait_for_ways(&self) -> Result<()> {
            wait_for("every next hop to be resolved", SOON, || {
                let status = self.operator.ask(&["status"]).ok()?;
                let ways = status["capacity"].as_array()?.iter().find(|it| it["what"] == "destinations resolved")?;
                (ways["used"] == ways["max"]).then_some(())
            })
        }
    }

    impl Drop for Bed {
        fn drop(&mut self) {
            if let Err(error) = Dataplane::unload(&self.pins) {
                eprintln!("cannot clean up {}: {error}", self.pins.display());
            }
        }
    }

    impl Call {
        fn relay(&self) -> String {
            let Self { at, from, .. } = self;
            let (caller, agent) = (self.caller.local(), self.agent.local());
            format!(
                "[[relay]]\na = {{ local = \"{at}\", peer = \"{caller}\" }}\nb = {{ local = \"{from}\", peer = \"{agent}\" }}\n"
            )
        }

        fn flags(&self) -> Vec<String> {
            let (caller, agent) = (self.caller.local(), self.agent.local());
            [("--a-local", self.at), ("--a-peer", caller), ("--b-local", self.from), ("--b-peer", agent)]
                .into_iter()
                .flat_map(|(flag, value)| [flag.to_owned(), value.to_string()])
                .collect()
        }

        /// Sends packets, and sees them arrive as they were sent.
        fn crosses(&self, count: usize) -> Result<()> {
            let packets = Stream::pcmu(7).numbered(count);
            self.caller.send_paced(&packets, Duration::from_millis(1), self.at)?;
            let received = self.agent.wait_for_packets(count, SOON)?;
            self.agent.take_received();
            let sent: Vec<_> = packets.iter().map(|packet| (self.from, packet.to_bytes())).collect();
            let received: Vec<_> = received.into_iter().map(|packet| (packet.from, packet.bytes)).collect();
            assert_eq!(received, sent);
            Ok(())
        }

        /// Waits until packets no longer arrive: the kernel takes a moment to let go of a program.
        fn crosses_no_more(&self) -> Result<()> {
            wait_for("the stream to end", SOON, || {
                self.caller.send_paced(&Stream::pcmu(7).numbered(5), Duration::from_millis(1), self.at).ok()?;
                let is_silent = self.agent.wait_for_silence(SILENCE).is_empty();
                self.agent.take_received();
                is_silent.then_some(())
            })
        }
    }

    #[test]
    fn a_capture_sees_what_crosses_in_the_kernel() -> Result<()> {
        let bed = Bed::new()?;
        let call = bed.call(20_000)?;
        bed.configure(&call.relay())?;
        let _daemon = bed.run(&[])?;
        assert!(
            bed.operator.ask(&["status"])?["interfaces"][0]["path"].as_str().is_some_and(|it| it.starts_with("xdp-"))
        );
        let file = bed.operator.file("call.pcap");
        let mut capture = bed.operator.capture(call.at, &["--count", "30", "-w", &file.to_string_lossy()])?;
        call.crosses(30)?;
        assert!(capture.wait(SOON)?.success());
        let payloads = Stream::pcmu(7).numbered(30);
        let expected: Vec<_> =
            payloads.iter().map(|packet| (call.caller.local(), call.at, packet.to_bytes())).collect();
        assert_eq!(captures::read(&file)?, expected);
        Ok(())
    }

    #[test]
    fn a_killed_daemons_streams_go_on_and_the_next_one_takes_them_over() -> Result<()> {
        let bed = Bed::new()?;
        let (kept, dropped, asked) = (bed.call(20_000)?, bed.call(20_010)?, bed.call(20_020)?);
        bed.configure(&(kept.relay() + &dropped.relay()))?;
        let mut daemon = bed.run(&[])?;
        let flags = asked.flags();
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        bed.operator.say(&[&["relay", "add"], &flags[..]].concat())?.done()?;
        bed.wait_for_ways()?;
        for call in [&kept, &dropped, &asked] {
            call.crosses(5)?;
        }
        let file = bed.operator.file("call.pcap");
        let _capture = bed.operator.capture(kept.at, &["-w", &file.to_string_lossy()])?;

        daemon.kill9()?;
        for call in [&kept, &dropped, &asked] {
            call.crosses(20)?;
        }
        bed.configure(&kept.relay())?;
        let mut daemon = bed.run(&[])?;
        let status = bed.operator.ask(&["status"])?;
        assert_eq!((&status["adopted"]["tables"], &status["adopted"]["streams"]), (&true.into(), &6.into()));
        // What left the configuration is gone, what was asked for at run time is not, nor are the counters.
        dropped.crosses_no_more()?;
        asked.crosses(5)?;
        kept.crosses(5)?;
        let stream = bed.operator.wait_for_stream(kept.at, "counters to go on", |it| it["packets"] == 30)?;
        assert!(!has_copy(&stream), "the copy of the dead capture is still there: {stream}");
        bed.operator.say(&["relay", "remove", &asked.at.to_string()])?.done()?;
        asked.crosses_no_more()?;
        assert!(daemon.terminate()?.success());
        Ok(())
    }

    #[test]
    fn what_is_pinned_outlives_a_stopped_daemon_until_it_is_unloaded() -> Result<()> {
        let bed = Bed::new()?;
        let call = bed.call(20_000)?;
        bed.configure(&call.relay())?;
        let mut daemon = bed.run(&[])?;
        let pins = bed.pins.to_string_lossy();
        let unload = ["unload", "--pins", &*pins];
        let complaint = bed.operator.say(&[&unload[..], &["--yes"]].concat())?.failed(1)?;
        assert!(complaint.contains("a running daemon uses"), "{complaint}");

        daemon.signal(Signal::SIGTERM)?;
        assert!(daemon.wait(SOON)?.success());
        daemon.wait_for_line("pinned programs go on forwarding", SOON)?;
        call.crosses(10)?;

        let complaint = bed.operator.say(&unload)?.failed(2)?;
        assert!(complaint.contains("--yes"), "{complaint}");
        call.crosses(10)?;
        bed.operator.say(&[&unload[..], &["--yes"]].concat())?.done()?;
        call.crosses_no_more()?;
        let said = bed.operator.say(&[&unload[..], &["--yes"]].concat())?.done()?;
        assert!(said.starts_with("nothing is pinned in"), "{said}");
        Ok(())
    }

    #[test]
    fn a_lab_may_end_it_all() -> Result<()> {
        let bed = Bed::new()?;
        let call = bed.call(20_000)?;
        bed.configure(&call.relay())?;
        let mut daemon = bed.run(&["--unload-on-exit"])?;
        call.crosses(10)?;
        daemon.signal(Signal::SIGTERM)?;
        assert!(daemon.wait(SOON)?.success());
        assert!(!bed.pins.exists());
        call.crosses_no_more()
    }

    #[test]
    fn an_interface_that_is_not_there_is_told() -> Result<()> {
        let bed = Bed::new()?;
        bed.configure("")?;
        let config = std::fs::read_to_string(bed.operator.config()).expect("it was written");
        bed.operator.write_config(&config.replace("\"monitor\"", "\"nowhere\""))?;
        let mut daemon = Process::spawn("undertone", bed.operator.run_command(&[])?)?;
        daemon.wait_for_line("error: there is no interface `nowhere` here", START)?;
        assert_eq!(daemon.wait(SOON)?.code(), Some(1));
        assert!(!bed.operator.socket().exists());
        Ok(())
    }
}
