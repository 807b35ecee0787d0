//! `muster-agent completions` and `man`: for shells and for `man muster-agent`.

use clap_complete::Shell;
use muster_shared::protocol::error::ErrorCode;

use super::{Common, Done, command};
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
    clap_complete::generate(arguments.shell, &mut command(), "muster-agent", &mut script);
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
    let mut command = command();
    command.build();
    let Some(folder) = &arguments.dir else {
        Output::raw(page_of(&command, "muster-agent").map_err(failed)?.as_bytes());
        return Ok(None);
    };
    fs_err::create_dir_all(folder).map_err(failed)?;
    let mut written = Vec::new();
    let mut waiting = vec![("muster-agent".to_owned(), command)];
    while let Some((name, command)) = waiting.pop() {
        let path = folder.join(format!("{name}.8"));
        fs_err::write(&path, page_of(&command, &name).map_err(failed)?).map_err(failed)?;
        written.push(path.display().to_string());
        let subs = command.get_subcommands();
        let shown = subs.filter(|sub| !sub.is_hide_set() && sub.get_name() != "help");
        waiting.extend(shown.map(|sub| (format!("{name}-{}", sub.get_name()), sub.clone())));
    }
    written.sort();
    common.output().answer(&written, |written| written.join("\n"));
    Ok(None)
}

fn page_of(command: &clap::Command, name: &str) -> std::io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .section("8")
        .title(name.to_uppercase())
        .source(concat!("muster-agent ", env!("CARGO_PKG_VERSION")))
        .manual("Muster")
        .render(&mut page)?;
    Ok(typeset(&String::from_utf8_lossy(&page)))
}

/// A page as `man` sets it best: the text below the options is a section of notes whose indented lines stay as they
/// are, and the page's missing date is written as missing, not left out.
fn typeset(page: &str) -> String {
    let mut set = String::new();
    let (mut is_notes, mut is_kept) = (false, false);
    for line in page.lines() {
        if line.starts_with(".SH") {
            is_notes = line == ".SH EXTRA";
        }
        let keep = is_notes && line.starts_with("  ");
        if keep != is_kept {
            set.push_str(if keep { ".nf\n" } else { ".fi\n" });
            is_kept = keep;
        }
        match line {
            ".SH EXTRA" => set.push_str(".SH NOTES"),
            "" if is_notes => set.push_str(".PP"),
            _ if line.starts_with(".TH ") => set.push_str(&line.replacen(" 8  ", " 8 \"\" ", 1)),
            _ => set.push_str(line),
        }
        set.push('\n');
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_stay_as_they_are_in_manual_pages() {
        let mut command = command();
        command.build();
        let install = command.find_subcommand("install").unwrap();
        let page = page_of(install, "muster-agent-install").unwrap();
        assert!(
            page.contains(".SH NOTES\nExamples:\n.nf\n  muster\\-agent install demo\\-hello\n"),
            "{page}"
        );
        assert!(page.contains(".fi\n.SH VERSION"), "{page}");
        assert!(
            page.contains(".TH MUSTER-AGENT-INSTALL 8 \"\" \"muster-agent "),
            "{page}"
        );
        for line in page.lines() {
            assert!(!line.is_empty(), "{page}");
        }
    }
}
