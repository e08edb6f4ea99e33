"""scope: what is in the release: its commits, tickets, authors and notes, read from git."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar, Final, Literal

from amplify_tui.adapters.git import Commit, GitRepo, notes
from amplify_tui.adapters.git.history import TICKETS
from amplify_tui.adapters.ports import Invalid
from amplify_tui.playbook.model import Base, Regex
from amplify_tui.steps.quiet import Quiet
from amplify_tui.steps.verb import Context, Finished, Preparation

MOST: Final = 50  # of a list in the outputs, which hold at most 16 KiB
_NOTES: Final = 6_000


class ScopeFields(Base, frozen=True):
    since: str | None = None
    until: str | None = None
    paths: tuple[str, ...] = ()
    tickets: Regex | None = None
    require_ticket: bool | Literal["warn"] = False


class Scope(Quiet):
    name: ClassVar[str] = "scope"
    Fields: ClassVar[type[ScopeFields]] = ScopeFields
    outputs: ClassVar[dict[str, str]] = {
        "commits": "list",
        "count": "int",
        "tickets": "list",
        "authors": "list",
        "notes": "string",
        "breaking": "bool",
    }

    async def prepare(self, fields: ScopeFields, ctx: Context) -> Preparation:
        """The preview is the list of commits, for a sign-off is given to exactly these."""
        commits = await _commits(fields, ctx)
        lines = [f"{commit.sha[:9]} {commit.subject}" for commit in commits[:MOST]]
        lines += [f"and {len(commits) - MOST} more"] if len(commits) > MOST else []
        return Preparation(preview="\n".join([_summary(commits), *lines]))

    async def finish(self, fields: ScopeFields, ctx: Context) -> Finished:
        """Not ok only where a ticket is required and a commit names none."""
        commits = await _commits(fields, ctx)
        bare = [commit for commit in commits if not commit.tickets and not commit.merge]
        reason = _without_ticket(bare) if bare and fields.require_ticket else ""
        tickets = list(dict.fromkeys(ticket for commit in commits for ticket in commit.tickets))
        outputs: dict[str, Any] = {
            "commits": [{"sha": c.sha[:12], "subject": c.subject[:100], "author": c.author} for c in commits[:MOST]],
            "count": len(commits),
            "tickets": tickets[: 4 * MOST],
            "authors": [name for name, _ in Counter(commit.author for commit in commits).most_common(MOST)],
            "notes": notes(commits)[:_NOTES],
            "breaking": any(commit.breaking for commit in commits),
        }
        return Finished(ok=not (reason and fields.require_ticket is True), reason=reason, outputs=outputs)


async def _commits(fields: ScopeFields, ctx: Context) -> list[Commit]:
    repo: GitRepo = ctx.world.git()
    subject = ctx.state.subject
    until = fields.until or (subject.sha if subject else "HEAD")
    since = fields.since or (subject.previous_tag if subject else None)
    pattern = TICKETS
    if fields.tickets is not None:
        try:
            pattern = re.compile(fields.tickets)
        except re.error as broken:
            raise Invalid(f"scope.tickets is no regular expression: {broken}") from None
    return await repo.commits(since, until, fields.paths, pattern)


def _summary(commits: Sequence[Commit]) -> str:
    breaking = sum(commit.breaking for commit in commits)
    return f"{len(commits)} commits{f', {breaking} of them breaking' if breaking else ''}"


def _without_ticket(bare: Sequence[Commit]) -> str:
    shown = "; ".join(f"{commit.sha[:9]} {commit.subject[:60]}" for commit in bare[:3])
    return f"{len(bare)} commits name no ticket: {shown}{' …' if len(bare) > 3 else ''}"
