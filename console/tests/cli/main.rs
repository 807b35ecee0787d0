//! The real `muster`, run as people run it: exit code, standard output and standard error held still.

mod key;
mod package;
mod server;
mod support;
mod token;
