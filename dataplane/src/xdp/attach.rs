//! Programs onto interfaces.

use std::path::Path as FilePath;

use aya::programs::{
    ProgramError, Xdp, XdpMode,
    links::{FdLink, PinnedLink},
    xdp::XdpLink,
};

use super::link_pin;
use crate::{
    OpenError,
    kernel::{Kernel, KernelError, cause, errno},
    mixer::MixerLink,
    options::{InterfacePath, Path, PathChoice},
};

/// Puts the relay on every interface.
pub(super) fn to_interfaces(
    kernel: &mut Kernel,
    interfaces: &[String],
    choice: PathChoice,
    pins: Option<&FilePath>,
) -> Result<Vec<InterfacePath>, OpenError> {
    interfaces.iter().map(|interface| to_interface(kernel.relay()?, interface, choice, pins)).collect()
}

/// Puts the relay on the end of the mixer's link that packets come back from, and lets the other end take redirects.
pub(super) fn to_mixer_link(kernel: &mut Kernel, link: &MixerLink, pins: Option<&FilePath>) -> Result<(), OpenError> {
    to_interface(kernel.relay()?, &link.near.name, PathChoice::Native, pins)?;
    // A virtual device takes redirected frames only while its other end runs a program.
    to_interface(kernel.pass()?, &link.far.name, PathChoice::Native, pins)?;
    Ok(())
}

/// The modes to try, best first.
fn modes(choice: PathChoice) -> &'static [(Path, XdpMode)] {
    const NATIVE: (Path, XdpMode) = (Path::Native, XdpMode::Driver);
    const GENERIC: (Path, XdpMode) = (Path::Generic, XdpMode::Skb);
    match choice {
        PathChoice::Fastest => &[NATIVE, GENERIC],
        PathChoice::Native => &[NATIVE],
        PathChoice::Generic => &[GENERIC],
        PathChoice::Sockets => &[],
    }
}

fn to_interface(
    program: &mut Xdp,
    interface: &str,
    choice: PathChoice,
    pins: Option<&FilePath>,
) -> Result<InterfacePath, OpenError> {
    let found = |path, reason: &str| InterfacePath { interface: interface.into(), path, reason: reason.into() };
    let adopted = pins.map(|pins| adopt(program, interface, choice, pins)).transpose()?.flatten();
    if let Some(path) = adopted {
        return Ok(found(path, "adopted: the running program was replaced by this build's"));
    }
    let mut refusal = None;
    for (path, mode) in modes(choice) {
        match program.attach(interface, *mode) {
            Ok(id) => {
                if let Some(pins) = pins {
                    let link = program.take_link(id).map_err(|error| KernelError::of("keep an XDP link", error))?;
                    pin(link, pins, interface, *path)?;
                }
                let reason = refusal.map(|(path, reason): (Path, String)| format!("{}: {reason}", path.key()));
                return Ok(found(*path, reason.as_deref().unwrap_or("the driver takes it")));
            }
            Err(ProgramError::UnknownInterface { name }) => return Err(OpenError::UnknownInterface { name }),
            Err(error) => match errno(&error) {
                Some(libc::EBUSY | libc::EEXIST) => return Err(OpenError::Busy { name: interface.into() }),
                Some(libc::EPERM | libc::EACCES) => {
                    return Err(KernelError::NotPermitted { what: "attach an XDP program" }.into());
                }
                _ => refusal = Some((*path, cause(&error))),
            },
        }
    }
    let (path, reason) = refusal.unwrap_or((Path::Native, "no path to try".into()));
    Err(OpenError::NoXdp { name: interface.into(), path: path.key(), reason })
}

/// Replaces the program behind a pinned link, without a moment without one. `None` when there is no such link, or its
/// interface is gone.
fn adopt(program: &mut Xdp, interface: &str, choice: PathChoice, pins: &FilePath) -> Result<Option<Path>, KernelError> {
    for path in [Path::Native, Path::Generic] {
        let pin = link_pin(pins, interface, path.key());
        let Ok(link) = PinnedLink::from_pin(&pin) else { continue };
        if modes(choice).iter().any(|(wanted, _)| *wanted == path)
            && let Ok(link) = XdpLink::try_from(FdLink::from(link))
        {
            match program.attach_to_link(link) {
                Ok(_) => return Ok(Some(path)),
                Err(error) if errno(&error) == Some(libc::ENOLINK) => {}
                // The program that runs is left to run.
                Err(error) => return Err(KernelError::of("replace the running XDP program", error)),
            }
        }
        // Of an interface that is gone, or of a mode that is no longer wanted: removing the pin detaches it.
        let _ = std::fs::remove_file(&pin);
    }
    Ok(None)
}

fn pin(link: XdpLink, pins: &FilePath, interface: &str, path: Path) -> Result<(), OpenError> {
    const WHAT: &str = "pin an XDP link";
    let link: FdLink = link.try_into().map_err(|error| KernelError::of(WHAT, error))?;
    link.pin(link_pin(pins, interface, path.key())).map_err(|error| KernelError::of(WHAT, error))?;
    Ok(())
}
