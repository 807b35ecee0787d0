//! The `muster` command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_console::cli::main()
}
