//! Files that let editors run what a packager runs: PyScripter's project, VS Code's tasks and launches.
//!
//! They name no folder of one machine but that of `setuphelpers`, and call `muster` from the search path.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What can be run: name, words of the command line after `muster` with `@` for the folder, what it does.
const RUNS: [(&str, &str, &str); 7] = [
    (
        "install",
        "package run @ install",
        "Runs install() on this machine",
    ),
    (
        "remove",
        "package run @ uninstall",
        "Runs uninstall() on this machine",
    ),
    (
        "session-setup",
        "package run @ session-setup",
        "Runs session_setup() as you",
    ),
    ("audit", "package run @ audit", "Runs audit() on this machine"),
    (
        "update-package-sources",
        "package run @ update-package",
        "Runs update_package(): fetches a newer version",
    ),
    ("build", "package build @ -i", "Builds and signs the next version"),
    (
        "build-upload",
        "package build @ -i --upload",
        "Builds, signs and sends the next version to the server",
    ),
];

/// Every file with its path in the sources.
pub(super) fn files(package: &str, completion: Option<&str>) -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("WAPT/wapt.psproj".to_owned(), psproj(package).into_bytes()),
        (".vscode/tasks.json".to_owned(), pretty(&tasks())),
        (".vscode/launch.json".to_owned(), pretty(&launches())),
        (".vscode/settings.json".to_owned(), pretty(&settings())),
    ];
    if let Some(folder) = completion {
        files.push((".env".to_owned(), environment(folder).into_bytes()));
    }
    files
}

fn pretty(value: &Value) -> Vec<u8> {
    (serde_json::to_string_pretty(value).unwrap_or_default() + "\n").into_bytes()
}

fn words(run: &str, folder: &str) -> Vec<String> {
    run.split(' ').map(|word| word.replace('@', folder)).collect()
}

fn tasks() -> Value {
    let tasks: Vec<Value> = RUNS
        .iter()
        .map(|(name, run, what)| {
            let mut task = json!({
                "label": format!("muster: {name}"),
                "detail": what,
                "type": "process",
                "command": "muster",
                "args": words(run, "${workspaceFolder}"),
                "problemMatcher": {
                    "owner": "muster",
                    "fileLocation": "autoDetect",
                    "pattern": {
                        "regexp": "^\\s*File \"(.+)\", line (\\d+)(.*)$",
                        "file": 1,
                        "line": 2,
                        "message": 3,
                    },
                },
                "presentation": {"reveal": "always", "panel": "dedicated", "clear": true},
            });
            if *name == "build"
                && let Some(task) = task.as_object_mut()
            {
                task.insert("group".to_owned(), json!({"kind": "build", "isDefault": true}));
            }
            task
        })
        .collect();
    json!({"version": "2.0.0", "tasks": tasks})
}

/// "Run and debug" lists the same: each starts its task in a terminal.
fn launches() -> Value {
    let configurations: Vec<Value> = RUNS
        .iter()
        .map(|(name, run, _what)| {
            let command = words(run, "${workspaceFolder}")
                .iter()
                .map(|word| {
                    if word.contains('$') {
                        format!("\"{word}\"")
                    } else {
                        word.clone()
                    }
                })
                .collect::<Vec<_>>()
                .join(" ");
            json!({
                "name": name,
                "type": "node-terminal",
                "request": "launch",
                "command": format!("muster {command}"),
                "cwd": "${workspaceFolder}",
            })
        })
        .collect();
    json!({"version": "0.2.0", "configurations": configurations})
}

fn settings() -> Value {
    json!({
        "files.encoding": "utf8",
        "files.eol": "\n",
        "files.trimTrailingWhitespace": true,
        "files.exclude": {"**/__pycache__": true},
        "files.associations": {"control": "yaml"},
        "python.envFile": "${workspaceFolder}/.env",
        // `from setuphelpers import *` is how scripts begin.
        "python.analysis.diagnosticSeverityOverrides": {
            "reportWildcardImportFromLibrary": "none",
            "reportUndefinedVariable": "warning",
        },
    })
}

fn environment(folder: &str) -> String {
    let folder = folder.replace(['\n', '\r'], "");
    format!("# Where setuphelpers lies, so that the editor completes its names.\nPYTHONPATH={folder}\n")
}

/// A project as PyScripter stores it: a tree of nodes that each name their class.
fn psproj(package: &str) -> String {
    let mut runs = String::new();
    for (number, (name, run, what)) in RUNS.iter().enumerate() {
        // The project lies in WAPT, the sources one above.
        let parameters = words(run, "\"$[Project-Path]..\"").join(" ");
        write!(
            runs,
            r#"        <Node{number} ClassName="TProjectRunConfiguationNode" Name="{name}">
          <RunConfig ScriptName="$[Project-Path]..\setup.py" Description="{what}" EngineType="peRemote" ReinitializeBeforeRun="TRUE" Parameters="" WorkingDir="$[Project-Path].." OutputFileName="" WriteOutputToFile="FALSE" AppendToFile="FALSE">
            <ExternalRun Caption="{caption}" Description="{what}" ApplicationName="muster.exe" Parameters="{parameters}" WorkingDirectory="$[Project-Path].." SaveFiles="sfAll" Context="tcAlwaysEnabled" ParseTraceback="TRUE" CaptureOutput="TRUE" ConsoleHidden="TRUE" Utf8IO="TRUE"/>
          </RunConfig>
        </Node{number}>
"#,
            name = escape(name),
            what = escape(what),
            caption = escape(&format!("{name} {package}")),
            parameters = escape(&parameters),
        )
        .ok();
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<PyScripterProject>
  <Project ClassName="TProjectRootNode" StoreRelativePaths="TRUE" ShowFileExtensions="TRUE">
    <ChildNodes Count="2">
      <Node0 ClassName="TProjectFilesNode">
        <ChildNodes Count="2">
          <Node0 ClassName="TProjectFileNode" FileName="$[Project-Path]control"/>
          <Node1 ClassName="TProjectFileNode" FileName="$[Project-Path]..\setup.py"/>
        </ChildNodes>
      </Node0>
      <Node1 ClassName="TProjectRunConfiguationsNode">
        <ChildNodes Count="{count}">
{runs}        </ChildNodes>
      </Node1>
    </ChildNodes>
    <ExtraPythonPath Count="0"/>
  </Project>
</PyScripterProject>
"#,
        count = RUNS.len(),
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_stands_in_every_editor() {
        let files = files("demo-a", Some("/x"));
        let text = |name: &str| {
            let (_, bytes) = files.iter().find(|(file, _)| file == name).unwrap();
            String::from_utf8(bytes.clone()).unwrap()
        };
        for (name, _, _) in RUNS {
            assert!(text("WAPT/wapt.psproj").contains(&format!("Name=\"{name}\"")));
            assert!(text(".vscode/tasks.json").contains(&format!("muster: {name}")));
            assert!(text(".vscode/launch.json").contains(&format!("\"name\": \"{name}\"")));
        }
        let tasks: Value = serde_json::from_str(&text(".vscode/tasks.json")).unwrap();
        assert_eq!(
            tasks["tasks"][0]["args"],
            json!(["package", "run", "${workspaceFolder}", "install"])
        );
        assert!(text(".env").ends_with("PYTHONPATH=/x\n"));
    }
}
