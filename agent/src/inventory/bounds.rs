//! What a block may hold: no characters that databases and people cannot take, and no more than a report carries.

use serde_json::{Map, Value};

/// No text of a block is longer, in bytes.
const MAX_TEXT: usize = 8192;

/// Names of fields come from the machine as well: variables, properties.
const MAX_NAME: usize = 256;

/// The value without NUL and other control characters (line ends and tabs stay), also in the names of its fields, and
/// without what is beyond any sensible length.
pub(super) fn clean(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(clean_text(text, MAX_TEXT)),
        Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
        Value::Object(fields) => {
            let mut cleaned = Map::new();
            for (name, value) in fields {
                cleaned.insert(clean_text(name, MAX_NAME), clean(value));
            }
            Value::Object(cleaned)
        }
        other => other,
    }
}

fn clean_text(text: String, most: usize) -> String {
    let is_bad = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    if text.len() <= most && !text.contains(is_bad) {
        return text;
    }
    let cut = if text.len() > most { most / 4 } else { most };
    text.chars().filter(|letter| !is_bad(*letter)).take(cut).collect()
}

/// Shortens lists, the largest first, until the block has at most so many bytes as JSON; which lists were cut. A report
/// that no server takes would keep everything else from it as well.
pub(super) fn fit(value: &mut Value, most: usize) -> Vec<String> {
    let mut cut = Vec::new();
    while size(value) > most {
        let Some((name, rows)) = largest_list(value, String::new()) else {
            break;
        };
        let kept = rows.len() / 2;
        rows.truncate(kept);
        if !cut.contains(&name) {
            cut.push(name);
        }
    }
    cut
}

fn size(value: &Value) -> usize {
    /// Counts instead of keeping.
    struct Counter(usize);

    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).ok();
    counter.0
}

/// The list with the most bytes of those that are no part of another list.
fn largest_list(value: &mut Value, name: String) -> Option<(String, &mut Vec<Value>)> {
    match value {
        Value::Array(rows) if !rows.is_empty() => Some((name, rows)),
        Value::Object(fields) => {
            let (field, below) = fields
                .iter_mut()
                .filter(|(_field, value)| has_list(value))
                .max_by_key(|(_field, value)| size(value))?;
            let name = if name.is_empty() {
                field.clone()
            } else {
                format!("{name}.{field}")
            };
            largest_list(below, name)
        }
        _ => None,
    }
}

fn has_list(value: &Value) -> bool {
    match value {
        Value::Array(rows) => !rows.is_empty(),
        Value::Object(fields) => fields.values().any(has_list),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn control_characters_are_taken_out_everywhere() {
        let value = json!({"a": ["x\u{0}y", 1], "b": {"c": "tab\tline\n\u{7}"}});
        assert_eq!(clean(value), json!({"a": ["xy", 1], "b": {"c": "tab\tline\n"}}));
    }

    #[test]
    fn names_of_fields_are_cleaned_and_cut_like_texts() {
        let long = "n".repeat(10_000);
        let value = clean(json!({"environment": {"A\u{0}\u{1b}B": "1", long: "2"}}));
        let fields = value["environment"].as_object().unwrap();
        let names: Vec<&String> = fields.keys().collect();
        assert_eq!(names[0], "AB");
        assert!(names[1].len() <= MAX_NAME, "{}", names[1].len());
    }

    #[test]
    fn a_block_beyond_any_report_loses_rows_of_its_largest_lists_and_nothing_else() {
        let row = json!({"key": "k".repeat(90)});
        let mut block = json!({
            "hostname": "pc",
            "machine": { "services": vec![row.clone(); 1000], "local_users": vec![row.clone(); 10] },
            "users": vec![row; 500],
        });
        assert!(fit(&mut block, 1_000_000).is_empty());
        let cut = fit(&mut block, 40_000);
        assert_eq!(cut, ["machine.services", "users"]);
        assert!(size(&block) <= 40_000);
        assert_eq!(block["hostname"], "pc");
        assert_eq!(block["machine"]["local_users"].as_array().unwrap().len(), 10);
        let mut list = json!(vec!["x".repeat(100); 1000]);
        assert_eq!(fit(&mut list, 5000), [""]);
        assert!(!list.as_array().unwrap().is_empty());
        // What has no list stays as it is, however large.
        assert!(fit(&mut json!({"a": "x".repeat(100)}), 10).is_empty());
    }
}
