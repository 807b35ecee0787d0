//! The server's own authorities, as files in `ca/`, never as rows: a lost database loses none of them.
//!
//! Two CAs: the *server CA* vouches for the TLS certificate, and its fingerprint is what `muster://…#sha256=`
//! pins; the *host CA* vouches that this server accepted a host's identity key.

mod files;
mod host;
mod tls;

pub use files::{AuthorityError, AuthorityFiles};
pub use host::HostAuthority;
pub use tls::{RenewableCertificate, server_config};
