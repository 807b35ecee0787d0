//! What an administrator does, one operation a file: used by the window and by the command line alike.
//!
//! Nothing here prints or asks; everything that signs takes an open signer.

pub mod act;
pub mod build;
pub mod certificate;
pub mod enrol;
pub mod follow;
pub mod host_package;
pub mod key;
pub mod repository;
pub mod sign;
pub mod signer;
pub mod targets;
pub mod template;
pub mod upload;
pub mod verify;
mod write;
