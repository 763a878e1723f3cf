//! `undertone capture`: what arrives at a port, as a file that other programs read.

use std::{fs, net::SocketAddr, path::Path};

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use nix::sys::signal::Signal;
use pcap_parser::{Linktype, PcapCapture};
use undertone_tests::{Error, Result, lab::wait_for};

use super::{
    appliance::{Appliance, Party},
    operator::{SOON, has_copy, other},
};

/// A packet of a capture: from, to, payload.
pub(super) type Captured = (SocketAddr, SocketAddr, Vec<u8>);

/// The packets of a file.
pub(super) fn read(file: &Path) -> Result<Vec<Captured>> {
    parse(&fs::read(file).map_err(other)?)
}

fn parse(bytes: &[u8]) -> Result<Vec<Captured>> {
    let capture = PcapCapture::from_file(bytes).map_err(|error| Error::Other(format!("no pcap file: {error:?}")))?;
    assert_eq!(capture.header.network, Linktype::RAW);
    capture.blocks.iter().map(|block| packet(block.data)).collect()
}

fn packet(bytes: &[u8]) -> Result<Captured> {
    let packet = SlicedPacket::from_ip(bytes).map_err(other)?;
    let Some(TransportSlice::Udp(udp)) = &packet.transport else { return Err(other("no UDP")) };
    let (from, to) = match &packet.net {
        Some(NetSlice::Ipv4(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        Some(NetSlice::Ipv6(ip)) => (ip.header().source_addr().into(), ip.header().destination_addr().into()),
        _ => return Err(other("no IP")),
    };
    let (from, to) = (SocketAddr::new(from, udp.source_port()), SocketAddr::new(to, udp.destination_port()));
    Ok((from, to, udp.payload().to_vec()))
}

#[test]
fn a_capture_has_each_packet_as_it_arrived() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let file = appliance.file("call.pcap");
    let at = appliance.port(0);
    let mut process = appliance.capture(at, &["--count", "40", "-w", &file.to_string_lossy()])?;
    let sent = a.speak(50, at)?;
    assert!(process.wait(SOON)?.success());
    process.wait_for_line("40 packets", SOON)?;
    let expected: Vec<_> = sent.into_iter().take(40).map(|payload| (a.address(), at, payload)).collect();
    assert_eq!(read(&file)?, expected);
    // The other party lost nothing, and the copy is gone.
    assert_eq!(b.hear(50, appliance.port(2))?.len(), 50);
    appliance.wait_for_stream(at, "the copy to be gone", |stream| !has_copy(stream))?;
    Ok(())
}

#[test]
fn both_directions_stand_in_one_file() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let (file, at, back) = (appliance.file("both.pcap"), appliance.port(0), appliance.port(2));
    let mut process = appliance.capture(at, &["--both", "--count", "20", "-w", &file.to_string_lossy()])?;
    let (there, here) = (a.speak(10, at)?, b.speak(10, back)?);
    assert!(process.wait(SOON)?.success());
    let captured = read(&file)?;
    let of = |from: SocketAddr, to| -> Vec<_> {
        captured.iter().filter(|it| (it.0, it.1) == (from, to)).map(|it| it.2.clone()).collect()
    };
    assert_eq!((of(a.address(), at), of(b.address(), back)), (there, here));
    Ok(())
}

#[test]
fn an_interrupted_capture_is_a_whole_file() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let (file, at) = (appliance.file("call.pcap"), appliance.port(0));
    let mut process = appliance.capture(at, &["-w", &file.to_string_lossy()])?;
    a.speak(7, at)?;
    let packets = || read(&file).ok().filter(|packets| packets.len() == 7);
    wait_for("seven packets in the file", SOON, packets)?;
    process.signal(Signal::SIGINT)?;
    assert!(process.wait(SOON)?.success());
    assert_eq!(read(&file)?.len(), 7);
    Ok(())
}

#[test]
fn a_client_that_dies_takes_its_copy_along() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let at = appliance.port(0);
    let mut process = appliance.capture(at, &["-w", &appliance.file("call.pcap").to_string_lossy()])?;
    assert_eq!(appliance.ask(&["status"])?["captures"], 1);
    process.kill9()?;
    appliance.wait_for_stream(at, "the copy to be gone", |stream| !has_copy(stream))?;
    assert_eq!(appliance.ask(&["status"])?["captures"], 0);
    Ok(())
}

#[test]
fn a_capture_ends_with_its_stream() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let (file, at) = (appliance.file("call.pcap"), appliance.port(0));
    let mut process = appliance.capture(at, &["-w", &file.to_string_lossy()])?;
    appliance.say(&["relay", "remove", &at.to_string()])?.done()?;
    process.wait_for_line("the stream ended", SOON)?;
    assert!(process.wait(SOON)?.success());
    assert_eq!(read(&file)?, []);
    Ok(())
}

#[test]
fn a_capture_goes_through_a_pipe() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let at = appliance.port(0);
    let mut command = appliance.command(&["capture", &at.port().to_string(), "--count", "5", "-w", "-"])?;
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
    let child = command.spawn().map_err(other)?;
    appliance.wait_for_stream(at, "the capture's copy", has_copy)?;
    let sent = a.speak(5, at)?;
    let output = child.wait_with_output().map_err(other)?;
    let payloads: Vec<_> = parse(&output.stdout)?.into_iter().map(|(_, _, payload)| payload).collect();
    assert_eq!(payloads, sent);
    Ok(())
}

#[test]
fn what_cannot_be_captured_is_told() -> Result<()> {
    let appliance = Appliance::new()?;
    let (a, b) = (Party::new()?, Party::new()?);
    appliance.configure(&appliance.relay(0, &a, &b))?;
    let _daemon = appliance.run()?;
    let complaint = appliance.say(&["capture", "19999", "-w", "-"])?.failed(1)?;
    assert!(complaint.contains("no stream at media port 19999"), "{complaint}");
    let at = appliance.port(0);
    let complaint = appliance.say(&["capture", &at.to_string(), "-w", "/nowhere/call.pcap"])?.failed(1)?;
    assert!(complaint.contains("cannot write /nowhere/call.pcap"), "{complaint}");
    appliance.wait_for_stream(at, "the copy to be gone", |stream| !has_copy(stream)).map(drop)
}
