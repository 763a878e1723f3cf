//! Why media cannot be anchored.

/// Why a body, or a destination in it, is refused. The texts are made to stand in the Warning of a 488 response
/// (RFC 3261 §20.43): ASCII, without quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Beyond one of the limits of this module.
    #[error("The body is longer than this element reads")]
    TooLarge,
    /// A line that no description has.
    #[error("The SDP has a line that is not a letter, an equals sign and a value")]
    Line,
    /// An `m=` line.
    #[error("The SDP has a media line that cannot be read")]
    MediaLine,
    /// A `c=` line, or several that disagree.
    #[error("The SDP has a connection line that cannot be read")]
    Connection,
    /// A media line that has no `c=`, nor has the session.
    #[error("The SDP has media without a connection address")]
    NoConnection,
    /// An `a=rtcp`.
    #[error("The SDP has an rtcp attribute that cannot be read")]
    Rtcp,
    /// One media line for several pairs of ports.
    #[error("One media line on several ports is not relayed")]
    PortCount,
    /// A name, or an address of another network than the Internet.
    #[error("The media address is not an IP address")]
    NotAnAddress,
    /// One of our own addresses.
    #[error("The media address is an address of this element")]
    Loop,
    /// A multicast, broadcast or reserved address.
    #[error("The media address is not that of a host")]
    NotAHost,
    /// A loopback or link-local address, or an IPv4 address in the clothes of IPv6.
    #[error("The media address cannot be reached from here")]
    NotReachable,
    /// Port 0, or one that belongs to a service.
    #[error("The media port is below 1024")]
    Port,
    /// A multipart body.
    #[error("The multipart body cannot be read")]
    Multipart,
    /// A part in base64, compressed, or signed.
    #[error("The SDP is encoded or signed and cannot be changed")]
    Encoded,
}
