//! Wildcard patterns: `*` in filters, and `*`, `?`, `[…]` in lists of package names.

/// Which characters of a pattern are special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Only `*`: any stretch.
    Star,
    /// Also `?`: one character, and `[abc]`, `[a-z]`, `[!abc]`: one of a set.
    Shell,
}

/// A pattern that matches whole texts without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    tokens: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Stretch,
    One,
    Set {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
    Exactly(char),
}

impl Glob {
    /// Prepares a pattern; every text is one.
    pub(crate) fn new(pattern: &str, syntax: Syntax) -> Self {
        let characters: Vec<char> = pattern.to_lowercase().chars().collect();
        let mut tokens = Vec::new();
        let mut position = 0;
        while let Some(character) = characters.get(position) {
            position += 1;
            match (character, syntax) {
                ('*', _) => {
                    if tokens.last() != Some(&Token::Stretch) {
                        tokens.push(Token::Stretch);
                    }
                }
                ('?', Syntax::Shell) => tokens.push(Token::One),
                ('[', Syntax::Shell) => match set_at(&characters, position) {
                    Some((set, end)) => {
                        tokens.push(set);
                        position = end;
                    }
                    None => tokens.push(Token::Exactly('[')),
                },
                (other, _) => tokens.push(Token::Exactly(*other)),
            }
        }
        Self { tokens }
    }

    /// Whether the whole text fits. At most the product of both lengths in steps.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.to_lowercase().chars().collect();
        let mut at_token = 0;
        let mut at_text = 0;
        // Where to go on after the last stretch if what follows it does not fit here.
        let mut retry: Option<(usize, usize)> = None;
        while let Some(character) = text.get(at_text) {
            match self.tokens.get(at_token) {
                Some(Token::Stretch) => {
                    at_token += 1;
                    retry = Some((at_token, at_text));
                }
                Some(token) if token.fits(*character) => {
                    at_token += 1;
                    at_text += 1;
                }
                _ => {
                    let Some((token, start)) = retry else { return false };
                    at_token = token;
                    at_text = start + 1;
                    retry = Some((token, at_text));
                }
            }
        }
        self.tokens
            .iter()
            .skip(at_token)
            .all(|token| *token == Token::Stretch)
    }
}

impl Token {
    fn fits(&self, character: char) -> bool {
        match self {
            Self::Stretch => false,
            Self::One => true,
            Self::Set { is_negated, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *is_negated
            }
            Self::Exactly(expected) => *expected == character,
        }
    }
}

/// Reads the set whose `[` stands before `start`; gives the position after its `]`.
fn set_at(characters: &[char], start: usize) -> Option<(Token, usize)> {
    let is_negated = characters.get(start) == Some(&'!');
    let first = if is_negated { start + 1 } else { start };
    // A `]` right at the beginning is a member of the set.
    let end = (first + 1..characters.len()).find(|position| characters.get(*position) == Some(&']'))?;
    let mut ranges = Vec::new();
    let mut position = first;
    while position < end {
        let from = *characters.get(position)?;
        match characters.get(position + 1..position + 3) {
            Some(['-', to]) if position + 2 < end => {
                ranges.push((from, *to));
                position += 3;
            }
            _ => {
                ranges.push((from, from));
                position += 1;
            }
        }
    }
    Some((Token::Set { is_negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_and_single_characters_fit() {
        for (pattern, text) in [
            ("tis-*", "tis-7zip"),
            ("*", ""),
            ("TIS-?zip", "tis-7ZIP"),
            ("a*b*c", "aXbYbZc"),
            ("[a-c]x", "bx"),
            ("[!a-c]x", "dx"),
            ("[]]", "]"),
            ("[x", "[x"),
            ("é*", "École"),
        ] {
            assert!(shell(pattern, text), "{pattern} should match {text}");
        }
        for (pattern, text) in [
            ("tis-*", "tis"),
            ("?", ""),
            ("a*b", "a"),
            ("[!a]", "a"),
            ("a", "ab"),
            ("", "a"),
        ] {
            assert!(!shell(pattern, text), "{pattern} should not match {text}");
        }
    }

    #[test]
    fn only_the_star_is_special_in_filters() {
        assert!(Glob::new("a?[b]*", Syntax::Star).matches("a?[b]c"));
        assert!(!Glob::new("a?", Syntax::Star).matches("ab"));
    }

    #[test]
    fn many_stretches_end_quickly() {
        let pattern = "*a".repeat(500);
        assert!(!shell(&pattern, &"ab".repeat(2000)));
    }

    fn shell(pattern: &str, text: &str) -> bool {
        Glob::new(pattern, Syntax::Shell).matches(text)
    }
}
