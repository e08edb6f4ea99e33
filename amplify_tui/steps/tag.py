"""tag: an annotated tag at the released commit, made here and then pushed. What is out is never moved, never deleted.

| the tag is | taking it back |
| --- | --- |
| here only | deleted here, once the remote has proved that it does not have it |
| pushed, or perhaps pushed | stays; an annotated `withdrawn/NAME` is pushed beside it |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from amplify_tui.adapters.git import GitRepo
from amplify_tui.adapters.ports import Absent, AdapterError, Done, Invalid, NotFound, Outcome, Probe
from amplify_tui.playbook.model import Base
from amplify_tui.report import shell
from amplify_tui.run.shapes import WORDS_BAND, Target, Undo, UndoItem
from amplify_tui.run.state import EffectState
from amplify_tui.steps.verb import Context, Draft, Finished, Preparation, Task

PUSH_TIMEOUT: Final = 60.0
_LOCAL_TIMEOUT: Final = 30.0


class TagFields(Base, frozen=True):
    name: str
    at: str | None = None
    message: str = ""
    sign: bool = False
    push: bool | str = False
    expect_previous: str | None = None


class Tag:
    name: ClassVar[str] = "tag"
    Fields: ClassVar[type[TagFields]] = TagFields
    outputs: ClassVar[dict[str, str]] = {"ref": "string", "sha": "string", "pushed": "bool"}

    async def prepare(self, fields: TagFields, ctx: Context) -> Preparation:
        """Raises NotFound for a remote that is not there, while nothing is tagged yet."""
        sha = await _sha(fields, ctx)
        if fields.push:
            await _has_remote(fields, ctx)
        push = f", pushed to {fields.push}" if fields.push else ", not pushed"
        return Preparation(preview=f"tag {fields.name} at {sha[:12]}{' signed' if fields.sign else ''}{push}")

    async def tasks(self, fields: TagFields, ctx: Context, phase: int) -> Sequence[Sequence[Task]]:
        """Made first, pushed then: two effects, for a crash between them must leave both known."""
        here = [Task(ordinal="create", data={"do": "create", "fields": fields}, label=f"tag {fields.name}")]
        if not fields.push:
            return [here]
        there = [Task(ordinal="push", data={"do": "push", "fields": fields}, label=f"push {fields.name}")]
        return [here, there]

    async def intend(self, task: Task, ctx: Context) -> Draft | None:
        if "item" in task.data:
            return _undoing(task.data["item"], ctx)
        fields: TagFields = task.data["fields"]
        sha = await _sha(fields, ctx)
        if task.data["do"] == "create":
            return await _creating(fields, sha, ctx)
        return await _pushing(fields, sha, ctx)

    async def act(self, draft: Draft, ctx: Context) -> Outcome:
        repo: GitRepo = ctx.world.git()
        data = draft.data
        try:
            match data["do"]:
                case "create":
                    return await repo.create_tag(data["tag"], data["sha"], data["message"], sign=data["sign"])
                case "push":
                    return await repo.push_tag(data["tag"], data["remote"], draft.timeout)
                case "delete":
                    return await _delete(repo, data["tag"], data["sha"])
                case _:
                    return await _withdraw(repo, data, draft.timeout)
        except AdapterError as error:  # raised by the looks before a write: nothing was written
            return Absent(reason=str(error), retryable=error.retryable, error=type(error).__name__)

    async def probe(self, effect: EffectState, ctx: Context) -> Probe:
        """By the ref itself, here or at the remote. The same name on another commit is nobody's to force."""
        repo: GitRepo = ctx.world.git()
        after: dict[str, Any] = effect.after
        try:
            if after.get("remote"):
                found = await repo.remote_tag(after["tag"], after["remote"])
            else:
                local = await repo.local_tag(after["tag"])
                found = local.sha if local else None
        except AdapterError as silent:
            return Probe(result="unreachable", detail=str(silent))
        if found == after["sha"]:
            return Probe(result="done", observed=found)
        if found is None:
            return Probe(result="absent", detail=f"there is no {after['tag']}")
        if after["sha"] is None:  # what was to be deleted is still there
            return Probe(result="absent", observed=found, detail=f"{after['tag']} is still there")
        return Probe(result="diverged", observed=found, detail=f"{after['tag']} names {found[:12]}, not ours")

    async def finish(self, fields: TagFields, ctx: Context) -> Finished:
        outputs = {
            "ref": f"refs/tags/{fields.name}",
            "sha": await _sha(fields, ctx),
            "pushed": bool(fields.push),
        }
        return Finished(ok=True, outputs=outputs)

    async def undo(self, item: UndoItem, ctx: Context) -> Task:
        return Task(ordinal=item.id, data={"item": item}, label=item.says)


async def _has_remote(fields: TagFields, ctx: Context) -> None:
    repo: GitRepo = ctx.world.git()
    known = [remote.name for remote in (await repo.facts()).remotes]
    wanted = _remote(fields)
    if wanted not in known:
        fix = f"known are {', '.join(known)}" if known else "add it with git remote add, or write push: false"
        raise NotFound(f"the repository has no remote {wanted}", where=f"tag {fields.name}", fix=fix)


async def _sha(fields: TagFields, ctx: Context) -> str:
    if fields.at:
        repo: GitRepo = ctx.world.git()
        return await repo.resolve(fields.at)
    if ctx.state.subject is None:
        raise Invalid("the run has no commit to tag", fix="write `at`")
    return ctx.state.subject.sha


async def _creating(fields: TagFields, sha: str, ctx: Context) -> Draft | None:
    repo: GitRepo = ctx.world.git()
    await _expect_previous(fields, sha, ctx)
    local = await repo.local_tag(fields.name)
    if local is not None and local.sha == sha:
        return None
    if local is not None:
        raise Invalid(
            f"the tag {fields.name} names {local.sha[:12]} already, not {sha[:12]}",
            fix="a tag is never moved: release the next version",
        )
    return Draft(
        target=Target(kind="tag", id=fields.name),
        before=None,
        after={"tag": fields.name, "sha": sha},
        timeout=_LOCAL_TIMEOUT,
        says=f"tag {fields.name} at {sha[:12]}",
        data={"do": "create", "tag": fields.name, "sha": sha, "message": fields.message, "sign": fields.sign},
        undo=Undo(
            band=WORDS_BAND,
            verb="tag",
            spec={"do": "delete", "tag": fields.name, "sha": sha},
            cls="safe",
            says=f"tag {fields.name} deleted here, unless it is out",
            by_hand=_deleted_by_hand(fields.name, ctx),
        ),
    )


async def _pushing(fields: TagFields, sha: str, ctx: Context) -> Draft | None:
    remote = _remote(fields)
    repo: GitRepo = ctx.world.git()
    found = await repo.remote_tag(fields.name, remote)
    if found == sha:
        return None
    if found is not None:
        raise Invalid(f"{remote} has {fields.name} on {found[:12]}, not {sha[:12]}", fix="release the next version")
    previous = ctx.state.subject.previous if ctx.state.subject else None
    return Draft(
        target=Target(kind="tag", id=f"{remote}/{fields.name}"),
        before=None,
        after={"tag": fields.name, "sha": sha, "remote": remote},
        timeout=ctx.plan.timeout or PUSH_TIMEOUT,
        says=f"{fields.name} pushed to {remote}",
        data={"do": "push", "tag": fields.name, "remote": remote},
        undo=Undo(
            band=WORDS_BAND,
            verb="tag",
            spec={"do": "withdraw", "tag": fields.name, "sha": sha, "remote": remote, "previous": previous},
            cls="safe",
            says=f"withdrawn/{fields.name} pushed to {remote}; {fields.name} itself stays",
            by_hand=_withdrawn_by_hand(fields.name, sha, remote, ctx),
            proof=_proof(f"withdrawn/{fields.name}", remote, ctx),
        ),
    )


def _deleted_by_hand(name: str, ctx: Context) -> str:
    """Deletes the local tag only where every remote answers that it does not have it."""
    ref, tag = shell.word(f"refs/tags/{name}"), shell.line(["git", "tag", "-d", "--", name])
    asked = f'git ls-remote --exit-code "$own_remote" {ref} > /dev/null; [ $? = 2 ]'
    kept = 'echo "kept: $own_remote has it, or does not answer" >&2'
    loop = f"for own_remote in $(git remote); do {asked} || {{ {kept}; exit 0; }}; done"
    there = f"git rev-parse -q --verify {ref} > /dev/null || exit 0"
    return shell.within(str(ctx.world.repo_path), f"{loop}; {there}; {tag}")


def _withdrawn_by_hand(name: str, sha: str, remote: str, ctx: Context) -> str:
    """Makes and pushes the tag that says so, where the release's own came out."""
    told = f"withdrawn/{name}"
    ref = shell.word(f"refs/tags/{told}")
    out = f"git ls-remote --exit-code {shell.word(remote)} {shell.word(f'refs/tags/{name}')} > /dev/null"
    make = shell.line(["git", "tag", "-a", "-m", f"{name} is withdrawn: rolled back by hand", "--", told, sha])
    push = f"git push -q {shell.word(remote)} {ref}"
    never = "case $? in 0) ;; 2) exit 0 ;; *) exit 1 ;; esac"
    made = f"{{ git show-ref -q --verify {ref} || {make}; }} && {push}"
    return shell.within(str(ctx.world.repo_path), f"{{ {out}; {never}; }} && {made}")


def _proof(tag: str, remote: str, ctx: Context) -> str:
    asked = f"git ls-remote --exit-code {shell.word(remote)} {shell.word(f'refs/tags/{tag}')} > /dev/null"
    return shell.within(str(ctx.world.repo_path), asked)


def _remote(fields: TagFields) -> str:
    return fields.push if isinstance(fields.push, str) else "origin"


async def _expect_previous(fields: TagFields, sha: str, ctx: Context) -> None:
    """Refuses where the release before is not the one that was expected: another one came in between."""
    if fields.expect_previous is None or ctx.state.subject is None:
        return
    prefix = ctx.world.playbook.release.tag_prefix
    repo: GitRepo = ctx.world.git()
    found = await repo.previous_tag(ctx.state.subject.version, sha, prefix)
    name = found.name if found else "none"
    if name.removeprefix(prefix) != fields.expect_previous.removeprefix(prefix):
        raise Invalid(f"the release before is {name}, expected {fields.expect_previous}", fix="rebase, or correct it")


def _undoing(item: UndoItem, ctx: Context) -> Draft:
    spec: dict[str, Any] = item.spec
    if spec["do"] == "delete":
        after: dict[str, Any] = {"tag": spec["tag"], "sha": None}
        data = {"do": "delete", "tag": spec["tag"], "sha": spec["sha"]}
        timeout = _LOCAL_TIMEOUT + PUSH_TIMEOUT
    else:
        name = f"withdrawn/{spec['tag']}"
        after = {"tag": name, "sha": spec["sha"], "remote": spec["remote"]}
        data = {"do": "withdraw", "tag": name, "sha": spec["sha"], "remote": spec["remote"]}
        data["message"] = _reason(spec, ctx)
        timeout = PUSH_TIMEOUT + _LOCAL_TIMEOUT
    return Draft(target=item.target, before=item.after, after=after, timeout=timeout, says=item.says, data=data)


def _reason(spec: dict[str, Any], ctx: Context) -> str:
    why = ctx.state.rollback_reason or "rolled back"
    back = f"\n\nUse {spec['previous']} instead." if spec.get("previous") else ""
    return f"{spec['tag']} is withdrawn: {why}{back}\n\nRun {ctx.state.run}."


async def _delete(repo: GitRepo, name: str, sha: str) -> Outcome:
    """Deletes the local tag only where every remote proves that it does not have it: anybody may have pushed it."""
    for remote in (await repo.facts()).remotes:
        if await repo.remote_tag(name, remote.name) is not None:
            return Done(observed=f"kept: {remote.name} has it")
    return await repo.delete_local_tag(name, sha)


async def _withdraw(repo: GitRepo, data: dict[str, Any], timeout: float) -> Outcome:  # noqa: ASYNC109 - git's own
    if await repo.remote_tag(data["tag"].removeprefix("withdrawn/"), data["remote"]) is None:
        return Done(observed="it never came out")
    made = await repo.create_tag(data["tag"], data["sha"], data["message"])
    if not isinstance(made, Done):
        return made
    return await repo.push_tag(data["tag"], data["remote"], timeout)
