//! Which Debian packages are for what.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::command;
use crate::project::find_program;

/// Packages that serve one purpose.
pub(super) struct Group {
    pub(super) why: &'static str,
    packages: &'static [Package],
}

struct Package {
    name: &'static str,
    /// A program of it, or the path of a file where it has none. The package counts as installed when this is there,
    /// wherever it came from.
    program: &'static str,
    /// A service that its installation starts and that nobody here wants to run.
    service: Option<&'static str>,
}

pub(super) const COMPILERS: Group = Group {
    why: "compile the parts of our dependencies that are in C and C++, and link the Opus codec",
    packages: &[
        package("gcc", "cc"),
        package("g++", "c++"),
        package("pkg-config", "pkg-config"),
        package("libopus-dev", "/usr/include/opus/opus.h"),
    ],
};

pub(super) const LAB: Group = Group {
    why: "build the lab's network of namespaces",
    packages: &[package("iproute2", "ip"), package("ethtool", "ethtool"), package("procps", "sysctl")],
};

pub(super) const SPEECH: Group = Group {
    why: "make real speech for the lab's calls",
    packages: &[package("espeak-ng", "espeak-ng"), package("sox", "sox")],
};

pub(super) const PHONES: Group =
    Group { why: "telephones that speak", packages: &[package("baresip-core", "baresip")] };

pub(super) const PAGE: Group =
    Group { why: "build the supervisors' page", packages: &[package("nodejs", "node"), package("npm", "npm")] };

pub(super) const BROWSER: Group = Group {
    why: "a browser that looks at the supervisors' page, for tests",
    packages: &[package("chromium", "chromium"), package("chromium-driver", "chromedriver")],
};

pub(super) const WITNESSES: Group = Group {
    why: "a call generator, certificates, a DNS server and a second opinion on every packet, for tests",
    packages: &[
        package("sip-tester", "sipp"),
        package("openssl", "openssl"),
        package("tshark", "tshark"),
        package("tcpdump", "tcpdump"),
        // Without the service that the package dnsmasq starts.
        package("dnsmasq-base", "dnsmasq"),
    ],
};

pub(super) const PEERS: Group = Group {
    why: "the proxy and the relay that `bench` compares with",
    packages: &[
        Package { name: "rtpengine-daemon", program: "rtpengine", service: Some("rtpengine-daemon") },
        Package { name: "kamailio", program: "kamailio", service: Some("kamailio") },
    ],
};

const fn package(name: &'static str, program: &'static str) -> Package {
    Package { name, program, service: None }
}

impl Group {
    /// The names of those that are there, and of those that are not.
    pub(super) fn survey(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        let names = self.packages.iter().map(|package| (package.name, package.program));
        let (present, missing): (Vec<_>, Vec<_>) = names.partition(|(_, program)| is_there(program));
        let name = |(name, _)| name;
        (present.into_iter().map(name).collect(), missing.into_iter().map(name).collect())
    }

    /// Stops the services that came up with the newly `installed` packages: they would disturb what is measured.
    pub(super) fn settle(&self, installed: &[&str]) -> Result<()> {
        let systemd_runs = Path::new("/run/systemd/system").exists();
        for package in self.packages.iter().filter(|p| installed.contains(&p.name)) {
            if let Some(service) = package.service.filter(|_| systemd_runs) {
                eprintln!("  its service {service} is stopped and disabled: the bench starts its own");
                command::read(Command::new("systemctl").args(["disable", "--now", service]))?;
            }
        }
        Ok(())
    }
}

fn is_there(program: &str) -> bool {
    if program.starts_with('/') { Path::new(program).exists() } else { find_program(program).is_some() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_there_when_its_program_or_file_is() {
        const GROUP: Group = Group {
            why: "this test",
            packages: &[
                package("dash", "sh"),
                package("none", "undertone-no-such-program"),
                package("base-files", "/etc"),
                package("no-files", "/etc/undertone-no-such-file"),
            ],
        };
        assert_eq!(GROUP.survey(), (vec!["dash", "base-files"], vec!["none", "no-files"]));
    }
}
