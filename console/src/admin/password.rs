//! The rule for passwords of keys.

use muster_shared::hint::Hint;
use secrecy::{ExposeSecret as _, SecretString};

/// The least number of characters of a key's password, the same as for users of the server.
pub const MIN_PASSWORD_CHARS: usize = 10;

/// A password that protects nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the password of a key has at least {MIN_PASSWORD_CHARS} characters, this one has {chars}")]
pub struct ShortPassword {
    pub chars: usize,
}

impl Hint for ShortPassword {
    fn hints(&self) -> Vec<String> {
        vec![
            "four or five words are easier to remember than a short riddle; whoever gets hold of the file can try \
             millions of passwords"
                .to_owned(),
        ]
    }
}

/// Refuses a new password that is too short.
///
/// # Errors
/// It has fewer than [`MIN_PASSWORD_CHARS`] characters.
pub fn check(password: &SecretString) -> Result<(), ShortPassword> {
    let chars = password.expose_secret().chars().count();
    if chars < MIN_PASSWORD_CHARS {
        return Err(ShortPassword { chars });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_and_not_bytes() {
        let check = |text: &str| check(&SecretString::from(text.to_owned()));
        assert_eq!(check("x"), Err(ShortPassword { chars: 1 }));
        assert_eq!(check("ééééééééé"), Err(ShortPassword { chars: 9 }));
        assert_eq!(check("ten chars."), Ok(()));
    }
}
