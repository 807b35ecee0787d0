//! Downloads that anybody on the way could replace, and secrets that every reader of the package has.

use ruff_python_ast::{Expr, ExprCall};
use ruff_text_size::Ranged as _;

use super::Severity;
use super::scope::Facts;
use super::script::Script;

/// Helpers that download, and the keywords by which the result is checked.
const DOWNLOADS: [&str; 2] = ["wget", "wgets"];
const SUMS: [&str; 3] = ["sha256", "sha1", "md5"];

/// Keywords that hold a secret wherever they stand.
const SECRETS: [&str; 3] = ["password", "passwd", "pwd"];

/// Reports them.
pub(super) fn lint(script: &mut Script<'_>, facts: &Facts<'_>) {
    for call in &facts.calls {
        let is_download = DOWNLOADS.contains(&call.path.as_str())
            || call
                .path
                .strip_prefix("setuphelpers.")
                .is_some_and(|name| DOWNLOADS.contains(&name));
        let is_request = call.path.starts_with("requests.");
        if (is_download || is_request) && !has_sum(call.node) {
            unverified(script, call.node);
            if is_download {
                plain_http(script, call.node);
            }
        }
        for keyword in &call.node.arguments.keywords {
            let is_secret = keyword
                .arg
                .as_ref()
                .is_some_and(|name| SECRETS.contains(&name.as_str()));
            if is_secret && literal(&keyword.value).is_some_and(|text| !text.is_empty()) {
                script.report(
                    keyword.value.range().start().to_usize(),
                    "secret",
                    Severity::Warning,
                    "a password in a script: everybody who can read the package has it",
                    "take it from params, or encrypt it for each host",
                );
            }
        }
    }
    for (path, at, _guard) in &facts.attributes {
        if path == "ssl._create_unverified_context" {
            script.report(
                *at,
                "unverified-download",
                Severity::Warning,
                "the server's certificate is not checked: anybody on the way can send something else",
                "remove it; give wget() the sum of the file with sha256='…'",
            );
        }
    }
}

fn has_sum(call: &ExprCall) -> bool {
    call.arguments.keywords.iter().any(|keyword| {
        keyword
            .arg
            .as_ref()
            .is_some_and(|name| SUMS.contains(&name.as_str()))
            && !keyword.value.is_none_literal_expr()
    })
}

fn unverified(script: &mut Script<'_>, call: &ExprCall) {
    let off = call.arguments.keywords.iter().find(|keyword| {
        let name = keyword.arg.as_ref().map(ruff_python_ast::Identifier::as_str);
        let is_false = match &keyword.value {
            Expr::BooleanLiteral(value) => !value.value,
            Expr::NumberLiteral(number) => number.value.as_int().is_some_and(|int| *int == 0_u8),
            _ => false,
        };
        matches!(name, Some("verify_cert" | "verify")) && is_false
    });
    if let Some(keyword) = off {
        script.report(
            keyword.range.start().to_usize(),
            "unverified-download",
            Severity::Warning,
            "the server's certificate is not checked: anybody on the way can send something else",
            "remove it, or give the sum of the file with sha256='…'",
        );
    }
}

fn plain_http(script: &mut Script<'_>, call: &ExprCall) {
    let Some(first) = call.arguments.args.first() else {
        return;
    };
    if literal(first).is_some_and(|url| url.starts_with("http://")) {
        script.report(
            first.range().start().to_usize(),
            "unverified-download",
            Severity::Warning,
            "the download is not encrypted: anybody on the way can send something else",
            "write https://, or give the sum of the file with sha256='…'",
        );
    }
}

/// The text of a literal; of `'…' % x` and `'…'.format(x)` the text before.
fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::StringLiteral(text) => text.value.as_slice().first().map(|part| part.value.as_ref()),
        Expr::BinOp(operation) => literal(&operation.left),
        _ => None,
    }
}
