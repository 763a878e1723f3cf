//! Where handlers leave their questions for the daemon's thread.

use std::{fmt, rc::Rc, time::Duration};

use tokio::{
    sync::{
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
    time::timeout,
};

use super::problem::Problem;

/// Questions that may wait.
const QUEUE: usize = 64;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question to who answers, an `A`. It takes its answer where it belongs itself.
pub(crate) type Question<A> = Box<dyn FnOnce(&A) + Send>;

/// The way to the daemon's thread. A handle.
pub(crate) struct Desk<A: ?Sized> {
    questions: Sender<Question<A>>,
}

impl<A: ?Sized> Clone for Desk<A> {
    fn clone(&self) -> Self {
        Self { questions: self.questions.clone() }
    }
}

impl<A: ?Sized> fmt::Debug for Desk<A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Desk")
    }
}

/// Answers questions as long as somebody may ask.
pub(crate) async fn attend<A: ?Sized>(who: Rc<A>, mut questions: Receiver<Question<A>>) {
    while let Some(question) = questions.recv().await {
        question(&who);
    }
}

impl<A: ?Sized + 'static> Desk<A> {
    /// A desk, and the questions that will be left there.
    pub(crate) fn open() -> (Self, Receiver<Question<A>>) {
        let (questions, asked) = mpsc::channel(QUEUE);
        (Self { questions }, asked)
    }

    /// Asks, and waits for the answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&A) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        // Who asked may have gone.
        let question: Question<A> = Box::new(move |who| drop(answer.send(question(who))));
        let asking = async {
            self.questions.send(question).await.ok()?;
            answered.await.ok()
        };
        timeout(PATIENCE, asking).await.ok().flatten().ok_or_else(Problem::no_answer)
    }
}
