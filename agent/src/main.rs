//! `muster-agent`: the service and the command line of managed machines.
#![cfg_attr(not(windows), forbid(unsafe_code))]

fn main() -> std::process::ExitCode {
    muster_agent::cli::main()
}
