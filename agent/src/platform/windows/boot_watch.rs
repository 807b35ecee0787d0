//! A task of the system that starts the watchdog with the machine, as long as the agent becomes another build: a new
//! agent that does not even start cannot see to it itself after a reset.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::platform::ask;

/// The name of the task.
const NAME: &str = "Muster agent upgrade";

/// How long the system may take to take it.
const PATIENCE: Duration = Duration::from_mins(1);

/// Has the watchdog started with the machine from now on. An agent below a root of its own is nobody's service.
///
/// # Errors
/// When the system does not take the task.
pub async fn watch_at_boot(program: &Path, root: Option<&Path>) -> io::Result<()> {
    if root.is_some() {
        return Ok(());
    }
    let file = program.with_extension("xml");
    // The form in which the system itself writes them.
    let text: Vec<u8> = std::iter::once(0xfeff)
        .chain(definition(program).encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    fs_err::write(&file, text)?;
    let path = file.to_string_lossy();
    let taken = schtasks(&["/Create", "/F", "/TN", NAME, "/XML", &path]).await;
    fs_err::remove_file(&file).ok();
    taken
}

/// Takes the task away again.
///
/// # Errors
/// When there is none, or the system keeps it.
pub async fn watch_at_boot_no_more(root: Option<&Path>) -> io::Result<()> {
    if root.is_some() {
        return Ok(());
    }
    schtasks(&["/Delete", "/F", "/TN", NAME]).await
}

async fn schtasks(arguments: &[&str]) -> io::Result<()> {
    ask("schtasks.exe", arguments, PATIENCE, 64 * 1024)
        .await
        .map(|_output| ())
        .map_err(io::Error::other)
}

fn definition(program: &Path) -> String {
    let program = program.to_string_lossy();
    let program = program
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?>\r\n\
         <Task version=\"1.2\" xmlns=\"http://schemas.microsoft.com/windows/2004/02/mit/task\">\r\n\
         <Triggers><BootTrigger><Enabled>true</Enabled></BootTrigger></Triggers>\r\n\
         <Principals><Principal id=\"Author\"><UserId>S-1-5-18</UserId>\
         <RunLevel>HighestAvailable</RunLevel></Principal></Principals>\r\n\
         <Settings><MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>\
         <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>\
         <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>\
         <ExecutionTimeLimit>PT1H</ExecutionTimeLimit></Settings>\r\n\
         <Actions Context=\"Author\"><Exec><Command>{program}</Command>\
         <Arguments>self-upgrade --watch</Arguments></Exec></Actions>\r\n\
         </Task>\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stands_in_the_definition_as_it_is_read_back() {
        let text = definition(Path::new(r"C:\R&D\muster-agent.exe"));
        assert!(
            text.contains(r"<Command>C:\R&amp;D\muster-agent.exe</Command>"),
            "{text}"
        );
    }
}
