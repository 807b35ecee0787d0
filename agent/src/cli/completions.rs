//! `muster-agent completions` and `man`: for shells and for `man muster-agent`.

use clap::CommandFactory as _;
use clap_complete::Shell;
use muster_shared::protocol::error::ErrorCode;

use super::{Cli, Common, Done};
use crate::failure::Failure;
use crate::output::Output;

/// Print the completion script for a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  muster-agent completions bash > /etc/bash_completion.d/muster-agent
  muster-agent completions zsh > /usr/share/zsh/site-functions/_muster-agent
  muster-agent completions fish > /usr/share/fish/vendor_completions.d/muster-agent.fish
  muster-agent completions powershell >> $PROFILE")]
pub(super) struct CompletionArguments {
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(arguments: &CompletionArguments) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "muster-agent", &mut script);
    Output::raw(&script);
}

/// Print the manual page, or write one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  muster-agent man | man -l -
  muster-agent man --dir /usr/share/man/man8")]
pub(super) struct ManArguments {
    /// Write muster-agent.8 and a page for each command into this folder.
    #[arg(long, value_name = "DIR")]
    dir: Option<std::path::PathBuf>,
}

pub(super) fn man(common: &Common, arguments: &ManArguments) -> Done {
    let failed = |error: std::io::Error| {
        Failure::new(
            ErrorCode::Internal,
            format!("the manual page cannot be written: {error}"),
        )
    };
    let mut command = Cli::command();
    command.build();
    let Some(folder) = &arguments.dir else {
        let mut page = Vec::new();
        page_of(&command, "muster-agent")
            .render(&mut page)
            .map_err(failed)?;
        Output::raw(&page);
        return Ok(None);
    };
    fs_err::create_dir_all(folder).map_err(failed)?;
    let mut written = Vec::new();
    let mut write = |command: &clap::Command, name: &str| -> Result<(), Failure> {
        let mut page = Vec::new();
        page_of(command, name).render(&mut page).map_err(failed)?;
        let path = folder.join(format!("{name}.8"));
        fs_err::write(&path, page).map_err(failed)?;
        written.push(path.display().to_string());
        Ok(())
    };
    write(&command, "muster-agent")?;
    for sub in command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
    {
        write(sub, &format!("muster-agent-{}", sub.get_name()))?;
    }
    common.output().answer(&written, |written| written.join("\n"));
    Ok(None)
}

fn page_of(command: &clap::Command, name: &str) -> clap_mangen::Man {
    clap_mangen::Man::new(command.clone())
        .section("8")
        .title(name.to_uppercase())
        .manual("Muster")
}
