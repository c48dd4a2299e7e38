//! Which constants and variables a statement would set, read off its text: for branches that are not taken.

use php_ast::ast::{BinaryOp, Expr, ExprKind, Stmt, StmtKind};

use super::source::Source;

/// Adds the names that `statement` sets directly: `NAME` for `define`, `$name` for variables.
pub fn assigned(statement: &Stmt<'_, '_>, source: &Source<'_>, names: &mut Vec<String>) {
    match &statement.kind {
        StmtKind::Expression(expr) => in_expr(expr, source, names),
        StmtKind::Block(block) => block.stmts.iter().for_each(|inner| assigned(inner, source, names)),
        StmtKind::If(branch) => {
            assigned(branch.then_branch, source, names);
            branch.elseif_branches.iter().for_each(|inner| assigned(&inner.body, source, names));
            branch.else_branch.iter().for_each(|inner| assigned(inner, source, names));
        }
        StmtKind::Switch(switch) => switch
            .body
            .cases
            .iter()
            .flat_map(|case| case.body.iter())
            .for_each(|inner| assigned(inner, source, names)),
        StmtKind::Const(items) => {
            names.extend(items.iter().filter_map(|item| item.name.as_str()).map(str::to_owned))
        }
        _ => {}
    }
}

fn in_expr(expr: &Expr<'_, '_>, source: &Source<'_>, names: &mut Vec<String>) {
    match &expr.kind {
        ExprKind::Assign(assign) => {
            if let ExprKind::Variable(name) = &assign.target.kind {
                names.push(format!("${}", name.as_str()));
            }
        }
        ExprKind::FunctionCall(call) => {
            let ExprKind::Name(function) = &call.name.kind else { return };
            let function = function.join_parts();
            if !function.trim_start_matches('\\').eq_ignore_ascii_case("define") {
                return;
            }
            let first = call.args.first().and_then(|argument| argument.value());
            if let Some(Expr { kind: ExprKind::String(name), .. }) = first {
                names.push(String::from_utf8_lossy(&source.bytes(name)).into_owned());
            }
        }
        ExprKind::Parenthesized(inner) | ExprKind::ErrorSuppress(inner) => in_expr(inner, source, names),
        ExprKind::Binary(binary)
            if matches!(
                binary.op,
                BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::BooleanAnd | BinaryOp::BooleanOr
            ) =>
        {
            in_expr(binary.right, source, names);
        }
        _ => {}
    }
}
