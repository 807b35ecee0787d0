//! Names of archive members that are safe to write on every system, checked component by component.

use std::fmt;

/// The longest member name, in bytes.
const MAX_NAME_BYTES: usize = 1024;
/// The longest component, in bytes: what ext4 and NTFS take.
const MAX_COMPONENT_BYTES: usize = 255;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameProblem {
    Empty,
    TooLong,
    Absolute,
    Parent,
    EmptyComponent,
    Backslash,
    Colon,
    Control,
    ReservedCharacter,
    ReservedOnWindows,
    TrailingDotOrSpace,
    NotUtf8,
    Link,
    SpecialFile,
    Duplicate,
    FileAndFolder,
    ScriptSpelling,
}

impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the name is empty",
            Self::TooLong => "the name is too long",
            Self::Absolute => "the name is absolute",
            Self::Parent => "the name leads out of its folder (.. or .)",
            Self::EmptyComponent => "the name has an empty component",
            Self::Backslash => "the name has a backslash",
            Self::Colon => "the name has a colon (drive or stream)",
            Self::Control => "the name has a control character",
            Self::ReservedCharacter => "the name has one of < > \" | ? *, which Windows forbids",
            Self::ReservedOnWindows => "the name is a device on Windows",
            Self::TrailingDotOrSpace => "a component ends with a dot or a space, which Windows drops",
            Self::NotUtf8 => "the name is not UTF-8",
            Self::Link => "it is a link",
            Self::SpecialFile => "it is neither a file nor a folder",
            Self::Duplicate => "another member has the same name, but for upper and lower case",
            Self::FileAndFolder => "another member uses this name as a folder",
            Self::ScriptSpelling => "only setup.py and update_package.py in lower case may carry code",
        })
    }
}

/// Checks a member's name; a folder's ends with a slash.
///
/// # Errors
/// The first rule that the name breaks.
pub fn check(name: &str) -> Result<(), NameProblem> {
    if name.is_empty() {
        return Err(NameProblem::Empty);
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(NameProblem::TooLong);
    }
    if name.starts_with('/') {
        return Err(NameProblem::Absolute);
    }
    let without_slash = name.strip_suffix('/').unwrap_or(name);
    for component in without_slash.split('/') {
        check_component(component)?;
    }
    let is_root_file = !name.contains('/');
    let script = [super::member::SETUP, super::member::UPDATE]
        .into_iter()
        .find(|script| fold(name) == **script);
    if is_root_file && script.is_some_and(|script| script != name) {
        return Err(NameProblem::ScriptSpelling);
    }
    Ok(())
}

fn check_component(component: &str) -> Result<(), NameProblem> {
    if component.is_empty() {
        return Err(NameProblem::EmptyComponent);
    }
    if component == "." || component == ".." {
        return Err(NameProblem::Parent);
    }
    if component.len() > MAX_COMPONENT_BYTES {
        return Err(NameProblem::TooLong);
    }
    for character in component.chars() {
        match character {
            '\\' => return Err(NameProblem::Backslash),
            ':' => return Err(NameProblem::Colon),
            '<' | '>' | '"' | '|' | '?' | '*' => return Err(NameProblem::ReservedCharacter),
            other if other.is_control() => return Err(NameProblem::Control),
            _ => {}
        }
    }
    if component.ends_with(['.', ' ']) {
        return Err(NameProblem::TrailingDotOrSpace);
    }
    if is_device(component) {
        return Err(NameProblem::ReservedOnWindows);
    }
    Ok(())
}

/// `CON`, `nul.txt`, `COM1`, `LPT¹` and the like name devices in every folder of Windows.
fn is_device(component: &str) -> bool {
    let stem = component
        .split('.')
        .next()
        .unwrap_or(component)
        .trim_end()
        .to_ascii_uppercase();
    if matches!(
        stem.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) {
        return true;
    }
    ["COM", "LPT"].into_iter().any(|device| {
        stem.strip_prefix(device).is_some_and(|number| {
            matches!(
                number,
                "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "\u{b9}" | "\u{b2}" | "\u{b3}"
            )
        })
    })
}

/// The form in which names are compared: file systems of Windows do not tell case apart.
pub fn fold(name: &str) -> String {
    // Upper first: it joins letters that lower case alone keeps apart (ſ and s, ı and i), as NTFS does not;
    // refusing a few more names than needed is the safe side.
    name.to_uppercase().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for name in [
            "setup.py",
            "a/b/c.txt",
            "WAPT/control",
            "dir/",
            "éclair.txt",
            ".env",
            "a b.txt",
            "comx",
            "nullable",
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for (name, problem) in [
            ("", NameProblem::Empty),
            ("/etc/passwd", NameProblem::Absolute),
            ("../x", NameProblem::Parent),
            ("a/../../x", NameProblem::Parent),
            ("a/./x", NameProblem::Parent),
            ("a//x", NameProblem::EmptyComponent),
            ("a\\..\\x", NameProblem::Backslash),
            ("\\\\server\\share", NameProblem::Backslash),
            ("C:/x", NameProblem::Colon),
            ("setup.py::$DATA", NameProblem::Colon),
            ("x\0y", NameProblem::Control),
            ("aux", NameProblem::ReservedOnWindows),
            ("a/NUL.txt", NameProblem::ReservedOnWindows),
            ("com¹.log", NameProblem::ReservedOnWindows),
            ("nul .txt", NameProblem::ReservedOnWindows),
            ("a./x", NameProblem::TrailingDotOrSpace),
            ("setup.py ", NameProblem::TrailingDotOrSpace),
            ("a?b", NameProblem::ReservedCharacter),
        ] {
            assert_eq!(check(name), Err(problem), "{name:?}");
        }
        assert_eq!(check(&"a".repeat(256)), Err(NameProblem::TooLong));
        assert_eq!(check(&"a/".repeat(600)), Err(NameProblem::TooLong));
    }

    #[test]
    fn only_one_spelling_of_a_script_carries_code() {
        for name in ["Setup.py", "SETUP.PY", "Update_Package.py", "\u{17f}etup.py"] {
            assert_eq!(check(name), Err(NameProblem::ScriptSpelling), "{name}");
        }
        assert_eq!(check("sub/Setup.py"), Ok(()));
    }
}
