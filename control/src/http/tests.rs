//! The server, in front of an appliance that is made up.
