//! Where handlers leave their questions for the daemon's thread.

use std::{rc::Rc, time::Duration};

use tokio::{
    sync::{
        mpsc::{self, Receiver, Sender},
        oneshot,
    },
    time::timeout,
};

use super::{Appliance, problem::Problem};

/// Questions that may wait.
const QUEUE: usize = 64;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A question. It takes its answer where it belongs itself.
pub(super) type Question = Box<dyn FnOnce(&dyn Appliance) + Send>;

/// The way to the daemon's thread. A handle.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    questions: Sender<Question>,
}

/// A desk, and the questions that will be left there.
pub(super) fn open() -> (Desk, Receiver<Question>) {
    let (questions, asked) = mpsc::channel(QUEUE);
    (Desk { questions }, asked)
}

/// Answers questions as long as somebody may ask.
pub(super) async fn attend(appliance: Rc<dyn Appliance>, mut questions: Receiver<Question>) {
    while let Some(question) = questions.recv().await {
        question(&*appliance);
    }
}

impl Desk {
    /// Asks, and waits for the answer.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Appliance) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (answer, answered) = oneshot::channel();
        // Who asked may have gone.
        let question: Question = Box::new(move |appliance| drop(answer.send(question(appliance))));
        let asking = async {
            self.questions.send(question).await.ok()?;
            answered.await.ok()
        };
        timeout(PATIENCE, asking).await.ok().flatten().ok_or_else(Problem::no_answer)
    }
}
