//! Why a command ends without having done its work.

use std::{fmt::Write as _, process::ExitCode};

use undertone_control_core::ConfigError;
use undertone_dataplane::host::HostProblem;

use crate::protocol::{Code, Refusal};

/// How a command ends. `undertone --help` lists these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It could not be done.
    Failed = 1,
    /// What was asked makes no sense, or the configuration is wrong. Clap ends with the same number.
    Wrong = 2,
    /// No daemon answers.
    NoDaemon = 3,
}

/// What went wrong, with the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    complaints: Vec<Complaint>,
    exit: Exit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Complaint {
    error: String,
    way_out: Option<String>,
}

impl Failure {
    /// A command could not do its work.
    pub(crate) fn new(error: impl Into<String>) -> Self {
        Self { complaints: vec![Complaint { error: error.into(), way_out: None }], exit: Exit::Failed }
    }

    /// And ends with this code.
    #[must_use]
    pub(crate) const fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// And this is what to do about it.
    #[must_use]
    pub(crate) fn with_way_out(mut self, way_out: impl Into<String>) -> Self {
        if let Some(last) = self.complaints.last_mut() {
            last.way_out = Some(way_out.into());
        }
        self
    }

    /// The configuration in `file` is wrong.
    pub(crate) fn of_config(file: &std::path::Path, error: &ConfigError) -> Self {
        let complaint = |problem: &undertone_control_core::config::Problem| Complaint {
            error: format!("{}, {}", file.display(), problem.complaint()),
            way_out: Some(problem.way_out.clone()),
        };
        Self { complaints: error.problems.iter().map(complaint).collect(), exit: Exit::Wrong }
    }

    /// The host is not ready.
    pub(crate) fn of_host(problems: &[HostProblem]) -> Self {
        let complaint = |problem: &HostProblem| {
            let text = problem.to_string();
            match text.split_once("; ") {
                Some((error, way_out)) => Complaint { error: error.into(), way_out: Some(way_out.into()) },
                None => Complaint { error: text, way_out: None },
            }
        };
        Self { complaints: problems.iter().map(complaint).collect(), exit: Exit::Failed }
    }

    /// The code that the process ends with.
    pub(crate) const fn exit_code(&self) -> u8 {
        self.exit as u8
    }

    /// What went wrong and the way out of each, a line each.
    pub(crate) fn sentences(&self) -> String {
        let sentence = |Complaint { error, way_out }: &Complaint| match way_out {
            Some(way_out) => format!("{error}; {way_out}"),
            None => error.clone(),
        };
        let sentences: Vec<_> = self.complaints.iter().map(sentence).collect();
        sentences.join("\n")
    }

    /// As the user reads it.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for Complaint { error, way_out } in &self.complaints {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "error: {error}");
            if let Some(way_out) = way_out {
                let _ = writeln!(text, "try: {way_out}");
            }
        }
        text
    }
}

impl From<&Failure> for ExitCode {
    fn from(failure: &Failure) -> Self {
        Self::from(failure.exit_code())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = if refusal.code == Code::Configuration { Exit::Wrong } else { Exit::Failed };
        let complaint = Complaint { error: refusal.error, way_out: refusal.way_out };
        Self { complaints: vec![complaint], exit }
    }
}
