//! The elements that are measured: the product, and Kamailio with rtpengine.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::scene::{CALLED, CALLER, PORTS, Scene, TOWARDS_CALLED, TOWARDS_CALLER, host};
use crate::machine::{CONTROL_PORT, Process, Rtpengine, sibling};

const DAEMON: &str = "undertone";
const KAMAILIO: &str = "/usr/sbin/kamailio";
const KAMAILIO_CONFIG: &str = include_str!("kamailio.cfg");
const SIP_PORT: u16 = 5060;

/// Which element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// The product.
    Ours,
    /// Debian's Kamailio and rtpengine.
    Peer,
}

impl System {
    /// Why it cannot be measured here, if so.
    pub(super) fn obstacle(self) -> Option<String> {
        match self {
            Self::Ours => sibling(DAEMON).err().map(|error| error.to_string()),
            Self::Peer => (!Path::new(KAMAILIO).exists())
                .then(|| "kamailio is not installed: run `cargo xtask setup --peers`".into())
                .or_else(Rtpengine::obstacle),
        }
    }

    /// Calls that it can carry where a process may have so many files open: rtpengine has four sockets for each.
    pub(super) const fn calls_max(self, files: u64) -> u64 {
        match self {
            Self::Ours => u64::MAX,
            Self::Peer => files.saturating_sub(1000) / 4,
        }
    }
}

/// An element that runs, in a network of its own.
pub(super) struct Element {
    // They end before their network does.
    processes: Vec<Process>,
    pub(super) scene: Scene,
}

impl Element {
    /// Starts one.
    pub(super) fn start(system: System) -> Result<Self> {
        let scene = Scene::new()?;
        let processes = match system {
            System::Ours => vec![undertone(&scene)?],
            System::Peer => vec![rtpengine(&scene)?, kamailio(&scene)?],
        };
        Ok(Self { processes, scene })
    }

    /// What all its threads have run so far.
    pub(super) fn time(&self) -> Result<Duration> {
        self.processes.iter().map(Process::time).sum()
    }

    /// Bytes that are resident for it.
    pub(super) fn resident(&self) -> Result<u64> {
        self.processes.iter().map(Process::resident).sum()
    }

    /// The last of what its processes said.
    pub(super) fn last_words(&self) -> String {
        self.processes.iter().map(Process::last_words).collect::<Vec<_>>().join("\n")
    }
}

/// The daemon as it comes, records in a database included; media in XDP where the kernel has it.
fn undertone(scene: &Scene) -> Result<Process> {
    let folder = folder()?;
    let config = folder.path().join("undertone.toml");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (first, last) = PORTS;
    let text = format!(
        "[media]\naddresses = [\"{near}\", \"{far}\"]\nports = \"{first}-{last}\"\n\
         interfaces = [\"caller\", \"called\"]\npins = \"none\"\n\
         [control]\nsocket = \"{socket}\"\n\
         [storage]\npath = \"{database}\"\n\
         [sip]\nlisten = [\"udp:{TOWARDS_CALLER}\", \"udp:{TOWARDS_CALLED}\"]\n\
         [[peer]]\nname = \"carrier\"\nside = \"off-net\"\naddresses = [\"{caller}\"]\ntarget = \"{CALLER}\"\n\
         listen = \"udp:{TOWARDS_CALLER}\"\nmedia = \"{near}\"\noptions = 0\n\
         [[peer]]\nname = \"pbx\"\nside = \"on-net\"\naddresses = [\"{called}\"]\ntarget = \"{CALLED}\"\n\
         listen = \"udp:{TOWARDS_CALLED}\"\nmedia = \"{far}\"\noptions = 0\n\
         [[route]]\nfrom = [\"carrier\"]\nto = \"pbx\"\n",
        near = host(TOWARDS_CALLER),
        far = host(TOWARDS_CALLED),
        caller = host(CALLER),
        called = host(CALLED),
        socket = path("undertone.sock"),
        database = path("undertone.db"),
    );
    fs::write(&config, text)?;
    let arguments = ["run", "--config", &config.display().to_string()].map(String::from);
    let mut process = Process::start(&scene.element, &sibling(DAEMON)?.display().to_string(), &arguments, folder)?;
    scene.wait_for(SIP_PORT, &mut process)?;
    Ok(process)
}

fn rtpengine(scene: &Scene) -> Result<Process> {
    let rtpengine = Rtpengine {
        // One for each core, as it takes by itself on two cores.
        threads: 2,
        interfaces: [("caller", host(TOWARDS_CALLER)), ("callee", host(TOWARDS_CALLED))],
        ports: PORTS,
        // A call is gone when its BYE is, as it is with the product, and not half a minute later.
        more: &["--delete-delay=0"],
    };
    let mut process = rtpengine.start(&scene.element)?;
    scene.wait_for(CONTROL_PORT, &mut process)?;
    Ok(process)
}

fn kamailio(scene: &Scene) -> Result<Process> {
    let folder = folder()?;
    let config = folder.path().join("kamailio.cfg");
    fs::write(&config, KAMAILIO_CONFIG)?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    // In the foreground, with memory for 10,000 calls and more.
    let arguments = ["-DD", "-E", "-m", "512", "-M", "16", "-f", &path("kamailio.cfg"), "-P", &path("pid"), "-Y"];
    let mut arguments: Vec<_> = arguments.map(String::from).into();
    arguments.push(folder.path().display().to_string());
    let mut process = Process::start(&scene.element, KAMAILIO, &arguments, folder)?;
    scene.wait_for(SIP_PORT, &mut process)?;
    Ok(process)
}

fn folder() -> Result<TempDir> {
    tempfile::tempdir().context("cannot make a temporary folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kamailio_is_between_the_same_two_peers() {
        for address in [TOWARDS_CALLER, TOWARDS_CALLED] {
            assert!(KAMAILIO_CONFIG.contains(&format!("listen=udp:{address}\n")), "{address}");
        }
        assert!(KAMAILIO_CONFIG.contains(&format!("src_ip == {})", host(CALLER))));
        assert!(KAMAILIO_CONFIG.contains(&format!("$du = \"sip:{CALLED}\";")));
        assert!(KAMAILIO_CONFIG.contains(&format!("\"udp:127.0.0.1:{CONTROL_PORT}\"")));
    }
}
