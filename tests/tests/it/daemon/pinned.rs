//! Streams that outlive the daemon, in XDP.
