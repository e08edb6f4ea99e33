"""One repository, as the engine sees it: reads raise AdapterError in words, writes answer an Outcome."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from semver import Version

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.git.call import NETWORK_TIMEOUT, READ_TIMEOUT, Caller, without_credentials
from amplify_tui.adapters.git.history import LOG_FORMAT, TICKETS, parse_log
from amplify_tui.adapters.git.model import Commit, Distance, Facts, Remote, Tag
from amplify_tui.adapters.git.names import is_full_sha, remote_name, revision, tag_name
from amplify_tui.adapters.git.tags import FULL, TagIndex, parse
from amplify_tui.adapters.git.write import pushed, tag_refused
from amplify_tui.adapters.ports import Absent, Done, NotFound, Outcome, Problem, Unknown, Unreachable


class GitRepo:
    """The repository at *path* (its root, a directory in it, or a bare one). Making one touches nothing.

    A revision is a branch, a tag, a full refname or a SHA, with `~N` or `^N`; see `names.revision`.
    """

    def __init__(self, path: Path) -> None:
        self._caller = Caller(Path(path))
        self._tags: TagIndex | None = None

    async def facts(self) -> Facts:
        """How it stands. Raises NotFound: no repository there, or Forbidden: git does not trust it."""
        asked = [
            "--is-bare-repository",
            "--is-shallow-repository",
            "--is-inside-work-tree",
            "--absolute-git-dir",
        ]
        bare, shallow, inside, git_dir = (await self._text(["rev-parse", *asked])).splitlines()
        root = await self._text(["rev-parse", "--show-toplevel"]) if inside == "true" else git_dir
        if inside == "true":
            head, branch, dirty = await self._status()
        else:
            head, branch, dirty = await self._bare_head()
        return Facts(
            root=root,
            bare=bare == "true",
            shallow=shallow == "true",
            branch=branch,
            head=head,
            remotes=await self._remotes(),
            dirty=dirty,
        )

    async def resolve(self, ref: str) -> str:
        """The SHA of the commit that *ref* names. Raises NotFound, or Invalid: a branch and a tag share the name."""
        asked = f"{revision(ref)}^{{commit}}"
        answer = await self._caller.run(["rev-parse", "--verify", "--end-of-options", asked])
        if answer.status == 128 and "revision" in answer.err:
            where = str(self._caller.path)
            if ref in {"HEAD", "@"}:
                raise NotFound("this repository has no commits yet", where=where, fix="commit something first")
            raise NotFound(
                f"{clean(ref, 80)!r} names no commit here",
                where=where,
                fix="git fetch --tags, or check the name",
            )
        self._caller.must(answer)
        return answer.out.decode().strip()

    async def tags(self) -> Sequence[Tag]:
        """All tags, newest first; costs nearly nothing where none changed since the last call."""
        if self._tags is None:
            common = await self._text(["rev-parse", "--git-common-dir"])
            self._tags = TagIndex(self._caller, self._caller.path / common)
        return await self._tags.read()

    async def previous_tag(
        self, version: str, sha: str, prefix: str = "v", *, prereleases: bool | None = None
    ) -> Tag | None:
        """The highest tag `PREFIX<semver>` below *version* that *sha* holds; None where there is none.

        prereleases: whether v3.0.0-rc.1 may stand before v3.0.0. None: only where *version* is a prerelease
        itself, for what a final release follows, and goes back to, is a final release.
        """
        wanted = Version.parse(version)
        with_prereleases = wanted.prerelease is not None if prereleases is None else prereleases
        merged = f"--merged={await self._sha(sha)}"
        out = await self._caller.read(["for-each-ref", merged, FULL, f"refs/tags/{tag_name(prefix + '0')[:-1]}*"])
        best: tuple[Version, Tag] | None = None
        for tag in parse(out):
            try:
                found = Version.parse(tag.name.removeprefix(prefix))
            except ValueError:  # not a release's tag
                continue
            if found < wanted and (with_prereleases or found.prerelease is None) and (best is None or found > best[0]):
                best = (found, tag)
        return best[1] if best else None

    async def commits(
        self, since: str | None, until: str, paths: Sequence[str] = (), tickets: re.Pattern[str] = TICKETS
    ) -> list[Commit]:
        """The commits in *until* that *since* does not have (None: all), newest first; merges are among them.

        paths are git pathspecs. Raises NotFound for an unknown end of the range; in a shallow clone that is
        said.
        """
        span = f"{revision(since)}..{revision(until)}" if since else revision(until)
        args = ["log", "-z", "--no-color", "--no-show-signature", "--encoding=UTF-8", LOG_FORMAT]
        try:
            out = await self._caller.read([*args, "--end-of-options", span, "--", *paths])
        except NotFound as missing:
            if await self._text(["rev-parse", "--is-shallow-repository"]) == "true":
                raise NotFound(
                    f"{clean(span, 120)} is not in this shallow clone",
                    where=str(self._caller.path),
                    fix="git fetch --unshallow --tags",
                ) from missing
            raise
        return list(parse_log(out, tickets))

    async def ahead(self, sha: str, ref: str) -> Distance:
        """How many commits *sha* has that *ref* lacks, and the other way round."""
        span = f"{await self._sha(sha)}...{await self._sha(ref)}"
        ahead, behind = (await self._text(["rev-list", "--left-right", "--count", span])).split()
        return Distance(ahead=int(ahead), behind=int(behind))

    async def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether *descendant* holds *ancestor* (a commit is its own ancestor)."""
        pair = [await self._sha(ancestor), await self._sha(descendant)]
        answer = await self._caller.run(["merge-base", "--is-ancestor", *pair])
        if answer.status == 1:
            return False
        self._caller.must(answer)
        return True

    async def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor, or None where the two share no history."""
        pair = [await self._sha(one), await self._sha(other)]
        answer = await self._caller.run(["merge-base", *pair])
        if answer.status == 1:
            return None
        self._caller.must(answer)
        return answer.out.decode().strip().partition("\n")[0]

    async def local_tag(self, name: str) -> Tag | None:
        """The local tag called *name*, or None."""
        out = await self._caller.read(["for-each-ref", FULL, f"refs/tags/{tag_name(name)}"])
        return next((tag for tag in parse(out) if tag.name == name), None)

    async def create_tag(self, name: str, sha: str, message: str = "", *, sign: bool = False) -> Outcome:
        """Makes an annotated tag; Done where it is there already on the same commit, and never moves one.

        message: "" takes the name. The receipt holds `ref`, `sha` and the tag object's `oid`.
        """
        target = await self._sha(sha)
        existing = await self.local_tag(name)
        if existing is not None:
            return _tag_found(existing, target)
        kind = "--sign" if sign else "--no-sign"
        args = ["tag", "--annotate", kind, "--cleanup=whitespace", "--file=-", "--", name, target]
        answer = await self._caller.run(args, stdin=message or name)
        if answer.status > 0:
            return tag_refused(answer)
        try:  # a git that was cut off may have come far enough: the repository knows
            made = await self.local_tag(name)
        except Unreachable as silent:
            return Unknown(cause=f"whether the tag {name} was made: {silent}")
        return _tag_found(made, target) if made else Absent(reason=f"git made no tag {name}", retryable=True)

    async def delete_local_tag(self, name: str, expect: str) -> Outcome:
        """Removes a local tag if it still names *expect*. Prove first that no remote has it (`remote_tag`)."""
        existing = await self.local_tag(name)
        if existing is None:
            return Done(observed="was gone already")
        if existing.sha != await self._sha(expect):
            return Absent(reason=f"the tag {name} now names {existing.sha[:10]}: it is not ours", error="Conflict")
        # update-ref compares and deletes at once; `git tag -d` would delete whatever the name holds by then.
        answer = await self._caller.run(["update-ref", "-d", f"refs/tags/{name}", existing.oid])
        if answer.is_cut_off:
            return Unknown(cause=f"git was ended while it removed the tag {name}")
        return tag_refused(answer) if answer.status else Done(receipt={"ref": f"refs/tags/{name}"}, observed="deleted")

    async def push_tag(self, name: str, remote: str, timeout: float = NETWORK_TIMEOUT) -> Outcome:  # noqa: ASYNC109
        """Pushes one tag, never by force. One cut off by *timeout* is Unknown: `remote_tag` settles it."""
        remote_name(remote)
        tag = await self.local_tag(name)
        if tag is None:
            return Absent(reason=f"there is no local tag {name} to push", error="NotFound")
        ref = f"refs/tags/{name}"
        args = [
            "push",
            "--porcelain",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "--",
            remote,
            f"{ref}:{ref}",
        ]
        return pushed(await self._caller.run(args, timeout=timeout), ref, tag.sha, remote)

    async def remote_tag(self, name: str, remote: str, timeout: float = NETWORK_TIMEOUT) -> str | None:  # noqa: ASYNC109
        """The SHA that *remote* has under the tag *name*, asked now; None is proof that it has none.

        Raises Unreachable, Unauthorized or NotFound (no such remote): then nothing is known.
        """
        ref = f"refs/tags/{tag_name(name)}"
        args = ["ls-remote", "--", remote_name(remote), ref, f"{ref}^{{}}"]
        answer = await self._caller.run(args, timeout=timeout)
        self._caller.must(answer)
        found = dict(line.split("\t", 1)[::-1] for line in answer.out.decode("utf-8", "replace").splitlines())
        return found.get(f"{ref}^{{}}", found.get(ref))

    async def _sha(self, rev: str) -> str:
        return rev if is_full_sha(rev) else await self.resolve(rev)

    async def _text(self, args: Sequence[str]) -> str:
        out = await self._caller.read(args, timeout=READ_TIMEOUT)
        return out.decode("utf-8", "replace").removesuffix("\n")

    async def _status(self) -> tuple[str | None, str | None, bool]:
        args = ["status", "--porcelain=v2", "--branch", "--untracked-files=no", "-z"]
        records = (await self._text(args)).split("\0")
        said = dict(record[2:].split(" ", 1) for record in records if record.startswith("# branch."))
        head, branch = said.get("branch.oid", "(initial)"), said.get("branch.head", "(detached)")
        return (
            None if head == "(initial)" else head,
            None if branch == "(detached)" else clean(branch, 200),
            any(record and not record.startswith("#") for record in records),
        )

    async def _bare_head(self) -> tuple[str | None, str | None, bool]:
        name = await self._caller.run(["symbolic-ref", "--quiet", "--short", "HEAD"])
        at = await self._caller.run(["rev-parse", "--verify", "--quiet", "HEAD"])
        branch = clean(name.out.decode("utf-8", "replace").strip(), 200) or None
        return at.out.decode().strip() or None, branch, False

    async def _remotes(self) -> tuple[Remote, ...]:
        answer = await self._caller.run(["config", "-z", "--get-regexp", r"^remote\..*\.url$"])
        if answer.status == 1:  # none configured
            return ()
        self._caller.must(answer)
        pairs = (entry.split("\n", 1) for entry in answer.out.decode("utf-8", "replace").split("\0") if "\n" in entry)
        urls = {key.removeprefix("remote.").removesuffix(".url"): url for key, url in pairs}
        return tuple(Remote(name=clean(name, 80), url=without_credentials(url)) for name, url in urls.items())


def repository_problems(facts: Facts, push: str | None = None) -> list[Problem]:
    """What stands in a release's way, each with what to do. push: the remote that the playbook pushes to."""
    found: list[Problem] = []

    def tell(what: str, fix: str, is_error: bool = False) -> None:
        found.append(Problem(what=what, where=facts.root, fix=fix, severity="error" if is_error else "warning"))

    if facts.head is None:
        tell("the repository has no commits yet", "commit something first", is_error=True)
    if push is not None and push not in {remote.name for remote in facts.remotes}:
        names = ", ".join(remote.name for remote in facts.remotes) or "none"
        tell(
            f"there is no remote {clean(push, 80)!r} to push to (known: {names})",
            "git remote add",
            is_error=True,
        )
    if facts.shallow:
        tell("the clone is shallow: earlier tags and commits are missing", "git fetch --unshallow --tags")
    if facts.bare:
        tell("the repository is bare: commands find no files in it", "use a clone with a work tree")
    if facts.detached:
        tell("HEAD is detached: no branch says what is being released", "git switch BRANCH, or set release.ref")
    if facts.dirty:
        tell("tracked files have changes that no commit holds", "commit or stash them")
    return found


def _tag_found(tag: Tag, target: str) -> Outcome:
    if tag.sha == target:
        return Done(receipt={"ref": f"refs/tags/{tag.name}", "sha": tag.sha, "oid": tag.oid}, observed=tag.sha)
    reason = f"the tag {tag.name} names {tag.sha[:10]} already, not {target[:10]}; a tag is never moved"
    return Absent(reason=reason, error="Conflict")
