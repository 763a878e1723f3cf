//! Interfaces come and go under running streams.

mod privileged {
    use std::net::{Ipv4Addr, SocketAddr};

    use undertone_abi::limits::DEVICES_MAX;
    use undertone_dataplane::{MonitorPort, PathChoice, Refused};
    use undertone_tests::{
        Result,
        lab::Family,
        rtp::{Packet, Stream},
    };

    use crate::paths::bed::{Bed, SOON, bytes};

    #[test]
    fn interfaces_that_come_and_go_do_not_use_up_the_output_devices() -> Result<()> {
        let bed = Bed::new(PathChoice::Native)?;
        let call = bed.call(Family::V4, 20_000)?;
        let at = call.relay.a.local;
        let packets = Stream::pcmu(7).numbered(20);
        let sent: Vec<_> = packets.iter().map(Packet::to_bytes).collect();
        let crosses = || -> Result<()> {
            call.caller.send_at_full_rate(&packets, at)?;
            assert_eq!(bytes(&call.agent.wait_for_packets(sent.len(), SOON)?), sent);
            call.agent.take_received();
            Ok(())
        };
        for number in 0..DEVICES_MAX as u8 + 8 {
            let monitor = SocketAddr::from((Ipv4Addr::new(10, 88, number, 2), 9000));
            for arguments in [
                format!("link add out{number} type veth peer name far{number}"),
                format!("link set far{number} up"),
                format!("link set out{number} up"),
                format!("address add 10.88.{number}.1/24 dev out{number}"),
                format!("neigh add {} lladdr 02:75:74:00:88:02 dev out{number} nud permanent", monitor.ip()),
            ] {
                bed.lab.appliance.ip(&arguments)?;
            }
            let copy = bed.drive(|plane| plane.add_copy(at, MonitorPort::Network(monitor)))?;
            bed.wait_for_ways(&[])?;
            crosses()?;
            // The interface goes under the copy every other time.
            let go = || bed.lab.appliance.ip(&format!("link del out{number}")).map(drop);
            if number % 2 == 0 {
                go()?;
                crosses()?;
            }
            bed.drive(|plane| plane.remove_copy(at, copy))?;
            if number % 2 == 1 {
                go()?;
            }
        }
        crosses()?;
        let capacity = bed.plane.capacity();
        assert_eq!((capacity.refused, capacity.destinations_without_room), (Refused::default(), 0));
        Ok(())
    }
}
