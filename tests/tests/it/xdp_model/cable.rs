//! The far ends of the node's links: frames are put on one, and seen on the others, as they are.

use std::io::{self, BufReader, Read};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Instant;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, bind, send, socket};
use undertone_tests::Result;
use undertone_tests::lab::Interface;

/// Puts frames on a link, and each is taken off at the other end before the next one comes.
pub(super) struct Injector {
    bursts: Sender<Vec<Vec<u8>>>,
    sent: Receiver<io::Result<()>>,
}

impl Injector {
    /// Puts frames on `interface`.
    pub(super) fn start(interface: &Interface) -> Result<Self> {
        let outlet = interface.namespace().run(|| Outlet::open(interface.name()))?.expect("root opens packet sockets");
        let ((bursts, orders), (reports, sent)) = (mpsc::channel::<Vec<Vec<u8>>>(), mpsc::channel());
        thread::spawn(move || {
            let send_all = |burst: Vec<Vec<u8>>| burst.iter().try_for_each(|frame| outlet.send(frame));
            while let Ok(burst) = orders.recv()
                && reports.send(send_all(burst)).is_ok()
            {}
        });
        Ok(Self { bursts, sent })
    }

    /// Sends frames, one right after another.
    pub(super) fn send(&self, frames: Vec<Vec<u8>>) {
        self.bursts.send(frames).expect("the injector's thread is there");
        self.sent.recv().expect("the injector's thread is there").expect("a packet socket sends");
    }
}

/// A packet socket.
struct Outlet(OwnedFd);

impl Outlet {
    /// On the interface `name` of the calling thread's namespace.
    fn open(name: &str) -> io::Result<Self> {
        let mut links = getifaddrs()?.filter(|interface| interface.interface_name == name);
        let link = links.find_map(|interface| interface.address?.as_link_addr().copied());
        let link = link.ok_or_else(|| io::Error::other(format!("there is no interface {name}")))?;
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
        bind(socket.as_raw_fd(), &link)?;
        Ok(Self(socket))
    }

    fn send(&self, frame: &[u8]) -> io::Result<()> {
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
    pub(super) fn start(interface: &Interface, marked: [u8; 4]) -> io::Result<Self> {
        let mut command: Command = interface.namespace().command("tcpdump");
        let mut tcpdump = command
            // What a frame may have at most says how many the kernel has room for.
            .args(["-i", interface.device(), "-Q", "in", "-s", "2048", "-U", "--immediate-mode", "-w", "-"])
            .arg(format!("ether[6:4] = {:#x}", u32::from_be_bytes(marked)))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = tcpdump.stdout.take().ok_or_else(|| io::Error::other("a pipe was asked for"))?;
        let mut file = BufReader::new(stdout);
        // The file's header comes when the interface is being listened to.
        read_exact::<24>(&mut file)?;
        let (sender, frames) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(frame) = read_frame(&mut file)
                && sender.send(frame).is_ok()
            {}
        });
        Ok(Self { tcpdump, frames })
    }

    /// The next so many frames, or those that come until `deadline`.
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

/// One record of a pcap file: a time, two lengths, and the bytes.
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
