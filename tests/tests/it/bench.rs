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
        require_privilege("network namespaces")?;
        let rows = ["cpu-per-call", "setup-delay-p99", "memory-10k-calls"];
        let folder = tempfile::tempdir().expect("a directory can be made");
        let json = folder.path().join("rows");
        let mut command = Command::new(program("undertone-bench")?);
        command.args(["sip", "--runs", "1", "--calls", "20", "--concurrent", "40", "--polite"]);
        command.args(["--rows", &rows.join(","), "--json"]).arg(&json);
        let mut bench = Process::spawn("the bench", command)?;
        let status = bench.wait(TIMEOUT)?;
        assert!(status.success(), "{status}");
        let lines = fs::read_to_string(&json).expect("the bench has written its rows");
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("an object a line"));
        let medians: BTreeMap<_, _> = lines.map(|line| (line["row"].to_string(), line["median"].as_f64())).collect();
        assert_eq!(medians.len(), rows.len(), "{medians:?}");
        for row in rows {
            let median = medians.get(&format!("\"{row}\"")).copied().flatten();
            assert!(median.is_some_and(f64::is_finite), "{row}: {medians:?}");
        }
        let time = medians.get("\"cpu-per-call\"").copied().flatten();
        assert!(time.is_some_and(|time| time > 0.0), "{medians:?}");
        Ok(())
    }
}
