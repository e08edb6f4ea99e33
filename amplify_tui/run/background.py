"""Monitors in the background: which steps go on while one watches, and which are behind it. Pure.

A step that only follows such a monitor in the file goes on as soon as it watches. It stays *behind* it: what holds the
monitor (its gate failed, or it has been blind for too long) holds the step as well. A step that names it in `needs`
waits for its end, as for that of any other step.
"""

from __future__ import annotations

from amplify_tui.run.shapes import Plan


def is_behind(plan: Plan, later: str, earlier: str) -> bool:
    """Whether step *later* comes after step *earlier*, directly or through others."""
    left, known = [later], {later}
    while left:
        step = plan.steps.get(left.pop())
        needs = step.needs if step is not None else ()
        if earlier in needs:
            return True
        fresh = [name for name in needs if name not in known]
        known.update(fresh)
        left += fresh
    return False
