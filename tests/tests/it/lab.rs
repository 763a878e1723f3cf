//! The lab itself.

mod privileged {
    use std::fs;
    use std::panic::{self, AssertUnwindSafe};
    use std::path::Path;
    use std::process::Command;
    use std::thread;
    use std::time::Duration;

    use ipnet::IpNet;
    use undertone_tests::lab::{Family, Lab, Mac, Namespace, Process, Site, Tag, remove_stale, wait_for};
    use undertone_tests::rtp::netem::{Impairment, Jitter, Pick};
    use undertone_tests::rtp::{Endpoint, Packet, Received, Stream, Truth};
    use undertone_tests::speech::{encode_pcmu, say};
    use undertone_tests::{Error, Result};

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn a_namespace_comes_and_goes() -> Result<()> {
        let namespace = Namespace::create("fleeting")?;
        let path = namespace.path();
        assert!(path.exists());
        let inside = namespace.run(|| fs::read_link("/proc/thread-self/ns/net"))?.expect("a thread has a namespace");
        assert_ne!(inside, fs::read_link("/proc/thread-self/ns/net").expect("a thread has a namespace"));
        let command = namespace.command("readlink").arg("/proc/self/ns/net").output().expect("readlink runs");
        assert_eq!(String::from_utf8_lossy(&command.stdout).trim(), inside.to_string_lossy());
        drop(namespace);
        assert!(!path.exists());
        Ok(())
    }

    #[test]
    fn mounts_stay_those_of_the_host() -> Result<()> {
        let namespace = Namespace::create("mounts")?;
        let mounts = || fs::read_link("/proc/thread-self/ns/mnt").expect("a thread has a namespace");
        assert_eq!(namespace.run(mounts)?, mounts());
        let command = namespace.command("readlink").arg("/proc/self/ns/mnt").output().expect("readlink runs");
        assert_eq!(String::from_utf8_lossy(&command.stdout).trim(), mounts().to_string_lossy());
        Ok(())
    }

    #[test]
    fn a_panic_inside_goes_on_outside() -> Result<()> {
        let namespace = Namespace::create("panic")?;
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| namespace.run(|| panic!("inside"))));
        let message = outcome.expect_err("the panic went on").downcast_ref::<&str>().copied();
        assert_eq!(message, Some("inside"));
        Ok(())
    }

    #[test]
    fn rtp_crosses_a_link_in_each_family_and_direction() -> Result<()> {
        let lab = Lab::three_way()?;
        let speech = encode_pcmu(&say("en-gb", "Good morning, how may I help you?")?);
        let stream = Stream::pcmu(0x0001_0002);
        let packets: Vec<_> = stream.packets(&speech).into_iter().take(50).collect();
        for family in Family::ALL {
            let party = Endpoint::bind(lab.caller.namespace(), (lab.caller.address(family), 4000))?;
            let appliance = Endpoint::bind(&lab.appliance, (lab.caller.facing_address(family), 30_000))?;
            assert_crosses(&party, &appliance, &packets)?;
            assert_crosses(&appliance, &party, &packets)?;
        }
        Ok(())
    }

    fn assert_crosses(from: &Endpoint, to: &Endpoint, packets: &[Packet]) -> Result<()> {
        let interval = Duration::from_millis(2);
        let sent_at = from.send_paced(packets, interval, to.local())?;
        let received = to.wait_for_packets(packets.len(), SOON)?;
        let arrived: Result<Vec<_>> = received.iter().map(Received::packet).collect();
        assert_eq!(arrived?, packets);
        assert!(received.iter().all(|one| one.from == from.local()));
        let arrived_at: Vec<_> = received.iter().map(|one| one.at.abs_diff(received[0].at)).collect();
        assert!(sent_at.last() >= Some(&(interval * (packets.len() as u32 - 1))), "{sent_at:?}");
        assert!(arrived_at.last() >= Some(&(interval * (packets.len() as u32 - 2))), "{arrived_at:?}");
        assert_eq!(to.overflowed(), 0);
        Ok(())
    }

    #[test]
    fn an_end_hides_nothing_from_xdp_and_takes_what_it_redirects() -> Result<()> {
        let lab = Lab::three_way()?;
        let tagged = lab.attach("tagged", &[Tag::service(7)])?;
        for end in [lab.caller.interface(), lab.caller.facing(), tagged.interface(), tagged.facing()] {
            let features = end.namespace().tool("ethtool", &format!("-k {}", end.device()))?;
            for hidden in ["tx-checksumming", "tx-vlan-offload", "tx-vlan-stag-hw-insert"] {
                assert!(features.contains(&format!("{hidden}: off")), "{}: {features}", end.device());
            }
        }
        for end in [lab.caller.interface(), tagged.interface()] {
            let features = end.namespace().tool("ethtool", &format!("-k {}", end.device()))?;
            assert!(features.contains("generic-receive-offload: on"), "{features}");
        }
        Ok(())
    }

    #[test]
    fn an_impaired_stream_arrives_as_the_truth_says() -> Result<()> {
        let lab = Lab::three_way()?;
        let impairment = Impairment {
            loss: Pick::Chance(0.03),
            duplicate: Pick::Chance(0.03),
            reorder: Pick::Chance(0.03),
            reorder_distance: 2,
            jitter: Jitter::Uniform(Duration::from_millis(8)),
            ..Impairment::default()
        };
        let mut stream = Stream::pcmu(7).starting_at(65_500, 0);
        stream.samples_per_packet = 40; // 5 ms, to be done sooner
        let impaired = impairment.apply(&stream, &stream.numbered(400), 1)?;
        let sender = Endpoint::bind(lab.caller.namespace(), (lab.caller.address(Family::V4), 0))?;
        let receiver = Endpoint::bind(&lab.appliance, (lab.caller.facing_address(Family::V4), 0))?;
        let times = sender.send_schedule(&impaired.schedule, receiver.local())?;
        receiver.wait_for_packets(impaired.schedule.len(), SOON)?;

        let (truth, counted) = (impaired.truth_as_sent(&times), receiver.truth(stream.clock_rate)?);
        let counts = |truth: &Truth| (truth.sent, truth.lost, truth.duplicates, truth.reordered);
        assert_eq!(counts(&counted), counts(&impaired.truth));
        let ratio = counted.jitter.as_secs_f64() / truth.jitter.as_secs_f64();
        assert!((0.95..1.05).contains(&ratio), "{counted:?} but {truth:?}");
        Ok(())
    }

    #[test]
    fn full_rate_loses_nothing_on_a_link() -> Result<()> {
        let lab = Lab::three_way()?;
        let sender = Endpoint::bind(lab.agent.namespace(), (lab.agent.address(Family::V6), 0))?;
        let appliance = Endpoint::bind(&lab.appliance, (lab.agent.facing_address(Family::V6), 0))?;
        sender.send_at_full_rate(&Stream::pcmu(7).numbered(20_000), appliance.local())?;
        let received = appliance.wait_for_packets(20_000, SOON)?;
        assert_eq!((received.len(), appliance.overflowed()), (20_000, 0));
        Ok(())
    }

    #[test]
    fn a_tagged_link_works_and_its_frames_carry_the_tags() -> Result<()> {
        let lab = Lab::three_way()?;
        let single = lab.attach("single", &[Tag::customer(100)])?;
        let double = lab.attach("double", &[Tag::service(7), Tag::customer(100)])?;
        assert_eq!((single.facing().name(), double.facing().name()), ("single.100", "double.7.100"));
        for (site, ethernet) in
            [(&single, "vlan 100, "), (&double, "vlan 7, p 0, ethertype 802.1Q (0x8100), vlan 100, ")]
        {
            let mut capture = capture_at(site)?;
            for family in Family::ALL {
                assert_reaches(site, &lab.appliance, family)?;
            }
            let frame = capture.wait_for_line("UDP", SOON)?;
            assert!(frame.contains(ethernet), "{frame}");
        }
        Ok(())
    }

    #[test]
    fn vlans_share_a_link_and_do_not_mix() -> Result<()> {
        let lab = Lab::three_way()?;
        let vlans: [&[Tag]; 3] = [&[Tag::customer(5)], &[Tag::customer(6)], &[Tag::service(7), Tag::customer(6)]];
        for (tags, number) in vlans.into_iter().zip(1..) {
            let [near, far] = nets(number);
            let vlan = lab.caller.link().add_vlan(tags, &[near], &[far])?;
            let to = Endpoint::bind(&lab.appliance, (near.addr(), 30_000))?;
            let from = Endpoint::bind(lab.caller.namespace(), (far.addr(), 0))?;
            from.send(b"tagged", to.local())?;
            let received = to.wait_for_packets(1, SOON)?;
            assert_eq!(received[0].from, from.local(), "{}", vlan.near.name());
        }
        Ok(())
    }

    /// A network of its own for each VLAN: both ends' addresses.
    fn nets(number: u8) -> [IpNet; 2] {
        [1, 2].map(|end| format!("10.78.{number}.{end}/24").parse().expect("a network parses"))
    }

    /// Shows the frames as they cross the site's link, once it has begun to.
    fn capture_at(site: &Site) -> Result<Process> {
        let mut command = site.namespace().command("tcpdump");
        command.args(["-i", site.interface().device(), "-e", "-n", "-l", "--immediate-mode", "vlan"]);
        let mut capture = Process::spawn("tcpdump", command)?;
        capture.wait_for_line("listening on", SOON)?;
        Ok(capture)
    }

    fn assert_reaches(site: &Site, neighbour: &Namespace, family: Family) -> Result<()> {
        let from = Endpoint::bind(site.namespace(), (site.address(family), 0))?;
        let to = Endpoint::bind(neighbour, (site.facing_address(family), 0))?;
        from.send(b"there", to.local())?;
        to.wait_for_packets(1, SOON)?;
        to.send(b"and back", from.local())?;
        from.wait_for_packets(1, SOON).map(drop)
    }

    #[test]
    fn a_site_behind_a_gateway_is_reached_through_either_of_two() -> Result<()> {
        let lab = Lab::three_way()?;
        let first = lab.attach_gateway("gateway-1")?;
        let second = lab.attach_gateway("gateway-2")?;
        let far = lab.attach_behind(&first, "far")?;
        lab.join(&second, &far)?;
        for family in Family::ALL {
            for gateway in [&first, &second] {
                lab.route_through(gateway, &far)?;
                let at_far = Endpoint::bind(far.namespace(), (far.address(family), 0))?;
                let at_appliance = Endpoint::bind(&lab.appliance, (first.facing_address(family), 0))?;
                let before = forwarded(gateway)?;
                at_appliance.send(b"through you", at_far.local())?;
                at_far.wait_for_packets(1, SOON)?;
                at_far.send(b"and back", at_appliance.local())?;
                at_appliance.wait_for_packets(1, SOON)?;
                assert!(forwarded(gateway)? > before, "{family:?}");
            }
        }
        Ok(())
    }

    /// How many packets a gateway has forwarded, IPv4 and IPv6.
    fn forwarded(gateway: &Site) -> Result<u64> {
        let counters = gateway.namespace().run(|| {
            let read = |name| fs::read_to_string(name).expect("the kernel counts packets");
            (read("/proc/thread-self/net/snmp"), read("/proc/thread-self/net/snmp6"))
        })?;
        let v4 =
            counters.0.lines().filter(|line| line.starts_with("Ip:")).nth(1).and_then(|line| line.split(' ').nth(6));
        let v6 = counters.1.lines().find_map(|line| line.strip_prefix("Ip6OutForwDatagrams"));
        let number = |text: Option<&str>| text.and_then(|text| text.trim().parse::<u64>().ok()).expect("a number");
        Ok(number(v4) + number(v6))
    }

    #[test]
    fn a_site_changes_its_mac_address() -> Result<()> {
        let mut lab = Lab::three_way()?;
        let other = Mac([2, 0, 0, 0, 0, 0x99]);
        lab.agent.set_mac(other)?;
        let shown = lab.agent.namespace().ip("link show eth0")?;
        assert!(shown.contains(&other.to_string()), "{shown}");
        assert_reaches(&lab.agent, &lab.appliance, Family::V4)
    }

    #[test]
    fn a_process_runs_in_its_namespace_and_ends_with_its_handle() -> Result<()> {
        let namespace = Namespace::create("process")?;
        let mut command = namespace.command("sh");
        command.args(["-c", "readlink /proc/self/ns/net; sleep 60"]);
        let mut process = Process::spawn("sh", command)?;
        let line = process.wait_for_line("net:", SOON)?;
        let inside = namespace.run(|| fs::read_link("/proc/thread-self/ns/net"))?.expect("a thread has a namespace");
        assert_eq!(line, inside.to_string_lossy());
        drop(process);
        let left = Command::new("ip").args(["netns", "pids", namespace.name()]).output().expect("ip runs");
        assert_eq!(String::from_utf8_lossy(&left.stdout), "");
        Ok(())
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let mut seen = Vec::new();
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
            let lab = Lab::three_way().expect("a lab can be made");
            let mut sleep = lab.appliance.command("sleep");
            sleep.arg("60");
            let process = Process::spawn("sleep", sleep).expect("sleep starts");
            let _endpoint = Endpoint::bind(&lab.appliance, (lab.caller.facing_address(Family::V4), 0));
            seen.extend([&lab.caller, &lab.agent, &lab.monitor].map(|site| site.namespace().path()));
            seen.extend([lab.appliance.path(), lab.directory().to_owned()]);
            seen.push(Path::new("/proc").join(process.pid().to_string()));
            assert!(seen.iter().all(|path| path.exists()), "{seen:?}");
            panic!("in the middle of a test");
        }));
        assert!(outcome.is_err());
        seen.retain(|path| path.exists());
        assert!(seen.is_empty(), "left behind: {seen:?}");
    }

    #[test]
    fn what_a_killed_run_left_is_removed() -> Result<()> {
        let _privileged = Namespace::create("sweeper")?;
        let dead = pid_of_the_dead();
        // Another test's process that starts now may sweep at any moment, also before the orphan runs.
        let name = (0..10).map(|number| format!("ut{dead}-{number}-stale")).find(|name| {
            run("ip", &["netns", "add", name])
                && run("ip", &["netns", "exec", name, "sh", "-c", "sleep 60 >/dev/null 2>&1 &"])
        });
        let name = name.expect("a namespace with an orphan in it");
        let living = Namespace::create("living")?;
        remove_stale()?;
        wait_for("the stale namespace to be removed", SOON, || {
            (!Path::new("/run/netns").join(&name).exists()).then_some(())
        })?;
        assert!(living.path().exists());
        Ok(())
    }

    fn pid_of_the_dead() -> u32 {
        let mut child = Command::new("true").spawn().expect("true starts");
        child.wait().expect("true ends");
        child.id()
    }

    fn run(program: &str, arguments: &[&str]) -> bool {
        Command::new(program).args(arguments).status().expect("it starts").success()
    }

    #[test]
    fn two_labs_at_once_do_not_meet() -> Result<()> {
        let (one, other) = thread::scope(|scope| {
            let one = scope.spawn(Lab::three_way);
            let other = scope.spawn(Lab::three_way);
            (one.join().expect("no panic"), other.join().expect("no panic"))
        });
        let (one, other) = (one?, other?);
        assert_ne!(one.id(), other.id());
        let receive = |lab: &Lab| Endpoint::bind(&lab.appliance, (lab.caller.facing_address(Family::V4), 30_000));
        let (at_one, at_other) = (receive(&one)?, receive(&other)?);
        assert_eq!(at_one.local(), at_other.local());
        let sender = Endpoint::bind(one.caller.namespace(), (one.caller.address(Family::V4), 0))?;
        sender.send(b"to mine", at_one.local())?;
        at_one.wait_for_packets(1, SOON)?;
        assert_eq!(at_other.wait_for_silence(Duration::from_millis(50)), []);
        Ok(())
    }

    #[test]
    fn a_refused_command_names_itself_and_the_reason() -> Result<()> {
        let namespace = Namespace::create("refused")?;
        let error = namespace.ip("link set nowhere up").expect_err("there is no such interface");
        assert!(
            matches!(&error, Error::Command { line, output, .. }
            if line == "ip link set nowhere up" && output.contains("nowhere")),
            "{error}"
        );
        Ok(())
    }
}
