//! What a script binds, imports, calls and reads, with the names that nothing in it binds.
//!
//! Names of the module count wherever they are bound, because hooks run after the whole script was executed.

mod bindings;

use std::collections::{BTreeMap, BTreeSet};

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{ExceptHandler, Expr, ExprCall, ExprContext, Stmt, StmtFunctionDef, StmtTry};
use ruff_text_size::Ranged as _;

use self::bindings::{Collect, bindings, parameters};

/// What surrounds a place in the script.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Guard {
    /// Inside `try` whose handler catches a missing name, or a branch that asks for Python's version.
    pub(super) expects_missing: bool,
    /// Inside `try` whose handler catches everything.
    pub(super) catches_all: bool,
    /// Inside `try` whose handler catches a failed import.
    pub(super) expects_import_error: bool,
}

/// A name that is read but bound nowhere in the script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) name: &'a str,
    pub(super) at: usize,
    pub(super) guard: Guard,
}

/// An import.
#[derive(Debug, Clone)]
pub(super) struct Import<'a> {
    pub(super) module: &'a str,
    /// Empty for `import module`, `*` for a star import.
    pub(super) name: &'a str,
    pub(super) at: usize,
    pub(super) guard: Guard,
}

/// A call of a dotted name.
#[derive(Debug, Clone)]
pub(super) struct Call<'a> {
    /// `os.path.join`
    pub(super) path: String,
    pub(super) node: &'a ExprCall,
    /// The function at the top of the script in which it stands.
    pub(super) function: Option<&'a str>,
}

/// Everything that rules ask about one script.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    /// Names bound by the module.
    pub(super) module: BTreeSet<&'a str>,
    /// Functions at the top of the script.
    pub(super) functions: Vec<&'a StmtFunctionDef>,
    pub(super) unbound: Vec<Load<'a>>,
    pub(super) imports: Vec<Import<'a>>,
    pub(super) calls: Vec<Call<'a>>,
    /// Dotted names that are read, with their offset: `string.letters`.
    pub(super) attributes: Vec<(String, usize, Guard)>,
    /// Text in quotes, without documentation, with its offset.
    pub(super) strings: Vec<(&'a str, usize)>,
    /// Every name that is read anywhere.
    pub(super) read: BTreeSet<&'a str>,
    /// Names may come to be in ways that nobody can see: `exec`, `globals()`.
    pub(super) is_dynamic: bool,
}

impl<'a> Facts<'a> {
    /// Collects the facts of a module.
    pub(super) fn of(body: &'a [Stmt]) -> Self {
        let module = bindings(body);
        let mut walk = Walk {
            facts: Facts::default(),
            scopes: vec![Scope {
                names: module.clone(),
                is_class: false,
            }],
            guards: vec![Guard::default()],
            function: None,
        };
        walk.facts.module = module;
        walk.visit_body(body);
        walk.facts
    }

    /// The functions that run when one of these does, by name: themselves and what they call.
    pub(super) fn reached_from(&self, roots: &[&str]) -> BTreeSet<&'a str> {
        let mut called: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for call in &self.calls {
            if let Some(function) = call.function {
                called.entry(function).or_default().push(&call.path);
            }
        }
        let mut reached = BTreeSet::new();
        let mut pending: Vec<&str> = roots.to_vec();
        while let Some(name) = pending.pop() {
            let Some(function) = self
                .functions
                .iter()
                .find(|function| function.name.as_str() == name)
            else {
                continue;
            };
            if reached.insert(function.name.as_str()) {
                pending.extend(called.get(name).into_iter().flatten());
            }
        }
        reached
    }

    /// Whether the script takes everything from a module.
    pub(super) fn has_star_import(&self, module: &str) -> bool {
        self.imports
            .iter()
            .any(|import| import.name == "*" && import.module == module)
    }
}

/// `a.b.c` of names and attributes only.
pub(super) fn dotted(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Name(name) => Some(name.id.to_string()),
        Expr::Attribute(attribute) => Some(format!(
            "{}.{}",
            dotted(&attribute.value)?,
            attribute.attr.as_str()
        )),
        _ => None,
    }
}

struct Scope<'a> {
    names: BTreeSet<&'a str>,
    is_class: bool,
}

struct Walk<'a> {
    facts: Facts<'a>,
    scopes: Vec<Scope<'a>>,
    guards: Vec<Guard>,
    function: Option<&'a str>,
}

impl<'a> Walk<'a> {
    fn guard(&self) -> Guard {
        self.guards.last().copied().unwrap_or_default()
    }

    fn is_bound(&self, name: &str) -> bool {
        let innermost = self.scopes.len().saturating_sub(1);
        self.scopes
            .iter()
            .enumerate()
            .any(|(index, scope)| (index == innermost || !scope.is_class) && scope.names.contains(name))
    }

    fn within(&mut self, names: BTreeSet<&'a str>, is_class: bool, visit: impl FnOnce(&mut Self)) {
        self.scopes.push(Scope { names, is_class });
        visit(self);
        self.scopes.pop();
    }

    fn guarded(&mut self, guard: Guard, visit: impl FnOnce(&mut Self)) {
        let outer = self.guard();
        self.guards.push(Guard {
            expects_missing: outer.expects_missing || guard.expects_missing,
            catches_all: outer.catches_all || guard.catches_all,
            expects_import_error: outer.expects_import_error || guard.expects_import_error,
        });
        visit(self);
        self.guards.pop();
    }

    fn function(&mut self, function: &'a StmtFunctionDef) {
        for decorator in &function.decorator_list {
            self.visit_decorator(decorator);
        }
        self.visit_parameters(&function.parameters);
        if let Some(returns) = &function.returns {
            self.visit_annotation(returns);
        }
        let mut names = parameters(&function.parameters);
        names.extend(bindings(&function.body));
        let is_top = self.scopes.len() == 1;
        if is_top {
            self.facts.functions.push(function);
            self.function = Some(function.name.as_str());
        }
        self.within(names, false, |walk| walk.suite(&function.body));
        if is_top {
            self.function = None;
        }
    }

    /// A body whose first text is documentation.
    fn suite(&mut self, body: &'a [Stmt]) {
        let without = match body.split_first() {
            Some((Stmt::Expr(first), rest)) if first.value.is_string_literal_expr() => rest,
            _ => body,
        };
        visitor::walk_body(self, without);
    }

    fn try_statement(&mut self, statement: &'a StmtTry) {
        let mut guard = Guard::default();
        for handler in &statement.handlers {
            let ExceptHandler::ExceptHandler(handler) = handler;
            let mut caught = Vec::new();
            match handler.type_.as_deref() {
                None => caught.push("Exception".to_owned()),
                Some(Expr::Tuple(tuple)) => caught.extend(tuple.elts.iter().filter_map(dotted)),
                Some(expr) => caught.extend(dotted(expr)),
            }
            for name in caught {
                match name.as_str() {
                    "NameError" => guard.expects_missing = true,
                    "ImportError" | "ModuleNotFoundError" => guard.expects_import_error = true,
                    "Exception" | "BaseException" => {
                        guard.catches_all = true;
                        guard.expects_import_error = true;
                    }
                    _ => {}
                }
            }
        }
        self.guarded(guard, |walk| visitor::walk_body(walk, &statement.body));
        // What a handler of a failed import does instead is for another Python, too.
        let in_handlers = Guard {
            expects_import_error: guard.expects_import_error,
            expects_missing: guard.expects_missing
                || guard.expects_import_error && is_import(&statement.body),
            ..Guard::default()
        };
        self.guarded(in_handlers, |walk| {
            for handler in &statement.handlers {
                walk.visit_except_handler(handler);
            }
        });
        visitor::walk_body(self, &statement.orelse);
        visitor::walk_body(self, &statement.finalbody);
    }

    fn comprehension(&mut self, generators: &'a [ruff_python_ast::Comprehension], expr: &'a Expr) {
        let mut collect = Collect::default();
        for generator in generators {
            collect.visit_expr(&generator.target);
        }
        self.within(collect.names, false, |walk| visitor::walk_expr(walk, expr));
    }
}

fn is_import(body: &[Stmt]) -> bool {
    body.iter()
        .any(|statement| matches!(statement, Stmt::Import(_) | Stmt::ImportFrom(_)))
}

impl<'a> Visitor<'a> for Walk<'a> {
    fn visit_body(&mut self, body: &'a [Stmt]) {
        self.suite(body);
    }

    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => self.function(function),
            Stmt::ClassDef(class) => {
                for decorator in &class.decorator_list {
                    self.visit_decorator(decorator);
                }
                if let Some(arguments) = &class.arguments {
                    self.visit_arguments(arguments);
                }
                let names = bindings(&class.body);
                self.within(names, true, |walk| walk.suite(&class.body));
            }
            Stmt::Try(statement) => self.try_statement(statement),
            Stmt::If(branch) => {
                let asks_version = asks_for_version(&branch.test);
                let guard = Guard {
                    expects_missing: asks_version,
                    expects_import_error: asks_version,
                    ..Guard::default()
                };
                self.guarded(guard, |walk| visitor::walk_stmt(walk, statement));
            }
            Stmt::Import(import) => {
                for alias in &import.names {
                    self.facts.imports.push(Import {
                        module: alias.name.as_str(),
                        name: "",
                        at: alias.range().start().to_usize(),
                        guard: self.guard(),
                    });
                }
            }
            Stmt::ImportFrom(import) => {
                // Relative imports have no package to be relative to, and fail with their own words.
                let module = import.module.as_ref().map_or("", |module| module.as_str());
                for alias in &import.names {
                    self.facts.imports.push(Import {
                        module,
                        name: alias.name.as_str(),
                        at: alias.range().start().to_usize(),
                        guard: self.guard(),
                    });
                }
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        let at = expr.range().start().to_usize();
        match expr {
            Expr::Name(name) => {
                let id = name.id.as_str();
                if name.ctx == ExprContext::Load {
                    self.facts.read.insert(id);
                    if !self.is_bound(id) {
                        let guard = self.guard();
                        self.facts.unbound.push(Load { name: id, at, guard });
                    }
                }
            }
            Expr::Attribute(attribute) => {
                if let Some(path) = dotted(expr) {
                    let at = attribute.attr.range().start().to_usize();
                    let guard = self.guard();
                    self.facts.attributes.push((path, at, guard));
                }
                visitor::walk_expr(self, expr);
            }
            Expr::Call(call) => {
                let path = match (dotted(&call.func), call.func.as_ref()) {
                    (Some(path), _) => path,
                    // A method of some other value: `x().has_key`.
                    (None, Expr::Attribute(attribute)) => format!("().{}", attribute.attr.as_str()),
                    (None, _) => String::new(),
                };
                if matches!(
                    path.as_str(),
                    "globals" | "locals" | "vars" | "exec" | "execfile" | "eval" | "setattr"
                ) {
                    self.facts.is_dynamic = true;
                }
                self.facts.calls.push(Call {
                    path,
                    node: call,
                    function: self.function,
                });
                visitor::walk_expr(self, expr);
            }
            Expr::Lambda(lambda) => {
                let names = lambda.parameters.as_deref().map(parameters).unwrap_or_default();
                self.within(names, false, |walk| visitor::walk_expr(walk, expr));
            }
            Expr::ListComp(comp) => self.comprehension(&comp.generators, expr),
            Expr::SetComp(comp) => self.comprehension(&comp.generators, expr),
            Expr::DictComp(comp) => self.comprehension(&comp.generators, expr),
            Expr::Generator(comp) => self.comprehension(&comp.generators, expr),
            Expr::StringLiteral(text) => {
                for part in &text.value {
                    self.facts
                        .strings
                        .push((&part.value, part.range().start().to_usize()));
                }
            }
            _ => visitor::walk_expr(self, expr),
        }
    }

    fn visit_annotation(&mut self, _expr: &'a Expr) {
        // Annotations of scripts are for editors; many name what is never imported.
    }
}

/// `sys.version_info`, `PY2`, `platform.python_version()`.
fn asks_for_version(test: &Expr) -> bool {
    struct Asks(bool);
    impl<'a> Visitor<'a> for Asks {
        fn visit_expr(&mut self, expr: &'a Expr) {
            let word = match expr {
                Expr::Attribute(attribute) => attribute.attr.as_str(),
                Expr::Name(name) => name.id.as_str(),
                _ => "",
            };
            if matches!(
                word,
                "version_info" | "hexversion" | "PY2" | "PY3" | "python_version"
            ) {
                self.0 = true;
            }
            visitor::walk_expr(self, expr);
        }
    }
    let mut asks = Asks(false);
    asks.visit_expr(test);
    asks.0
}
