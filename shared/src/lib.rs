//! Formats, signatures, trust, resolution and protocol types. Bytes in, values out.
//!
//! No async runtime, no HTTP, no SQL, no window: `agent`, `server` and `console` build on this crate
//! and nothing here knows them. Everything that depends on time takes the time as an argument.
#![forbid(unsafe_code)]

pub mod catalogue;
pub mod clock;
pub mod control;
pub mod crypto;
pub mod envelope;
pub mod filter;
pub mod hint;
pub mod index;
pub mod migrate;
pub mod name;
pub mod package;
pub mod protocol;
pub mod registry;
pub mod request;
pub mod rules;
pub mod version;
