//! Threads that run as long as what they serve.

use std::thread::JoinHandle;

/// The name of the first thread that has ended, though nobody told it to.
pub(crate) fn ended<'a>(threads: impl IntoIterator<Item = &'a JoinHandle<()>>) -> Option<String> {
    let thread = threads.into_iter().find(|thread| thread.is_finished())?;
    Some(thread.thread().name().unwrap_or("without a name").to_owned())
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn a_thread_that_has_ended_is_named() {
        let (stop, stopped) = mpsc::channel::<()>();
        let runs = thread::spawn(move || {
            let _ = stopped.recv();
        });
        let ends = thread::Builder::new().name("ways".into()).spawn(|| {}).expect("a thread");
        while !ends.is_finished() {
            thread::yield_now();
        }
        assert_eq!(ended([&runs]), None);
        assert_eq!(ended([&runs, &ends]).as_deref(), Some("ways"));
        drop(stop);
        runs.join().expect("no panic");
    }
}
