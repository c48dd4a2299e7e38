//! What can be read off an expression's text alone: whether evaluating it changes anything.

use std::ops::ControlFlow;

use php_ast::ast::{Expr, ExprKind, FunctionCallExpr, Stmt, UnaryPrefixOp};
use php_ast::visitor::{Visitor, walk_expr, walk_stmt};

use super::builtins;

/// Looks for an expression that changes something, or may.
struct Changes;

impl<'arena, 'src> Visitor<'arena, 'src> for Changes {
    type Break = ();

    fn visit_expr(&mut self, expr: &Expr<'arena, 'src>) -> ControlFlow<()> {
        match &expr.kind {
            ExprKind::Assign(_)
            | ExprKind::UnaryPostfix(_)
            | ExprKind::Include(..)
            | ExprKind::Eval(_)
            | ExprKind::Exit(_)
            | ExprKind::Throw(_)
            | ExprKind::New(_)
            | ExprKind::MethodCall(_)
            | ExprKind::NullsafeMethodCall(_)
            | ExprKind::StaticMethodCall(_)
            | ExprKind::AnonymousClass(_)
            | ExprKind::Clone(_)
            | ExprKind::Yield(_)
            | ExprKind::ShellExec(_) => ControlFlow::Break(()),
            ExprKind::UnaryPrefix(unary)
                if matches!(unary.op, UnaryPrefixOp::PreIncrement | UnaryPrefixOp::PreDecrement) =>
            {
                ControlFlow::Break(())
            }
            ExprKind::FunctionCall(call) if !is_pure(call) => ControlFlow::Break(()),
            // What it would do when it is called. Calls are seen by themselves.
            ExprKind::Closure(_) | ExprKind::ArrowFunction(_) => ControlFlow::Continue(()),
            _ => walk_expr(self, expr),
        }
    }
}

/// A call by name of a function of PHP's that changes nothing.
fn is_pure(call: &FunctionCallExpr<'_, '_>) -> bool {
    let ExprKind::Name(name) = &call.name.kind else { return false };
    let name = name.join_parts().to_ascii_lowercase();
    builtins::is_pure(name.trim_start_matches('\\'))
}

/// Whether evaluating `expr` changes nothing for sure.
pub fn is_harmless(expr: &Expr<'_, '_>) -> bool {
    Changes.visit_expr(expr).is_continue()
}

/// Whether the keys in `target` change something when they are evaluated, so that their order counts.
pub fn has_moving_keys(target: &Expr<'_, '_>) -> bool {
    match &target.kind {
        ExprKind::Variable(_) => false,
        ExprKind::ArrayAccess(access) => {
            access.index.is_some_and(|index| !is_harmless(index)) || has_moving_keys(access.array)
        }
        ExprKind::PropertyAccess(access) | ExprKind::NullsafePropertyAccess(access) => {
            has_moving_keys(access.object) || !is_harmless(access.property)
        }
        ExprKind::Parenthesized(inner) => has_moving_keys(inner),
        _ => !is_harmless(target),
    }
}

/// Looks for a `yield` of the function itself.
struct Yields;

impl<'arena, 'src> Visitor<'arena, 'src> for Yields {
    type Break = ();

    fn visit_stmt(&mut self, stmt: &Stmt<'arena, 'src>) -> ControlFlow<()> {
        use php_ast::ast::StmtKind;
        match &stmt.kind {
            StmtKind::Function(_) | StmtKind::Class(_) => ControlFlow::Continue(()),
            _ => walk_stmt(self, stmt),
        }
    }

    fn visit_expr(&mut self, expr: &Expr<'arena, 'src>) -> ControlFlow<()> {
        match &expr.kind {
            ExprKind::Yield(_) => ControlFlow::Break(()),
            ExprKind::Closure(_) | ExprKind::ArrowFunction(_) => ControlFlow::Continue(()),
            _ => walk_expr(self, expr),
        }
    }
}

/// Whether a function with these statements is a generator.
pub fn is_generator(statements: &[Stmt<'_, '_>]) -> bool {
    statements.iter().any(|statement| Yields.visit_stmt(statement).is_break())
}
