//! Addresses to listen on: an IP address and a port, never a name, which could mean several.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer, de};

/// Reads an address as a flag or variable gives it.
pub fn parse(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no IP address with a port; give an address like 127.0.0.1:4000 or [::1]:4000")
    })
}

/// Reads an address as a file gives it.
pub fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    parse(&text).map(Some).map_err(de::Error::custom)
}
