//! What is typed into fields of dialogs. Secrets are wiped when they are taken or dropped.

use std::cell::RefCell;

use secrecy::SecretString;
use secrecy::zeroize::Zeroize as _;

/// A line of text under edit.
#[derive(Debug, Clone, Default)]
pub struct Input(RefCell<String>);

impl Input {
    /// A field with something in it.
    pub fn with(text: impl Into<String>) -> Self {
        Self(RefCell::new(text.into()))
    }

    /// What it holds.
    pub fn text(&self) -> String {
        self.0.borrow().clone()
    }

    /// Lets a field edit it in place.
    pub fn edit<R>(&self, edit: impl FnOnce(&mut String) -> R) -> R {
        edit(&mut self.0.borrow_mut())
    }

    /// Puts something else into it.
    pub fn set(&self, text: impl Into<String>) {
        *self.0.borrow_mut() = text.into();
    }
}

/// A password or PIN under edit.
#[derive(Default)]
pub struct Secret(RefCell<String>);

impl Secret {
    /// Lets a field edit it in place.
    pub fn edit<R>(&self, edit: impl FnOnce(&mut String) -> R) -> R {
        edit(&mut self.0.borrow_mut())
    }

    /// Nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Hands the secret over and empties the field.
    pub fn take(&self) -> SecretString {
        SecretString::from(std::mem::take(&mut *self.0.borrow_mut()))
    }

    /// Wipes the field.
    pub fn clear(&self) {
        self.0.borrow_mut().zeroize();
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.clear();
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}
