//! Names, modules and methods that Python 3 does not have any more, each with what replaces it.

use ruff_python_ast::{Expr, Operator, Stmt};
use ruff_text_size::Ranged as _;

use super::Severity;
use super::scope::{Facts, dotted};
use super::script::Script;

const NAMES: [(&str, &str); 18] = [
    ("unicode", "write str: all text is Unicode"),
    ("basestring", "write str"),
    ("long", "write int: whole numbers have no limit"),
    ("unichr", "write chr"),
    ("xrange", "write range"),
    ("raw_input", "write input"),
    ("file", "write open"),
    ("reduce", "write functools.reduce, with `import functools`"),
    ("cmp", "write (a > b) - (a < b)"),
    ("execfile", "write exec(open(path).read())"),
    ("reload", "write importlib.reload, with `import importlib`"),
    ("apply", "write f(*args)"),
    ("buffer", "write memoryview"),
    ("intern", "write sys.intern"),
    ("coerce", "remove it"),
    ("StandardError", "write Exception"),
    ("unicode_literals", "remove it: all text is Unicode"),
    ("izip", "write zip"),
];

const MODULES: [(&str, &str); 24] = [
    ("_winreg", "write `import winreg`"),
    (
        "urllib2",
        "write `import urllib.request, urllib.error`, or use wget() and wgets()",
    ),
    ("urlparse", "write `import urllib.parse`"),
    ("ConfigParser", "write `import configparser`"),
    ("StringIO", "write `import io`, io.StringIO"),
    ("cStringIO", "write `import io`, io.StringIO"),
    ("Queue", "write `import queue`"),
    ("httplib", "write `import http.client`"),
    ("cookielib", "write `import http.cookiejar`"),
    ("Cookie", "write `import http.cookies`"),
    ("HTMLParser", "write `import html.parser`"),
    ("htmlentitydefs", "write `import html.entities`"),
    ("BaseHTTPServer", "write `import http.server`"),
    ("SimpleHTTPServer", "write `import http.server`"),
    ("SocketServer", "write `import socketserver`"),
    ("xmlrpclib", "write `import xmlrpc.client`"),
    ("cPickle", "write `import pickle`"),
    ("commands", "write `import subprocess`, or use run()"),
    ("thread", "write `import threading`"),
    ("Tkinter", "write `import tkinter`"),
    ("tkMessageBox", "write `import tkinter.messagebox`"),
    ("__builtin__", "write `import builtins`"),
    ("exceptions", "remove it: exceptions are built in"),
    ("BeautifulSoup", "write `from bs4 import BeautifulSoup`"),
];

/// Dotted names whose last part is gone.
const ATTRIBUTES: [(&str, &str); 22] = [
    ("string.letters", "write string.ascii_letters"),
    ("string.lowercase", "write string.ascii_lowercase"),
    ("string.uppercase", "write string.ascii_uppercase"),
    ("string.maketrans", "write str.maketrans"),
    ("string.join", "write separator.join(list)"),
    ("string.split", "write text.split()"),
    ("string.replace", "write text.replace(old, new)"),
    ("string.lower", "write text.lower()"),
    ("string.upper", "write text.upper()"),
    ("string.strip", "write text.strip()"),
    ("string.atoi", "write int(text)"),
    ("os.getcwdu", "write os.getcwd"),
    ("os.errno", "write `import errno`"),
    ("sys.maxint", "write sys.maxsize"),
    ("sys.setdefaultencoding", "remove it: all text is Unicode"),
    ("urllib.urlopen", "write urllib.request.urlopen, or use wgets()"),
    (
        "urllib.urlretrieve",
        "write urllib.request.urlretrieve, or use wget()",
    ),
    ("urllib.urlencode", "write urllib.parse.urlencode"),
    ("urllib.quote", "write urllib.parse.quote"),
    ("urllib.unquote", "write urllib.parse.unquote"),
    ("itertools.izip", "write zip"),
    ("types.StringTypes", "write str"),
];

/// Methods of dictionaries that are gone; nothing else in Python has them.
const METHODS: [(&str, &str); 7] = [
    ("has_key", "write `key in dictionary`"),
    ("iteritems", "write items()"),
    ("iterkeys", "write keys()"),
    ("itervalues", "write values()"),
    ("viewitems", "write items()"),
    ("viewkeys", "write keys()"),
    ("viewvalues", "write values()"),
];

fn find(table: &[(&str, &'static str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(old, _)| *old == name).map(|(_, new)| *new)
}

/// What replaces a name that Python 2 had built in.
pub(super) fn rewrite_of_name(name: &str) -> Option<&'static str> {
    find(&NAMES, name)
}

/// What replaces a module that Python 2 had.
pub(super) fn rewrite_of_module(module: &str) -> Option<&'static str> {
    find(&MODULES, module)
}

/// Reports what is gone and was read by Python 3 without complaint.
pub(super) fn lint(script: &mut Script<'_>, facts: &Facts<'_>, body: &[Stmt]) {
    for (path, at, guard) in &facts.attributes {
        if guard.expects_missing || guard.catches_all {
            continue;
        }
        // A variable of the script with a module's name is not the module.
        let root = path.split('.').next().unwrap_or_default();
        let is_module = facts
            .imports
            .iter()
            .any(|import| import.module == root || import.name == root)
            || !facts.module.contains(root);
        if let Some(rewrite) = find(&ATTRIBUTES, path).filter(|_| is_module) {
            script.report(
                *at,
                "python2-name",
                Severity::Error,
                format!("{path} is Python 2; Python 3 does not have it"),
                rewrite,
            );
        }
    }
    for call in &facts.calls {
        let method = call.path.rsplit('.').next().unwrap_or_default();
        let is_method = call.path.contains('.');
        if let Some(rewrite) = find(&METHODS, method).filter(|_| is_method) {
            script.report(
                call.node.func.range().end().to_usize() - method.len(),
                "python2-name",
                Severity::Error,
                format!("{method}() is Python 2; dictionaries of Python 3 do not have it"),
                rewrite,
            );
        }
    }
    statements(script, body);
}

/// Statements that mean something else in Python 3: `print ("%s") % x`, `raise "text"`.
fn statements(script: &mut Script<'_>, body: &[Stmt]) {
    use ruff_python_ast::visitor::{self, Visitor};
    struct Find(Vec<(usize, &'static str, &'static str, &'static str)>);
    impl<'a> Visitor<'a> for Find {
        fn visit_stmt(&mut self, statement: &'a Stmt) {
            match statement {
                Stmt::Expr(expr) => {
                    if let Expr::BinOp(operation) = expr.value.as_ref()
                        && operation.op == Operator::Mod
                        && let Expr::Call(call) = operation.left.as_ref()
                        && dotted(&call.func).as_deref() == Some("print")
                    {
                        self.0.push((
                            statement.range().start().to_usize(),
                            "python2-print",
                            "print(…) % … formats what print() returns, which is nothing",
                            "write print('…' % …): close the bracket at the end",
                        ));
                    }
                }
                Stmt::Raise(raise) if raise.exc.as_deref().is_some_and(Expr::is_string_literal_expr) => {
                    self.0.push((
                        statement.range().start().to_usize(),
                        "python2-raise",
                        "text cannot be raised",
                        "write error('…'), or raise Exception('…')",
                    ));
                }
                _ => {}
            }
            visitor::walk_stmt(self, statement);
        }
    }
    let mut find = Find(Vec::new());
    for statement in body {
        find.visit_stmt(statement);
    }
    for (at, code, message, suggestion) in find.0 {
        script.report(at, code, Severity::Error, message, suggestion);
    }
}
