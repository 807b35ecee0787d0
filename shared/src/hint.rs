//! Advice beside errors: the cause is the error's text, what to do about it is a hint.

/// What a person can do about an error.
pub trait Hint {
    /// Sentences that each name one thing to do; empty when there is nothing to advise.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }
}

/// An error and all its causes on one line, `: ` between them.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    // Wrappers often repeat their source in their own text; say each thing once.
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
