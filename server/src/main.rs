//! `muster-server`: see `muster_server::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    muster_server::cli::main()
}
