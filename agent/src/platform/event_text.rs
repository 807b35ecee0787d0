//! Text for the Windows event log, as its viewer shows it unchanged. Pure.

/// A longer text is cut, in UTF-16 units: the system's limit for one text is 31,839.
pub const MOST_UNITS: usize = 31_000;

/// The text as it goes into the log: no NUL that would end it, lines as Windows ends them, and no `%` before a digit,
/// which the viewer takes for a place where another text belongs.
pub fn event_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut units = 0;
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        let mut buffer = [0_u8; 4];
        let piece = match letter {
            '\0' => " ",
            '\r' if rest.peek() == Some(&'\n') => continue,
            '\n' => "\r\n",
            '%' if rest
                .peek()
                .is_some_and(|next| next.is_ascii_digit() || *next == '%') =>
            {
                "% "
            }
            other => other.encode_utf8(&mut buffer),
        };
        units += piece.encode_utf16().count();
        if units > MOST_UNITS {
            break;
        }
        shown.push_str(piece);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        let text = "install failed: Größe 日本 🙂 at 50 % of C:\\a";
        assert_eq!(event_text(text), text);
    }

    #[test]
    fn what_the_viewer_would_take_for_something_else_is_taken_apart() {
        assert_eq!(event_text("100%1 and %%5"), "100% 1 and % % 5");
        assert_eq!(event_text("a\nb\r\nc"), "a\r\nb\r\nc");
        assert_eq!(event_text("a\0b"), "a b");
        assert_eq!(event_text("ends with %"), "ends with %");
    }

    proptest! {
        #[test]
        fn any_text_fits_and_is_harmless(text in "(?s).{0,200}", times in 1_usize..400) {
            let shown = event_text(&text.repeat(times));
            prop_assert!(shown.encode_utf16().count() <= MOST_UNITS);
            prop_assert!(!shown.contains('\0'));
            let units: Vec<char> = shown.chars().collect();
            prop_assert!(!units.windows(2).any(|pair| pair[0] == '%' && (pair[1].is_ascii_digit() || pair[1] == '%')));
        }
    }
}
