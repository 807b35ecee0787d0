//! What an administrator does, one operation a file: used by the window and by the command line alike.
//!
//! Nothing here prints or asks; everything that signs takes an open signer.

pub mod act;
pub mod agent_program;
pub mod build;
pub mod certificate;
pub mod diff;
pub mod distrust;
pub mod duplicate;
pub mod edit;
pub mod encrypt;
pub mod enrol;
pub mod explain;
pub mod external_repository;
pub mod follow;
pub mod host_file;
pub mod host_package;
pub mod import;
pub mod installer;
pub mod key;
pub mod key_file;
pub mod lint;
pub mod migrate;
pub mod password;
pub mod pkcs12;
pub mod promote;
pub mod renew;
pub mod repository;
pub mod repository_rules;
pub mod resolve;
pub mod revoke;
pub mod sign;
pub mod signer;
pub mod targets;
pub mod template;
pub mod token;
pub mod try_package;
pub mod update_sources;
pub mod upload;
pub mod verify;
mod write;
