//! From what installers say to what packages may hold: one line, a name, a version.

use muster_shared::version::Version;

/// The most numbers of a package's version.
const MAX_MEMBERS: usize = 4;

/// The longest number taken over, in digits.
const MAX_DIGITS: usize = 12;

/// The longest name made, in characters.
const MAX_NAME: usize = 60;

/// One clean line of at most `limit` characters: no control characters, single blanks.
pub fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    for word in
        text.split(|letter: char| letter.is_whitespace() || letter.is_control() || is_invisible(letter))
    {
        if word.is_empty() {
            continue;
        }
        if length > 0 {
            line.push(' ');
            length += 1;
        }
        for letter in word.chars() {
            if length >= limit {
                return line.trim_end().to_owned();
            }
            line.push(letter);
            length += 1;
        }
    }
    line
}

/// Characters that change how the text around them is shown.
fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// The version of a package for a version of software: its first numbers, at most four; `None` without any.
pub fn software_version(text: &str) -> Option<String> {
    // Debian's epoch is about order in the archive, not about the software.
    let text = match text.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => text,
    };
    let mut rest = text.get(text.find(|letter: char| letter.is_ascii_digit())?..)?;
    let mut members: Vec<&str> = Vec::new();
    while members.len() < MAX_MEMBERS {
        let end = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at(end);
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            break;
        }
        members.push(digits);
        // Resources of older compilers write "1, 2, 3, 4".
        let Some(next) = after.strip_prefix('.').or_else(|| after.strip_prefix(',')) else {
            break;
        };
        rest = next.trim_start_matches(' ');
    }
    let version = members.join(".");
    version.parse::<Version>().is_ok().then_some(version)
}

/// A package's name, without prefix, for a product: lower case, without versions and architectures.
pub fn package_name(product: &str) -> String {
    let words: Vec<String> = without_brackets(product)
        .split(|letter: char| letter.is_whitespace() || letter == '_')
        .filter(|word| !is_noise(word))
        .map(plain)
        .filter(|word| !word.is_empty())
        .collect();
    let mut name = words.join("-");
    if name.is_empty() {
        name = plain(product);
    }
    let cut: String = name.chars().take(MAX_NAME).collect();
    cut.trim_matches('-').to_owned()
}

/// The text without what stands in brackets: editions, architectures, languages.
fn without_brackets(text: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for letter in text.chars() {
        match letter {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => kept.push(letter),
            _ => {}
        }
    }
    kept
}

/// Words that belong to one version or build of a product, not to its name.
fn is_noise(word: &str) -> bool {
    let word = word.to_lowercase();
    let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
    let numbers = bare.strip_prefix('v').unwrap_or(bare);
    let is_version = numbers.contains('.') && numbers.starts_with(|letter: char| letter.is_ascii_digit());
    is_version
        || matches!(
            bare,
            "version"
                | "x64"
                | "x86"
                | "x86_64"
                | "amd64"
                | "arm64"
                | "win32"
                | "win64"
                | "64-bit"
                | "32-bit"
                | "64bit"
                | "32bit"
                | "setup"
                | "installer"
                | "installation"
                | "®"
                | "™"
        )
}

/// Letters, digits and single dashes of a word.
fn plain(word: &str) -> String {
    let mut name = String::new();
    for letter in word.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' | '.' => name.push(letter),
            '+' => name.push_str("plus"),
            '#' => name.push_str("sharp"),
            'à'..='å' | 'ā' | 'ă' | 'ą' => name.push('a'),
            'æ' => name.push_str("ae"),
            'ç' | 'ć' | 'č' => name.push('c'),
            'ď' | 'đ' | 'ð' => name.push('d'),
            'è'..='ë' | 'ē' | 'ę' | 'ě' => name.push('e'),
            'ì'..='ï' | 'ī' | 'ı' => name.push('i'),
            'ł' => name.push('l'),
            'ñ' | 'ń' | 'ň' => name.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ő' => name.push('o'),
            'œ' => name.push_str("oe"),
            'ř' => name.push('r'),
            'ś' | 'š' | 'ş' => name.push('s'),
            'ß' => name.push_str("ss"),
            'ť' => name.push('t'),
            'ù'..='ü' | 'ū' | 'ů' | 'ű' => name.push('u'),
            'ý' | 'ÿ' => name.push('y'),
            'ź' | 'ż' | 'ž' => name.push('z'),
            '®' | '™' | '©' | '\'' | '’' => {}
            _ if !name.is_empty() && !name.ends_with('-') => name.push('-'),
            _ => {}
        }
    }
    name.trim_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_lose_versions_architectures_and_accents() {
        for (product, name) in [
            ("7-Zip 23.01 (x64 edition)", "7-zip"),
            ("Notepad++ (64-bit x64)", "notepadplusplus"),
            ("Mozilla Firefox", "mozilla-firefox"),
            ("LibreOffice 7.5.3.2", "libreoffice"),
            ("Éditeur de Été v2.1", "editeur-de-ete"),
            ("C# Tools", "csharp-tools"),
            ("VLC media player", "vlc-media-player"),
            ("Paint.NET", "paint.net"),
            ("Setup", "setup"),
            ("日本", ""),
        ] {
            assert_eq!(package_name(product), name, "{product}");
        }
    }

    #[test]
    fn versions_are_clipped_to_four_numbers() {
        for (text, version) in [
            ("1.2.3.4.5", Some("1.2.3.4")),
            ("1, 2, 3, 4", Some("1.2.3.4")),
            ("1:2.10-3", Some("2.10")),
            ("2.3+dfsg-1", Some("2.3")),
            ("v7.1 beta", Some("7.1")),
            ("Release 12", Some("12")),
            ("23.01", Some("23.01")),
            ("1.", Some("1")),
            ("none", None),
            ("", None),
        ] {
            assert_eq!(software_version(text).as_deref(), version, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_becomes_something_allowed(text in "\\PC*", raw in any::<String>()) {
            if let Some(version) = software_version(&text) {
                prop_assert!(version.parse::<Version>().is_ok());
            }
            let name = package_name(&raw);
            prop_assert!(name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.')));
            prop_assert!(one_line(&raw, 20).chars().count() <= 20);
            prop_assert!(!one_line(&raw, 20).contains(char::is_control));
        }
    }
}
