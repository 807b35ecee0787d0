//! Sources of small packages for tests.

use std::path::{Path, PathBuf};

/// A folder of package sources.
pub struct Sources {
    folder: PathBuf,
    control: Vec<(String, String)>,
}

impl Sources {
    /// Sources with a control file and nothing else, in a new folder below `parent`.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn new(parent: &Path, package: &str, version: &str) -> Self {
        let folder = parent.join(format!("{package}-{version}"));
        fs_err::create_dir_all(folder.join("WAPT")).expect("a folder for sources");
        let control = [
            ("package", package),
            ("version", version),
            ("architecture", "all"),
            ("section", "base"),
            ("priority", "optional"),
            ("maintainer", "Test"),
            ("description", "A package of a test"),
        ];
        let control = control
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        let sources = Self { folder, control };
        sources.write_control();
        sources
    }

    /// The same with another attribute.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.control.retain(|(known, _value)| known != name);
        self.control.push((name.to_owned(), value.to_owned()));
        self.write_control();
        self
    }

    /// The same with a script.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn script(self, text: &str) -> Self {
        fs_err::write(self.folder.join("setup.py"), text).expect("writing setup.py");
        self
    }

    /// A script that leaves a file below the agent's root, takes it away again, and audits that it is there.
    pub fn marker(self) -> Self {
        self.script(
            "from setuphelpers import *\n\n\
             def marker():\n    return makepath(programfiles(), control.package + '.txt')\n\n\
             def install():\n    mkdirs(programfiles())\n    print('writing', marker())\n\
             \x20   with open(marker(), 'w') as file:\n        file.write(control.version)\n\n\
             def uninstall():\n    remove_file(marker())\n\n\
             def audit():\n    return 'OK' if isfile(marker()) else 'ERROR'\n",
        )
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn write_control(&self) {
        let text: Vec<String> = self
            .control
            .iter()
            .map(|(name, value)| format!("{name:<18}: {value}"))
            .collect();
        fs_err::write(self.folder.join("WAPT/control"), text.join("\n")).expect("writing the control file");
    }
}
