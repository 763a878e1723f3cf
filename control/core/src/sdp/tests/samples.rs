//! Descriptions as they are seen on the wire.

/// A PBX offers speech: addresses at the session's level.
pub(super) const PBX: &str = "v=0\r
o=- 1287391 1287391 IN IP4 198.51.100.20\r
s=PBX\r
c=IN IP4 198.51.100.20\r
t=0 0\r
m=audio 14962 RTP/AVP 8 0 9 3 101\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:9 G722/8000\r
a=rtpmap:3 GSM/8000\r
a=rtpmap:101 telephone-event/8000\r
a=fmtp:101 0-16\r
a=ptime:20\r
a=maxptime:150\r
a=sendrecv\r
";

/// A browser offers speech and pictures, bundled, with its candidates.
pub(super) const BROWSER: &str = "v=0\r
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1\r
a=extmap-allow-mixed\r
a=msid-semantic: WMS stream\r
m=audio 54321 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r
c=IN IP4 203.0.113.9\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=candidate:1467250027 1 udp 2122260223 192.168.0.196 46243 typ host generation 0\r
a=candidate:435653019 1 udp 1845501695 203.0.113.9 54321 typ srflx raddr 192.168.0.196 rport 46243\r
a=ice-ufrag:F7gI\r
a=ice-pwd:x9cml/YzichV2+XlhiMu8g00\r
a=ice-options:trickle\r
a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F\r
a=setup:actpass\r
a=mid:0\r
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r
a=sendrecv\r
a=rtcp-mux\r
a=rtpmap:111 opus/48000/2\r
a=rtcp-fb:111 transport-cc\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtpmap:63 red/48000/2\r
a=fmtp:63 111/111\r
a=rtpmap:9 G722/8000\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:8 PCMA/8000\r
a=rtpmap:13 CN/8000\r
a=rtpmap:110 telephone-event/48000\r
a=rtpmap:126 telephone-event/8000\r
a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6\r
m=video 54322 UDP/TLS/RTP/SAVPF 96 97\r
c=IN IP4 203.0.113.9\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=ice-ufrag:F7gI\r
a=ice-pwd:x9cml/YzichV2+XlhiMu8g00\r
a=mid:1\r
a=sendonly\r
a=rtcp-mux\r
a=rtcp-rsize\r
a=rtpmap:96 VP8/90000\r
a=rtcp-fb:96 nack pli\r
a=rtpmap:97 rtx/90000\r
a=fmtp:97 apt=96\r
";

/// A gateway turns a call into a fax; line ends are bare, the last is missing.
pub(super) const FAX: &str = "v=0
o=gw 20 21 IN IP4 192.0.2.40
s=-
c=IN IP4 192.0.2.40
t=0 0
m=audio 0 RTP/AVP 8
m=image 16384 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
a=T38FaxUdpEC:t38UDPRedundancy";

/// A phone offers SRTP and, as a second choice, plain RTP; each line has its own address.
pub(super) const SDES: &str = "v=0\r
o=phone 8000 8000 IN IP4 192.0.2.77\r
s=SIP Call\r
t=0 0\r
m=audio 5062 RTP/SAVP 0 18 101\r
i=encrypted\r
c=IN IP4 192.0.2.77\r
b=AS:80\r
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r
a=rtpmap:18 G729/8000\r
a=fmtp:18 annexb=no\r
a=rtpmap:101 telephone-event/8000\r
a=rtcp:5065\r
m=audio 5066 RTP/AVP 0\r
c=IN IP4 192.0.2.77\r
";

/// A soft switch on IPv6.
pub(super) const V6: &str = "v=0\r
o=- 1 1 IN IP6 2001:db8:1::5\r
s=-\r
c=IN IP6 2001:db8:1::5\r
t=0 0\r
m=audio 30000 RTP/AVP 8\r
a=rtcp:30001 IN IP6 2001:db8:1::5\r
a=sendrecv\r
";

/// A trunk puts a call on hold as RFC 2543 had it.
pub(super) const HOLD: &str = "v=0\r
o=trunk 5 6 IN IP4 192.0.2.9\r
s=-\r
c=IN IP4 0.0.0.0\r
t=0 0\r
m=audio 22334 RTP/AVP 8\r
a=rtpmap:8 PCMA/8000\r
";

/// Speech and a chat over TCP that inherits the session's address.
pub(super) const CHAT: &str = "v=0\r
o=- 3 3 IN IP4 192.0.2.50\r
s=-\r
c=IN IP4 192.0.2.50\r
t=0 0\r
m=audio 4000 RTP/AVP 0\r
m=message 7654 TCP/MSRP *\r
i=chat\r
a=accept-types:text/plain\r
a=path:msrp://192.0.2.50:7654/jshA7weztas;tcp\r
";

/// All of them, and one whose name is in Latin-1.
pub(super) fn all() -> Vec<Vec<u8>> {
    let texts = [PBX, BROWSER, FAX, SDES, V6, HOLD, CHAT].map(|text| text.as_bytes().to_vec());
    let latin = b"v=0\r\no=- 1 1 IN IP4 192.0.2.3\r\ns=Andr\xe9 M\xfcller\r\nc=IN IP4 192.0.2.3\r\nt=0 0\r\n\
        m=audio 8000 RTP/AVP 8\r\na=tool:\xff\xfe\r\n\r\n";
    texts.into_iter().chain([latin.to_vec()]).collect()
}
