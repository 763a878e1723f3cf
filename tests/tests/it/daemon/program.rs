//! Running the program.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use undertone_tests::{Error, Result};

/// The program, built from the same sources and with the same profile as this test.
pub(crate) fn undertone() -> Result<&'static Path> {
    static BUILT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(build);
    built.as_deref().map_err(|reason| Error::Other(reason.clone()))
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) exit: Option<i32>,
}

impl Said {
    pub(crate) fn of(command: &mut Command) -> Result<Self> {
        let output = command.output().map_err(|error| Error::Other(format!("{command:?}: {error}")))?;
        Ok(Self::from(&output))
    }

    /// What it wrote, if it did its work.
    pub(crate) fn done(self) -> Result<String> {
        if self.exit == Some(0) { Ok(self.out) } else { Err(Error::Other(format!("a command failed: {self:?}"))) }
    }

    /// What it complained of, if it ended with this code.
    pub(crate) fn failed(self, exit: i32) -> Result<String> {
        let expected = self.exit == Some(exit) && self.out.is_empty() && self.err.starts_with("error: ");
        if expected { Ok(self.err) } else { Err(Error::Other(format!("a failure with {exit} was expected: {self:?}"))) }
    }
}

impl From<&Output> for Said {
    fn from(output: &Output) -> Self {
        Self {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            exit: output.status.code(),
        }
    }
}

fn build() -> std::result::Result<PathBuf, String> {
    // target/PROFILE/deps/TEST
    let test = env::current_exe().map_err(|error| error.to_string())?;
    let folder = test.ancestors().nth(2).ok_or("the test stands in no target folder")?;
    let target = folder.parent().ok_or("the test stands in no target folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut cargo = Command::new(env!("CARGO"));
    // The whole workspace is named so that its crates have the features that they were built with for this test.
    cargo.args(["build", "--quiet", "--workspace", "--bin", "undertone", "--profile", profile]);
    cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(target);
    // What says which package this test is of is no business of others': `ring`'s build script asks for it, and with another
    // answer than a shell's cargo gives, that crate and all above it are built again, while every test waits.
    let is_of_package = |name: &str| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_of_package)) {
        cargo.env_remove(name);
    }
    let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        Ok(folder.join("undertone"))
    } else {
        Err(format!("the program cannot be built: {}", String::from_utf8_lossy(&output.stderr)))
    }
}
