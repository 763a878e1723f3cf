//! What scores speech: PESQ (ITU-T P.862), in a Python environment of its own below `target/`.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command;
use crate::project::Project;
use crate::report::step;

/// The wrapper of ITU-T's own program, compiled here, and what it is compiled with: nothing is taken that is not named.
const VERSION: &str = "0.0.4";
const WITH: [&str; 4] = ["setuptools==80.9.0", "wheel==0.45.1", "Cython==3.1.2", "numpy==2.2.6"];

/// Debian's: environments, and headers to compile against.
const PACKAGES: [&str; 2] = ["python3-venv", "python3-dev"];

/// What is to be installed, and where.
pub(super) struct Missing {
    environment: PathBuf,
    python_is_whole: bool,
}

/// Whether it is there.
pub(super) fn survey(project: &Project) -> Result<String, Missing> {
    let environment = environment(project);
    let asked = format!("from importlib.metadata import version; import pesq; assert version('pesq') == '{VERSION}'");
    let found = command::read(Command::new(environment.join("bin/python")).args(["-c", &asked]));
    found.map(|_| format!("pesq {VERSION}")).map_err(|_| Missing { environment, python_is_whole: python_is_whole() })
}

impl Missing {
    /// The Debian packages that are to be installed first.
    pub(super) fn packages(&self) -> &'static [&'static str] {
        if self.python_is_whole { &[] } else { &PACKAGES }
    }
}

/// Installs it.
pub(super) fn install(missing: &Missing, project: &Project) -> Result<()> {
    let environment = &missing.environment;
    step(format!("pip install pesq {VERSION}"), || {
        let mut make = Command::new("python3");
        command::run_quietly(project, make.args(["-m", "venv", "--clear"]).arg(environment))?;
        let pip = |arguments: &[&str]| {
            let mut pip = Command::new(environment.join("bin/python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]).args(arguments);
            command::run_quietly(project, &mut pip).context(
                "pesq could not be installed: if packages could not be downloaded, check this machine's network",
            )
        };
        pip(&WITH)?;
        pip(&["--no-build-isolation", &format!("pesq=={VERSION}")])
    })
    .map(drop)
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.python_is_whole {
            writeln!(f, "{}: make Python environments, and compile for them", PACKAGES.join(" "))?;
            write!(f, "  ")?;
        }
        write!(f, "pesq {VERSION} ({}): scores the lab's speech (pip, below target/)", WITH.join(", "))
    }
}

/// Where the lab looks for it, too.
fn environment(project: &Project) -> PathBuf {
    project.path("target/pesq")
}

/// Whether Python makes environments and has headers.
fn python_is_whole() -> bool {
    let asked = "import ensurepip, venv, sysconfig, os; \
                 assert os.path.exists(os.path.join(sysconfig.get_path('include'), 'Python.h'))";
    command::read(Command::new("python3").args(["-c", asked])).is_ok()
}
