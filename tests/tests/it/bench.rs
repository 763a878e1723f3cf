//! The benchmarks, with numbers too small to say anything.

mod privileged {
    use std::{collections::BTreeMap, fs, process::Command, time::Duration};

    use serde_json::Value;
    use undertone_tests::{
        Result,
        lab::{Process, program, require_privilege},
    };

    const TIMEOUT: Duration = Duration::from_secs(120);

    #[test]
    fn signalling_is_measured_in_time_delay_and_memory() -> Result<()> {
        // In the order of the alphabet, in which they are compared.
        let rows = ["cpu-per-call", "memory-10k-calls", "setup-delay-p99"];
        let arguments = ["--calls", "20", "--concurrent", "40", "--rows", &rows.join(",")];
        let medians = measure("sip", &arguments)?;
        assert_eq!(medians.keys().collect::<Vec<_>>(), rows);
        assert!(medians["cpu-per-call"] > 0.0, "{medians:?}");
        Ok(())
    }

    #[test]
    fn supervisors_are_measured_in_sessions_delay_time_and_allocations() -> Result<()> {
        let arguments =
            ["--sessions", "4", "--sessions-max", "4", "--calls", "4", "--changes", "2", "--seconds", "0.5"];
        let medians = measure("mixer", &arguments)?;
        let rows = [
            "allocations-per-packet",
            "listen-cpu-per-call",
            "listen-sessions-per-core",
            "mode-change",
            "whisper-latency-p50",
            "whisper-latency-p99",
            "whisper-sessions-per-core",
        ];
        assert_eq!(medians.keys().collect::<Vec<_>>(), rows);
        // No more than a packet's time, a turn of the mixer's and what a busy machine takes.
        assert!((0.0..500.0).contains(&medians["mode-change"]), "{medians:?}");
        assert!(medians["whisper-latency-p50"] <= medians["whisper-latency-p99"], "{medians:?}");
        assert!(medians["listen-cpu-per-call"] > 0.0, "{medians:?}");
        Ok(())
    }

    /// Runs a benchmark for one round, and gives the rows that it has written with their medians.
    fn measure(bench: &str, arguments: &[&str]) -> Result<BTreeMap<String, f64>> {
        require_privilege("network namespaces")?;
        let folder = tempfile::tempdir().expect("a directory can be made");
        let json = folder.path().join("rows");
        let mut command = Command::new(program("undertone-bench")?);
        command.args([bench, "--runs", "1", "--polite"]).args(arguments).arg("--json").arg(&json);
        let status = Process::spawn("the bench", command)?.wait(TIMEOUT)?;
        assert!(status.success(), "{status}");
        let lines = fs::read_to_string(&json).expect("the bench has written its rows");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
        let median = |line: Value| {
            let median = line["median"].as_f64().filter(|median| median.is_finite());
            (line["row"].as_str().expect("a name").to_owned(), median.expect("a number"))
        };
        Ok(lines.map(median).collect())
    }
}
