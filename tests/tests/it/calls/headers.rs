//! What is not the daemon's to change arrives as it was sent, byte for byte.

use undertone_tests::Result;

use super::{exchange::Plan, ground::Who, peer::Peer};

/// Headers that no proxy needs, written as few would.
const ODD: &str = "X-Odd:   kept  as it is  \r\nx-LOWER:\tand a tab\r\ns: compact\r\nX-Latin: J\u{f6}rg, ÿ\r\n\
                   P-Asserted-Identity: <tel:+4930>, \"A, B\" <sip:a@b.example;x=%41>\r\nX-Empty:\r\n\
                   X-Folded: one\r\n two\r\nHistory-Info: <sip:100@a.example>;index=1\r\nX-Odd: again\r\n";
/// Attributes that are not about where media goes.
const ATTRIBUTES: &str = "a=rtpmap:0 PCMU/8000\r\na=x-odd:  kept \r\na=ptime:20\r\n";

/// What every proxy changes, and what anchoring media does.
const OURS: [&str; 8] =
    ["INVITE ", "Via: ", "Record-Route: ", "Max-Forwards: ", "Content-Length: ", "c=", "m=", "SIP/2.0 "];

/// The lines that are not ours.
fn theirs(message: &str) -> Vec<&str> {
    message.split("\r\n").filter(|line| !OURS.iter().any(|ours| line.starts_with(ours))).collect()
}

#[test]
fn headers_and_bodies_arrive_as_they_were_sent() -> Result<()> {
    let exchange = Plan::loopback()?.start()?;
    let (carrier, pbx) = (Peer::new(&exchange, Who::Carrier)?, Peer::new(&exchange, Who::Pbx)?);
    let sent = carrier.request("INVITE", 1, ODD, &(carrier.sdp() + ATTRIBUTES));
    carrier.send(&sent)?;
    let invite = pbx.hear("INVITE")?;
    assert_eq!(theirs(&invite), theirs(&sent));

    let answer = pbx.answer(&invite, "200 Fine  by me", ODD, &(pbx.sdp() + ATTRIBUTES));
    pbx.send(&answer)?;
    let heard = carrier.hear("SIP/2.0 200 Fine  by me\r\n")?;
    assert_eq!(theirs(&heard), theirs(&answer));
    Ok(())
}
