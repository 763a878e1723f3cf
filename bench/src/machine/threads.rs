//! The time of this process's threads.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// How long the threads have run whose names are `wanted`, interrupts included. Threads that have ended are not counted.
pub(crate) fn time_of_threads(wanted: impl Fn(&str) -> bool) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for entry in fs::read_dir("/proc/self/task").context("cannot list this process's threads")? {
        let folder = entry?.path();
        // It may have ended since.
        let (Ok(name), Ok(statistics)) =
            (fs::read_to_string(folder.join("comm")), fs::read_to_string(folder.join("schedstat")))
        else {
            continue;
        };
        if wanted(name.trim_end()) {
            let ran = statistics.split(' ').next().and_then(|number| number.parse().ok());
            total += Duration::from_nanos(ran.context("the kernel does not tell how long threads have run")?);
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Instant};

    use super::*;

    #[test]
    fn a_thread_that_works_takes_time_and_one_that_sleeps_does_not() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let sleeps = thread::Builder::new().name("idle-for-a-test".into()).spawn(move || stopped.recv());
        let works = thread::Builder::new().name("busy-for-a-test".into()).spawn(|| {
            let end = Instant::now() + Duration::from_millis(30);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            time_of_threads(|name| name == "busy-for-a-test")
        });
        let busy = works.expect("a thread").join().expect("no panic").expect("a time");
        let idle = time_of_threads(|name| name == "idle-for-a-test").expect("a time");
        assert!(busy > idle && busy > Duration::from_millis(1), "{busy:?} and {idle:?}");
        drop(stop);
        assert!(sleeps.expect("a thread").join().expect("no panic").is_err());
    }
}
