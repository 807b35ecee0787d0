//! Editing a host's package: required and forbidden, against the repository.

use muster_shared::request::Request;

use super::input::{Input, Secret};
use crate::remote::{Problem, Remote};
use crate::worker::HostEdit;

/// Where the edit stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Editing,
    /// Waits for the secret; `apply` orders the upgrade too.
    Signing {
        apply: bool,
    },
    Saving {
        apply: bool,
    },
}

/// The dialog of a host's package.
#[derive(Debug)]
pub struct EditDialog {
    pub identifier: String,
    pub name: String,
    /// As the server holds it.
    pub loaded: Remote<HostEdit>,
    pub required: Vec<String>,
    pub forbidden: Vec<String>,
    pub search: Input,
    pub stage: Stage,
    pub secret: Secret,
    pub problem: Option<Problem>,
    pub certificate_path: Input,
    pub key_path: Input,
    /// Changes when the keyboard must go to the first field again.
    pub attempt: u32,
    /// Closing with unsaved changes was asked once.
    pub leave_asked: bool,
}

impl EditDialog {
    /// A dialog that waits for the host's package.
    pub fn new(identifier: &str, name: &str) -> Self {
        Self {
            identifier: identifier.to_owned(),
            name: name.to_owned(),
            loaded: Remote::Pending(None),
            required: Vec::new(),
            forbidden: Vec::new(),
            search: Input::default(),
            stage: Stage::Editing,
            secret: Secret::default(),
            problem: None,
            certificate_path: Input::default(),
            key_path: Input::default(),
            attempt: 0,
            leave_asked: false,
        }
    }

    /// Takes what the server holds.
    pub fn answer(&mut self, result: Result<HostEdit, Problem>) {
        if let Ok(edit) = &result {
            self.required.clone_from(&edit.required);
            self.forbidden.clone_from(&edit.forbidden);
        }
        self.loaded.answer(result);
    }

    /// The lists differ from what was loaded.
    pub fn is_changed(&self) -> bool {
        self.loaded
            .value()
            .is_some_and(|loaded| loaded.required != self.required || loaded.forbidden != self.forbidden)
    }

    /// The host must have a package; a ban on it gives way.
    pub fn require(&mut self, package: &str) {
        self.unlist(package);
        self.required.push(package.to_owned());
    }

    /// The host must not have a package; an assignment of it gives way.
    pub fn forbid(&mut self, package: &str) {
        self.unlist(package);
        self.forbidden.push(package.to_owned());
    }

    /// Takes a package from both lists.
    pub fn unlist(&mut self, package: &str) {
        let name = name_of(package);
        self.required.retain(|known| name_of(known) != name);
        self.forbidden.retain(|known| name_of(known) != name);
    }

    /// The package is on one of the lists.
    pub fn lists(&self, package: &str) -> bool {
        let name = name_of(package);
        self.required
            .iter()
            .chain(&self.forbidden)
            .any(|known| name_of(known) == name)
    }

    /// What is saved.
    pub fn edit(&self) -> HostEdit {
        HostEdit {
            identifier: self.identifier.clone(),
            required: self.required.clone(),
            forbidden: self.forbidden.clone(),
            ..self.loaded.value().cloned().unwrap_or_default()
        }
    }
}

/// The package's name in a request such as `demo-hello(>=2)`.
pub fn name_of(request: &str) -> String {
    Request::parse(request).map_or_else(|_error| request.to_owned(), |request| request.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_to_one_list_takes_from_the_other() {
        let mut dialog = EditDialog::new("h", "h");
        dialog.answer(Ok(HostEdit {
            required: vec!["demo-a".to_owned()],
            ..HostEdit::default()
        }));
        assert!(!dialog.is_changed());
        dialog.forbid("demo-a");
        assert_eq!((dialog.required.len(), dialog.forbidden.len()), (0, 1));
        dialog.require("demo-a(>=2)");
        assert_eq!((dialog.required.len(), dialog.forbidden.len()), (1, 0));
        assert!(dialog.is_changed());
    }
}
