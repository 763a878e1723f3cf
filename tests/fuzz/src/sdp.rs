//! Descriptions of sessions, and putting our addresses into them.

use std::net::{IpAddr, SocketAddr};

use undertone_control_core::sdp::{Anchor, Bodies, Options, Sdp, Treatment, policy};

const RELAY: Options<'static> = Options { remove_alternatives: true, codecs: None };

/// Reads a description, or a body of several parts.
///
/// What is kept is kept byte by byte; what is anchored leads to us, and does not change when it is anchored again.
pub fn sdp(bytes: &[u8]) {
    describe(bytes);
    for kind in [&b"application/sdp"[..], b"multipart/mixed;boundary=\"b\"", b"multipart/related; Boundary=b ; x"] {
        let Ok(bodies) = Bodies::find(kind, bytes) else { continue };
        let found: Vec<&[u8]> = bodies.sdp().collect();
        assert_eq!(bodies.splice(&found), bytes, "nothing was changed");
        for found in found {
            describe(found);
        }
    }
}

fn describe(bytes: &[u8]) {
    let Ok(sdp) = Sdp::parse(bytes) else { return };
    assert_eq!(sdp.rewrite(&[], &Options::default()), bytes);
    assert_eq!(sdp.rewrite(&vec![Treatment::Keep; sdp.media().len()], &Options::default()), bytes);
    for address in ["192.0.2.10", "2001:db8::10"] {
        anchor(&sdp, address.parse().expect("an address"));
    }
    let few = sdp.rewrite(&[], &Options { codecs: Some(&["PCMA"]), ..RELAY });
    let few = Sdp::parse(&few).expect("what was read is read again");
    assert!(few.media().iter().all(|line| line.port == 0 || line.has_any_of(&["PCMA"])));
    for line in sdp.media() {
        let _ = (policy::check_line(line, &[[192, 0, 2, 10].into()]), line.telephone_event(), line.receives());
    }
}

fn anchor(sdp: &Sdp<'_>, address: IpAddr) {
    let port = |index: usize| 20_000 + 2 * index as u16;
    let to = |index| Treatment::Anchor(Anchor { address, port: port(index), rtcp: Some(port(index) + 1) });
    let treatments: Vec<_> = (0..sdp.media().len()).map(to).collect();
    let anchored = sdp.rewrite(&treatments, &RELAY);
    let again = Sdp::parse(&anchored).unwrap_or_else(|error| panic!("{error}: {}", anchored.escape_ascii()));
    assert_eq!(again.media().len(), sdp.media().len());
    for (index, (old, new)) in sdp.media().iter().zip(again.media()).enumerate() {
        let null: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0_u8; 16].into() };
        let at = if old.is_held_by_address() { null } else { address };
        let is_live = old.port != 0 && !old.is_alternative();
        assert_eq!(new.destination, is_live.then(|| SocketAddr::new(at, port(index))));
        assert_eq!((new.kind, new.transport, new.direction), (old.kind, old.transport, old.direction));
    }
    assert_eq!(again.rewrite(&treatments, &RELAY), anchored, "what is ours already stays");
}
