"""The expressions of `${{ }}`: a small, typed, strict subset of CEL with functions of our own.

    text --parse--> Expr --check(scope)--> type or errors      (before a run: names and types)
                         --evaluate(context)--> plain value    (in a run)

Nothing here loops, recurses past 50 levels or calls out: an expression is at most 1,000 characters.
"""

from __future__ import annotations

from amplify_tui.playbook.expr.check import Checked, check
from amplify_tui.playbook.expr.evaluate import Context, evaluate
from amplify_tui.playbook.expr.syntax import MAX_CHARS, MAX_LEVELS, Expr, ExprError, parse

__all__ = ["MAX_CHARS", "MAX_LEVELS", "Checked", "Context", "Expr", "ExprError", "check", "evaluate", "parse"]
