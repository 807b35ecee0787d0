//! Which names a piece of a script binds: assignments, imports, definitions, parameters.

use std::collections::BTreeSet;

use ruff_python_ast::visitor::{self, Visitor};
use ruff_python_ast::{
    Alias, AnyParameterRef, ExceptHandler, Expr, ExprContext, Identifier, Parameters, Pattern, Stmt,
};

/// The names of parameters.
pub(super) fn parameters(parameters: &Parameters) -> BTreeSet<&str> {
    parameters
        .iter()
        .map(AnyParameterRef::name)
        .map(Identifier::as_str)
        .collect()
}

/// The names that a body binds in its own scope, also those that a function in it declares global.
pub(super) fn bindings(body: &[Stmt]) -> BTreeSet<&str> {
    let mut collect = Collect::default();
    for statement in body {
        collect.visit_stmt(statement);
    }
    collect.names
}

/// The names that what it visits binds.
#[derive(Default)]
pub(super) struct Collect<'a> {
    pub(super) names: BTreeSet<&'a str>,
}

impl<'a> Visitor<'a> for Collect<'a> {
    fn visit_stmt(&mut self, statement: &'a Stmt) {
        match statement {
            Stmt::FunctionDef(function) => {
                self.names.insert(function.name.as_str());
                self.globals_of(&function.body);
            }
            Stmt::ClassDef(class) => {
                self.names.insert(class.name.as_str());
                self.globals_of(&class.body);
            }
            Stmt::Global(global) => self.names.extend(global.names.iter().map(Identifier::as_str)),
            Stmt::Import(import) => {
                for alias in &import.names {
                    let first = alias.name.as_str().split('.').next().unwrap_or_default();
                    self.names
                        .insert(alias.asname.as_ref().map_or(first, |name| name.as_str()));
                }
            }
            _ => visitor::walk_stmt(self, statement),
        }
    }

    fn visit_alias(&mut self, alias: &'a Alias) {
        let name = alias.asname.as_ref().unwrap_or(&alias.name).as_str();
        if name != "*" {
            self.names.insert(name);
        }
    }

    fn visit_except_handler(&mut self, handler: &'a ExceptHandler) {
        let ExceptHandler::ExceptHandler(inner) = handler;
        self.names.extend(inner.name.as_ref().map(Identifier::as_str));
        visitor::walk_except_handler(self, handler);
    }

    fn visit_pattern(&mut self, pattern: &'a Pattern) {
        let name = match pattern {
            Pattern::MatchAs(pattern) => pattern.name.as_ref(),
            Pattern::MatchStar(pattern) => pattern.name.as_ref(),
            Pattern::MatchMapping(pattern) => pattern.rest.as_ref(),
            _ => None,
        };
        self.names.extend(name.map(Identifier::as_str));
        visitor::walk_pattern(self, pattern);
    }

    fn visit_expr(&mut self, expr: &'a Expr) {
        match expr {
            Expr::Name(name) if name.ctx == ExprContext::Store => {
                self.names.insert(name.id.as_str());
            }
            Expr::Lambda(_) => {}
            _ => visitor::walk_expr(self, expr),
        }
    }
}

impl<'a> Collect<'a> {
    /// A function that declares a name global binds it for the module.
    fn globals_of(&mut self, body: &'a [Stmt]) {
        struct Globals<'a>(BTreeSet<&'a str>);
        impl<'a> Visitor<'a> for Globals<'a> {
            fn visit_stmt(&mut self, statement: &'a Stmt) {
                if let Stmt::Global(global) = statement {
                    self.0.extend(global.names.iter().map(Identifier::as_str));
                }
                visitor::walk_stmt(self, statement);
            }
            fn visit_expr(&mut self, _expr: &'a Expr) {}
        }
        let mut globals = Globals(BTreeSet::new());
        for statement in body {
            globals.visit_stmt(statement);
        }
        self.names.extend(globals.0);
    }
}
