//! This process's threads.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

/// A thread that there is.
#[derive(Clone, Debug)]
pub(crate) struct Thread {
    /// Its number in the kernel.
    pub(crate) id: i32,
    /// Its name.
    pub(crate) name: String,
    /// How long it has run, interrupts included.
    pub(crate) ran: Duration,
}

/// All threads. Those that have ended are not among them.
pub(crate) fn threads() -> Result<Vec<Thread>> {
    let mut threads = Vec::new();
    for entry in fs::read_dir("/proc/self/task").context("cannot list this process's threads")? {
        let entry = entry?;
        let read = |file| fs::read_to_string(entry.path().join(file));
        // It may have ended since.
        let (Ok(name), Ok(statistics)) = (read("comm"), read("schedstat")) else { continue };
        let id = entry.file_name().to_str().and_then(|id| id.parse().ok()).context("a thread has no number")?;
        let ran = statistics.split(' ').next().and_then(|number| number.parse().ok());
        let ran = Duration::from_nanos(ran.context("the kernel does not tell how long threads have run")?);
        threads.push(Thread { id, name: name.trim_end().to_owned(), ran });
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Instant};

    use super::*;

    fn time_of(name: &str) -> Result<Duration> {
        let thread = threads()?.into_iter().find(|thread| thread.name == name);
        Ok(thread.context("no such thread")?.ran)
    }

    #[test]
    fn a_thread_that_works_takes_time_and_one_that_sleeps_does_not() {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let sleeps = thread::Builder::new().name("idle-for-a-test".into()).spawn(move || stopped.recv());
        let works = thread::Builder::new().name("busy-for-a-test".into()).spawn(|| {
            let end = Instant::now() + Duration::from_millis(30);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            time_of("busy-for-a-test")
        });
        let busy = works.expect("a thread").join().expect("no panic").expect("a time");
        let idle = time_of("idle-for-a-test").expect("a time");
        assert!(busy > idle && busy > Duration::from_millis(1), "{busy:?} and {idle:?}");
        drop(stop);
        assert!(sleeps.expect("a thread").join().expect("no panic").is_err());
    }
}
