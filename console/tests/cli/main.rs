//! The real `muster`, run as people run it: exit code, standard output and standard error held still.

#[cfg(test)]
mod damaged_installers;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod edit;
#[cfg(test)]
mod exact;
#[cfg(test)]
mod import;
#[cfg(test)]
mod installers;
#[cfg(test)]
mod key;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod migrate;
#[cfg(test)]
mod new_from;
#[cfg(test)]
mod new_sources;
#[cfg(test)]
mod package;
#[cfg(test)]
mod promote;
#[cfg(test)]
mod repo;
mod repo_rules;
#[cfg(test)]
mod resolve;
#[cfg(test)]
mod sections;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
#[cfg(test)]
mod token;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod try_package;
#[cfg(test)]
mod verify;
