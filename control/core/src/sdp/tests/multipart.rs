use super::{samples::*, *};

const MIXED: &[u8] = b"multipart/mixed;boundary=unique-1";

/// A call from the telephone network: SDP and ISUP, as RFC 3204 has them.
fn isup() -> Vec<u8> {
    let head = "preamble\r\n--unique-1\r\nContent-Type: application/SDP; charset=ISO-10646\r\n\r\n";
    let next = "\r\n--unique-1\r\nContent-Type: application/ISUP; version=nxv3\r\n\
        Content-Transfer-Encoding: binary\r\nContent-Disposition: signal; handling=optional\r\n\r\n";
    let binary = b"\x01\x00\r\n\r\n--unique-1x\r\n\x00\xff\n";
    let end = "\r\n--unique-1--\r\nv=0\r\n--unique-1\r\nepilogue";
    [head.as_bytes(), PBX.as_bytes(), next.as_bytes(), binary, end.as_bytes()].concat()
}

fn find<'b>(content_type: &[u8], body: &'b [u8]) -> Bodies<'b> {
    Bodies::find(content_type, body).unwrap_or_else(|error| panic!("{error}: {}", body.escape_ascii()))
}

fn sdp<'b>(content_type: &[u8], body: &'b [u8]) -> Vec<&'b str> {
    find(content_type, body).sdp().map(|part| str::from_utf8(part).expect("text")).collect()
}

/// A part of a multipart body.
fn part(boundary: &str, fields: &str, content: &str) -> String {
    format!("--{boundary}\r\n{fields}\r\n{content}\r\n")
}

#[test]
fn a_body_of_sdp_is_sdp() {
    for content_type in ["application/sdp", "Application/SDP ; charset=utf-8", " application/sdp"] {
        assert_eq!(sdp(content_type.as_bytes(), PBX.as_bytes()), [PBX]);
    }
    assert_eq!(find(b"application/sdp", PBX.as_bytes()).splice(&["new"]), b"new");
}

#[test]
fn other_bodies_have_no_sdp() {
    for content_type in ["message/sipfrag", "application/trickle-ice-sdpfrag", "application/sdpx", "text/plain", ""] {
        let long = "v=0\n".repeat(BODY_BYTES_MAX);
        let bodies = find(content_type.as_bytes(), long.as_bytes());
        assert_eq!(bodies.sdp().len(), 0, "{content_type}");
        assert_eq!(bodies.splice(&["new"]), long.as_bytes());
    }
}

#[test]
fn sdp_is_found_beside_binary_and_replaced_alone() {
    let body = isup();
    assert_eq!(sdp(MIXED, &body), [PBX]);
    let bodies = find(MIXED, &body);
    let none: [&[u8]; 0] = [];
    assert_eq!(bodies.splice(&none), body);
    let at = body.windows(PBX.len()).position(|window| window == PBX.as_bytes()).expect("it is there");
    let expected = [&body[..at], b"new", &body[at + PBX.len()..]].concat();
    assert_eq!(bodies.splice(&["new"]), expected);
}

#[test]
fn boundaries_are_read_as_they_may_be_written() {
    let table = [
        ("multipart/mixed; boundary=b", "b"),
        ("Multipart/Mixed ;BOUNDARY = \"b\"", "b"),
        ("multipart/mixed;boundary=\"a b;c=d\"; x=y", "a b;c=d"),
        ("multipart/mixed;boundary=\"a\\\"b\\\\\"", "a\"b\\"),
        ("multipart/related;type=\"x;boundary=no\";flag;boundary=b ;z", "b"),
        ("multipart/mixed;\r\n boundary=b", "b"),
        ("multipart/mixed;boundary=b--", "b--"),
    ];
    for (content_type, boundary) in table {
        let body = part(boundary, "Content-Type: application/sdp\r\n", HOLD) + &format!("--{boundary}--\r\n");
        assert_eq!(sdp(content_type.as_bytes(), body.as_bytes()), [HOLD], "{content_type}");
    }
}

#[test]
fn parts_may_be_written_carelessly() {
    let table = [
        "--b \nContent-type:application/sdp\n\nv=0\n\n--b--",
        "--b\t\r\nc: application/sdp\r\n\r\nv=0\n\r\n--b--  \r\n",
        "--b\r\nContent-Type:\r\n application/sdp;\r\n\tx=y\r\nno field\r\n\r\nv=0\n\r\n--b--",
    ];
    for body in table {
        assert_eq!(sdp(b"multipart/mixed;boundary=b", body.as_bytes()), ["v=0\n"], "{}", body.escape_debug());
    }
}

#[test]
fn parts_may_be_empty() {
    let body =
        "--b\r\n--b\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\n--b\r\nContent-Type: application/sdp\r\n--b--";
    assert_eq!(sdp(b"multipart/mixed;boundary=b", body.as_bytes()), ["", ""]);
}

#[test]
fn alternatives_within_a_mixture_are_found() {
    let inner = part("in", "Content-Type: application/sdp\r\n", PBX)
        + &part("in", "Content-Type: application/sdp\r\n", HOLD)
        + "--in--\r\n";
    let body = part("out", "Content-Type: multipart/alternative; boundary=in\r\n", &inner)
        + &part("out", "Content-Type: text/plain\r\n", "v=0")
        + "--out--\r\n";
    let content_type = b"multipart/mixed;boundary=out";
    assert_eq!(sdp(content_type, body.as_bytes()), [PBX, HOLD]);
    let new = find(content_type, body.as_bytes()).splice(&["one", "two"]);
    assert_eq!(new, body.replace(PBX, "one").replace(HOLD, "two").as_bytes());
}

#[test]
fn lengths_follow_what_they_measure() {
    let measured = |content: &str| format!("Content-Length: {}\r\n", content.len());
    let whole = |sdp: &str, text: &str| {
        let fields = format!("{}Content-Type: application/sdp\r\n", measured(sdp));
        let inner = part("in", &fields, sdp) + "--in--\r\n";
        let fields = format!("Content-Type: multipart/alternative;boundary=in\r\nl : {}\r\n", inner.len());
        part("out", &fields, &inner) + &part("out", &measured(text), text) + "--out--\r\n"
    };
    let long = "v=0\n".repeat(300);
    for (old, new) in [("v=0\n", &*long), (&long, "v=0\n"), (PBX, PBX)] {
        let body = whole(old, "text");
        let new_body = find(b"multipart/mixed;boundary=out", body.as_bytes()).splice(&[new]);
        assert_eq!(new_body.escape_ascii().to_string(), whole(new, "text").as_bytes().escape_ascii().to_string());
    }
}

#[test]
fn what_hides_sdp_is_refused() {
    let encoded =
        |field: &str| part("b", &format!("Content-Type: application/sdp\r\n{field}\r\n"), "dj0wCg==") + "--b--";
    let table = [
        ("multipart/mixed;boundary=b", encoded("Content-Transfer-Encoding: base64"), SdpError::Encoded),
        ("multipart/mixed;boundary=b", encoded("content-transfer-encoding:Quoted-Printable"), SdpError::Encoded),
        ("multipart/mixed;boundary=b", encoded("Content-Encoding: gzip"), SdpError::Encoded),
        ("multipart/mixed;boundary=b", encoded("Content-Type: text/plain"), SdpError::Multipart),
        ("multipart/mixed;boundary=b", encoded("Content-Length: x"), SdpError::Multipart),
        ("multipart/signed;boundary=b", encoded("x:y"), SdpError::Encoded),
        ("multipart/mixed", encoded("x:y"), SdpError::Multipart),
        ("multipart/mixed;boundary=", encoded("x:y"), SdpError::Multipart),
        ("multipart/mixed;boundary=\"b", encoded("x:y"), SdpError::Multipart),
        ("multipart/mixed;boundary=B", encoded("x:y"), SdpError::Multipart),
        ("multipart/mixed;boundary=b", "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\n".into(), SdpError::Multipart),
        ("multipart/mixed;boundary=b", "--b--\r\n".into(), SdpError::Multipart),
        ("multipart/mixed;boundary=b", String::new(), SdpError::Multipart),
        ("multipart/mixed;boundary=b", "--b\r\n\r\n\r\n".repeat(PARTS_MAX + 1) + "--b--", SdpError::TooLarge),
        ("application/sdp", "s".repeat(BODY_BYTES_MAX + 1), SdpError::TooLarge),
    ];
    for (content_type, body, error) in table {
        let found = Bodies::find(content_type.as_bytes(), body.as_bytes());
        assert_eq!(found.err(), Some(error), "{content_type}: {}", body.escape_debug());
    }
    let plain = encoded("Content-Transfer-Encoding: 8BIT");
    assert_eq!(find(b"multipart/mixed;boundary=b", plain.as_bytes()).sdp().len(), 1);
}

#[test]
fn bodies_within_bodies_end_somewhere() {
    let nest = |depth: usize| {
        (0..depth).fold("v=0\n".to_string(), |inner, level| {
            let content_type =
                if level == 0 { "application/sdp".into() } else { format!("multipart/mixed;boundary=b{}", level - 1) };
            part(&format!("b{level}"), &format!("Content-Type: {content_type}\r\n"), &inner)
                + &format!("--b{level}--\r\n")
        })
    };
    assert_eq!(sdp(b"multipart/mixed;boundary=b1", nest(2).as_bytes()), ["v=0\n"]);
    let three = nest(3);
    assert_eq!(Bodies::find(b"multipart/mixed;boundary=b2", three.as_bytes()).err(), Some(SdpError::Multipart));
}

#[test]
fn a_cut_body_never_panics_and_never_loses_a_byte() {
    let body = isup();
    for end in 0..=body.len() {
        if let Ok(bodies) = Bodies::find(MIXED, &body[..end]) {
            let parts: Vec<&[u8]> = bodies.sdp().collect();
            assert_eq!(bodies.splice(&parts), &body[..end]);
        }
    }
}
