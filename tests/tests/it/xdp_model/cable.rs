//! The far ends of the node's links: frames are put on one, and seen on the others, as they are.

use std::io::{self, BufReader, Read};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Instant;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, bind, send, socket};
use undertone_tests::lab::Interface;

/// A packet socket that puts frames on a link.
pub(super) struct Injector(OwnedFd);

impl Injector {
    /// On the interface `name` of the calling thread's namespace.
    pub(super) fn open(name: &str) -> io::Result<Self> {
        let mut links = getifaddrs()?.filter(|interface| interface.interface_name == name);
        let link = links.find_map(|interface| interface.address?.as_link_addr().copied());
        let link = link.ok_or_else(|| io::Error::other(format!("there is no interface {name}")))?;
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &link)?;
        Ok(Self(socket))
    }

    /// Sends one frame.
    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        send(self.0.as_raw_fd(), frame, MsgFlags::empty()).map(drop).map_err(io::Error::from)
    }
}

/// A `tcpdump` that hands over every frame that arrives at an interface, with the tags it had on the link.
pub(super) struct Capture {
    tcpdump: Child,
    frames: Receiver<Vec<u8>>,
}

impl Capture {
    /// Starts to look for frames whose source MAC address begins with `marked`.
    pub(super) fn start(interface: &Interface, marked: u32) -> io::Result<Self> {
        let mut command: Command = interface.namespace().command("tcpdump");
        command
            .args(["-i", interface.device(), "-Q", "in", "-U", "--immediate-mode", "-B", "8192", "-w", "-"])
            .arg(format!("ether[6:4] = {marked:#x}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut tcpdump = command.spawn()?;
        let stdout = tcpdump.stdout.take().ok_or_else(|| io::Error::other("a pipe was asked for"))?;
        let mut reader = BufReader::new(stdout);
        // The file's header comes when the interface is being listened to.
        read_exact::<24>(&mut reader)?;
        let (sender, frames) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(frame) = read_frame(&mut reader)
                && sender.send(frame).is_ok()
            {}
        });
        Ok(Self { tcpdump, frames })
    }

    /// The next so many frames, or those that came until `deadline`.
    pub(super) fn take(&self, count: usize, deadline: Instant) -> Vec<Vec<u8>> {
        let next = || self.frames.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok();
        std::iter::from_fn(next).take(count).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// One record of a pcap file: time, lengths, bytes.
fn read_frame(file: &mut BufReader<ChildStdout>) -> io::Result<Vec<u8>> {
    let [_, _, _, _, _, _, _, _, a, b, c, d, _, _, _, _] = read_exact::<16>(file)?;
    let mut frame = vec![0; u32::from_ne_bytes([a, b, c, d]) as usize];
    file.read_exact(&mut frame)?;
    Ok(frame)
}

fn read_exact<const N: usize>(file: &mut BufReader<ChildStdout>) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
