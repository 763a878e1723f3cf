//! What a service manager is told.

use std::os::unix::net::UnixDatagram;

use nix::sys::signal::Signal;
use undertone_tests::Result;

use super::{
    appliance::Appliance,
    operator::{SOON, other, start},
};

#[test]
fn a_service_manager_hears_of_every_turn() -> Result<()> {
    let appliance = Appliance::new()?;
    let socket = appliance.file("notify");
    let manager = UnixDatagram::bind(&socket).map_err(other)?;
    manager.set_read_timeout(Some(SOON)).map_err(other)?;
    let hear_until = |wanted: &str| -> Result<()> {
        let mut buffer = [0; 1024];
        loop {
            let length = manager.recv(&mut buffer).map_err(|error| other(format!("no {wanted}: {error}")))?;
            if String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == wanted) {
                return Ok(());
            }
        }
    };
    let mut command = appliance.run_command(&[])?;
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "100000");
    let mut daemon = start(command)?;
    hear_until("READY=1")?;
    hear_until("WATCHDOG=1")?;
    hear_until("WATCHDOG=1")?;
    daemon.signal(Signal::SIGHUP)?;
    hear_until("RELOADING=1")?;
    hear_until("READY=1")?;
    daemon.signal(Signal::SIGTERM)?;
    hear_until("STOPPING=1")?;
    assert!(daemon.wait(SOON)?.success());
    Ok(())
}
