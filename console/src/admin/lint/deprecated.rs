//! Calls that still work, or worked until lately, and what to write instead.

use ruff_text_size::Ranged as _;

use super::Severity;
use super::scope::Facts;
use super::script::Script;

/// Dotted names, how grave, why, and what replaces them.
const CALLS: [(&str, Severity, &str, &str); 22] = [
    (
        "apt_install",
        Severity::Note,
        "is the spelling of old templates",
        "write install_apt",
    ),
    (
        "apt_remove",
        Severity::Note,
        "is the spelling of old templates",
        "write uninstall_apt",
    ),
    (
        "dpkg_install",
        Severity::Note,
        "is the spelling of old templates",
        "write install_deb",
    ),
    (
        "rpm_install",
        Severity::Note,
        "is the spelling of old templates",
        "write install_rpm",
    ),
    (
        "os.system",
        Severity::Warning,
        "does not fail when the command fails",
        "write run(command)",
    ),
    (
        "os.popen",
        Severity::Warning,
        "does not fail when the command fails",
        "write run(command)",
    ),
    (
        "os.startfile",
        Severity::Warning,
        "waits for nothing and needs a desktop",
        "write run(command)",
    ),
    (
        "time.clock",
        Severity::Error,
        "is gone since Python 3.8",
        "write time.perf_counter",
    ),
    (
        "platform.linux_distribution",
        Severity::Error,
        "is gone since Python 3.8",
        "write get_distrib_linux",
    ),
    (
        "platform.dist",
        Severity::Error,
        "is gone since Python 3.8",
        "write get_distrib_linux",
    ),
    (
        "base64.encodestring",
        Severity::Error,
        "is gone since Python 3.9",
        "write base64.encodebytes",
    ),
    (
        "base64.decodestring",
        Severity::Error,
        "is gone since Python 3.9",
        "write base64.decodebytes",
    ),
    (
        "inspect.getargspec",
        Severity::Warning,
        "is gone since Python 3.11",
        "write inspect.getfullargspec",
    ),
    (
        "ssl.wrap_socket",
        Severity::Warning,
        "is gone since Python 3.12",
        "write ssl.create_default_context().wrap_socket",
    ),
    (
        "logger.warn",
        Severity::Note,
        "is gone since Python 3.13",
        "write logger.warning",
    ),
    (
        "logging.warn",
        Severity::Note,
        "is gone since Python 3.13",
        "write logging.warning",
    ),
    (
        "string.letters",
        Severity::Error,
        "is gone",
        "write string.ascii_letters",
    ),
    (
        "thread.start_new_thread",
        Severity::Error,
        "is gone",
        "write threading.Thread(target=f).start()",
    ),
    ("os.tmpnam", Severity::Error, "is gone", "write tempfile.mkstemp"),
    (
        "tempfile.mktemp",
        Severity::Warning,
        "gives a name that another may take first",
        "write tempfile.mkstemp or tempfile.mkdtemp",
    ),
    (
        "datetime.datetime.utcnow",
        Severity::Note,
        "is going away since Python 3.12",
        "write datetime.datetime.now(datetime.timezone.utc)",
    ),
    (
        "pkg_resources.parse_version",
        Severity::Warning,
        "is going away",
        "write Version",
    ),
];

const MODULES: [(&str, &str); 5] = [
    ("imp", "write `import importlib`"),
    (
        "distutils",
        "use Version for versions, shutil for files and run() for commands",
    ),
    ("asyncore", "write `import asyncio`"),
    ("smtpd", "smtplib sends mail; receiving needs another tool"),
    ("pipes", "write shlex.quote, with `import shlex`"),
];

/// Hooks of older versions that nobody calls any more.
const HOOKS: [(&str, &str); 2] = [
    ("update_control", "update_package"),
    ("update_sources", "update_package"),
];

/// Reports them.
pub(super) fn lint(script: &mut Script<'_>, facts: &Facts<'_>) {
    for call in &facts.calls {
        let Some((path, severity, why, instead)) = CALLS.iter().find(|(path, ..)| *path == call.path) else {
            continue;
        };
        let root = path.split('.').next().unwrap_or_default();
        let is_own = facts.module.contains(root)
            && !facts
                .imports
                .iter()
                .any(|import| import.module == root || import.name == root);
        if !is_own {
            let at = call.node.range().start().to_usize();
            script.report(at, "deprecated", *severity, format!("{path} {why}"), *instead);
        }
    }
    for import in &facts.imports {
        let top = import.module.split('.').next().unwrap_or_default();
        if let Some((module, instead)) = MODULES.iter().find(|(module, _)| *module == top)
            && !import.guard.expects_import_error
        {
            script.report(
                import.at,
                "deprecated",
                Severity::Warning,
                format!("newer Pythons do not have the module {module}"),
                *instead,
            );
        }
    }
    for function in &facts.functions {
        let name = function.name.as_str();
        if let Some((_, instead)) = HOOKS.iter().find(|(old, _)| *old == name)
            && !facts.read.contains(name)
            && !facts.module.contains(*instead)
        {
            script.report(
                function.name.range().start().to_usize(),
                "deprecated",
                Severity::Note,
                format!("{name}() is a hook of older versions that nobody calls"),
                format!("write `def {instead}():`"),
            );
        }
    }
}
