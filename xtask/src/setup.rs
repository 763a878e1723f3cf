//! `cargo xtask setup`: installs what the other verbs need and says what and why.

mod apt;
mod bpf;
mod packages;
mod pesq;
mod rust_tools;

use std::fmt;

use anyhow::{Result, bail};
use clap::Args;

use self::apt::Apt;
use self::packages::Group;
use crate::project::{Project, find_program, is_root};

/// Install everything that building, testing and the demo need: Debian packages, the eBPF toolchain, cargo tools, what
/// scores speech.
///
/// Needs root for the packages. Run it again at any time: what is there stays as it is. `demo`, `test` and `bench`
/// install what they need by themselves.
#[derive(Args)]
pub(crate) struct Options {
    /// Also install the proxy and the media relay that `bench` compares with.
    #[arg(long)]
    peers: bool,

    /// Only say what is there and what is missing; exit with an error if something is.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Options, project: &Project) -> Result<()> {
    let plan = Plan::new(&Need::everything(options.peers), project);
    eprint!("{plan}");
    if options.check {
        return plan.refuse_if_something_is_missing();
    }
    plan.carry_out(project)
}

/// Installs what is missing of `need`; silent when nothing is.
pub(crate) fn prepare(need: &Need, project: &Project) -> Result<()> {
    let plan = Plan::new(need, project);
    if plan.missing.is_empty() {
        return Ok(());
    }
    eprint!("{plan}");
    plan.carry_out(project)
}

/// What a verb needs beside the eBPF toolchain, which all of them do.
pub(crate) struct Need {
    packages: Vec<&'static Group>,
    /// What scores speech.
    pesq: bool,
    rust_tools: bool,
}

impl Need {
    pub(crate) fn demo() -> Self {
        Self {
            packages: vec![&packages::COMPILERS, &packages::PAGE, &packages::LAB, &packages::SPEECH, &packages::PHONES],
            pesq: false,
            rust_tools: false,
        }
    }

    pub(crate) fn test() -> Self {
        Self {
            packages: vec![
                &packages::COMPILERS,
                &packages::PAGE,
                &packages::LAB,
                &packages::SPEECH,
                &packages::PHONES,
                &packages::WITNESSES,
                &packages::BROWSER,
            ],
            pesq: true,
            rust_tools: true,
        }
    }

    pub(crate) fn bench() -> Self {
        Self { packages: vec![&packages::COMPILERS, &packages::LAB, &packages::PEERS], pesq: false, rust_tools: false }
    }

    fn everything(peers: bool) -> Self {
        let mut all = Self::test();
        if peers {
            all.packages.push(&packages::PEERS);
        }
        all
    }
}

/// What is there, what is missing.
#[derive(Default)]
struct Plan {
    present: Vec<String>,
    missing: Vec<Missing>,
}

/// One thing to install.
enum Missing {
    Packages { group: &'static Group, names: Vec<&'static str> },
    Bpf(bpf::Missing),
    Pesq(pesq::Missing),
    RustTool(rust_tools::Tool),
}

impl Plan {
    fn new(need: &Need, project: &Project) -> Self {
        let mut plan = Self::default();
        for group in &need.packages {
            let (present, missing) = group.survey();
            plan.present.extend(present.into_iter().map(String::from));
            if !missing.is_empty() {
                plan.missing.push(Missing::Packages { group, names: missing });
            }
        }
        match bpf::survey() {
            Ok(toolchain) => plan.present.push(toolchain.to_string()),
            Err(missing) => plan.missing.push(Missing::Bpf(missing)),
        }
        if need.pesq {
            match pesq::survey(project) {
                Ok(there) => plan.present.push(there),
                Err(missing) => plan.missing.push(Missing::Pesq(missing)),
            }
        }
        if need.rust_tools {
            let (present, missing) = rust_tools::survey();
            plan.present.extend(present.iter().map(ToString::to_string));
            plan.missing.extend(missing.into_iter().map(Missing::RustTool));
        }
        plan
    }

    fn refuse_if_something_is_missing(&self) -> Result<()> {
        if self.missing.is_empty() {
            return Ok(());
        }
        bail!("not everything is installed: run `cargo xtask setup` as root");
    }

    fn carry_out(self, project: &Project) -> Result<()> {
        let obstacle = obstacle();
        let (out_of_reach, within_reach): (Vec<_>, Vec<_>) =
            self.missing.into_iter().partition(|missing| obstacle.is_some() && missing.needs_packages());
        install(&within_reach, project)?;
        if let Some(obstacle) = obstacle.filter(|_| !out_of_reach.is_empty()) {
            tell_what_is_out_of_reach(obstacle, &out_of_reach);
        }
        Ok(())
    }
}

/// Installs `missing`: the packages first, in one go, because the rest is compiled with them.
fn install(missing: &[Missing], project: &Project) -> Result<()> {
    let mut apt = Apt::new(project);
    let packages: Vec<_> = missing.iter().flat_map(Missing::packages).copied().collect();
    if !packages.is_empty() {
        apt.install(&packages)?;
    }
    for missing in missing {
        match missing {
            Missing::Packages { group, names } => group.settle(names)?,
            Missing::Bpf(_) => bpf::install(&mut apt, project)?,
            Missing::Pesq(missing) => pesq::install(missing, project)?,
            Missing::RustTool(tool) => tool.install(project)?,
        }
    }
    Ok(())
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.present.is_empty() {
            writeln!(f, "already there: {}", self.present.join(", "))?;
        }
        if self.missing.is_empty() {
            return writeln!(f, "nothing is missing");
        }
        writeln!(f, "missing:")?;
        for missing in &self.missing {
            writeln!(f, "  {missing}")?;
        }
        Ok(())
    }
}

impl Missing {
    fn needs_packages(&self) -> bool {
        match self {
            Self::Packages { .. } => true,
            Self::Bpf(missing) => missing.needs_packages(),
            Self::Pesq(missing) => !missing.packages().is_empty(),
            Self::RustTool(_) => false,
        }
    }

    /// The packages that are simply to be installed; the eBPF toolchain finds out by itself which it needs.
    fn packages(&self) -> &[&'static str] {
        match self {
            Self::Packages { names, .. } => names,
            Self::Pesq(missing) => missing.packages(),
            Self::Bpf(_) | Self::RustTool(_) => &[],
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages { group, names } => write!(f, "{}: {}", names.join(" "), group.why),
            Self::Bpf(missing) => missing.fmt(f),
            Self::Pesq(missing) => missing.fmt(f),
            Self::RustTool(tool) => write!(f, "{tool}: {}", tool.why()),
        }
    }
}

/// Why packages cannot be installed here, if they cannot.
fn obstacle() -> Option<&'static str> {
    if find_program("apt-get").is_none() {
        return Some("this machine has no apt-get");
    }
    (!is_root()).then_some("you are not root")
}

fn tell_what_is_out_of_reach(obstacle: &str, out_of_reach: &[Missing]) {
    let mut names: Vec<_> = out_of_reach.iter().flat_map(Missing::packages).copied().collect();
    let without_bpf = out_of_reach.iter().any(|missing| matches!(missing, Missing::Bpf(_)));
    if without_bpf {
        names.push("the eBPF toolchain");
    }
    eprintln!("not installed, because {obstacle}: {}", names.join(", "));
    eprintln!("  the way out: run `cargo xtask setup` as root, on Debian 12 or later");
    if without_bpf {
        eprintln!("  until then XDP is neither built nor exercised: everything runs over io_uring");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_tells_what_is_there_and_why_the_rest_is_needed() {
        let plan = Plan {
            present: vec!["sox".into(), "espeak-ng".into()],
            missing: vec![Missing::Packages { group: &packages::LAB, names: vec!["ethtool"] }],
        };
        assert_eq!(
            plan.to_string(),
            format!("already there: sox, espeak-ng\nmissing:\n  ethtool: {}\n", packages::LAB.why)
        );
        let error = plan.refuse_if_something_is_missing().expect_err("ethtool is");
        assert!(error.to_string().contains("cargo xtask setup"), "{error}");
    }

    #[test]
    fn the_peers_are_installed_only_when_they_are_asked_for() {
        let has_peers = |need: &Need| need.packages.iter().any(|group| group.why == packages::PEERS.why);
        assert!(has_peers(&Need::everything(true)));
        assert!(has_peers(&Need::bench()));
        assert!(!has_peers(&Need::everything(false)));
    }
}
