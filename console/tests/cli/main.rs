//! The real `muster`, run as people run it: exit code, standard output and standard error held still.

#[cfg(test)]
mod key;
#[cfg(test)]
mod package;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
#[cfg(test)]
mod token;
