"""One file on one branch of a remote: read as the remote has it, and changed by one commit and one push.

The working tree, the index and the branches of the repository stay as they are: objects are made directly, and what
was fetched is kept under a ref of our own. Never by force: where the branch moved on meanwhile, the push is refused,
and nothing was changed. So git itself is the guard against a lost update.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.git.call import NETWORK_TIMEOUT, Answer, Caller, words
from amplify_tui.adapters.git.names import remote_name, revision
from amplify_tui.adapters.git.write import landed, no_identity
from amplify_tui.adapters.ports import Absent, Invalid, NotFound, Outcome

PRIVATE: Final = "refs/amplify/"
_LOG: Final = "--format=%H%x00%an%x00%at%x00%s%x00%x1e"
_SHOWN: Final = 50


class Snapshot(Struct, frozen=True, kw_only=True):
    """The file as the branch had it at one commit; `text` None where it is not there."""

    sha: str
    text: str | None


class Touch(Struct, frozen=True, kw_only=True):
    """One commit that touched the file."""

    sha: str
    by: str
    at: float
    subject: str


class RemoteFile:
    """*path* (from the root, with slashes) on *branch* of *remote*; "" as branch: the one the remote's HEAD names."""

    def __init__(
        self, repo: Path, *, path: str, remote: str, branch: str = "", timeout: float = NETWORK_TIMEOUT
    ) -> None:
        self.path = path
        self.remote = remote_name(remote)
        self._branch = revision(branch) if branch else ""
        self._caller = Caller(repo)
        self._timeout = timeout
        self._kept: Snapshot | None = None

    @property
    def name(self) -> str:
        """Where it is, for messages."""
        return f"{self.path} on {self._branch or 'HEAD'} of {self.remote}"

    async def head(self) -> str:
        """The commit that the branch names now. One call to the remote. Raises AdapterError, NotFound: no branch."""
        ref = f"refs/heads/{self._branch}" if self._branch else "HEAD"
        answer = await self._caller.run(["ls-remote", "--symref", "--", self.remote, ref], timeout=self._timeout)
        self._caller.must(answer)
        for line in answer.out.decode("utf-8", "replace").splitlines():
            value, _, found = line.partition("\t")
            if value.startswith("ref: refs/heads/") and found == "HEAD":
                self._branch = revision(value.removeprefix("ref: refs/heads/"))
            elif found == ref:
                return value
        raise NotFound(f"{self.remote} has no branch {self._branch or 'HEAD'}", fix="set `branch` of the source")

    async def read(self) -> Snapshot:
        """The file as the remote has it now; fetched only where the branch moved on. Raises AdapterError."""
        sha = await self.head()
        if self._kept is None or self._kept.sha != sha:
            await self._fetch(sha)
            self._kept = Snapshot(sha=sha, text=await self.at(sha))
        return self._kept

    async def at(self, sha: str) -> str | None:
        """The file as the commit *sha*, which has to be here, has it."""
        found = await self._caller.run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{sha}:{self.path}"])
        if found.status == 1:
            return None
        self._caller.must(found)
        answer = await self._caller.run(["cat-file", "blob", found.out.decode().strip()])
        self._caller.must(answer)
        try:
            return answer.out.decode()
        except UnicodeDecodeError as error:
            raise Invalid(f"{self.path} is no UTF-8 text", where=self.name) from error

    async def write(self, base: Snapshot, text: str, message: str) -> Outcome:
        """One commit on *base* with the file as *text*, pushed. Done (receipt: commit); Absent, with error "Conflict"
        where the branch moved on; Unknown where the push has no answer."""
        commit = await self._commit(base.sha, text, message)
        if isinstance(commit, Absent):
            return commit
        ref = f"refs/heads/{self._branch}"
        args = ["push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no", "--", self.remote]
        answer = await self._caller.run([*args, f"{commit}:{ref}"], timeout=self._timeout)
        return landed(answer, ref, commit, self.remote)

    async def touches(self, since: float) -> list[tuple[Touch, str | None, str | None]]:
        """The commits after *since* that touched the file, oldest first, with the file before and after each."""
        sha = (await self.read()).sha
        # git reads a small number as an hour of today, so "since ever" is said by leaving it out.
        limits = [f"--since={int(since)}"] if since > 0 else []
        args = ["log", "--first-parent", f"--max-count={_SHOWN}", *limits, _LOG, "--end-of-options"]
        out = (await self._caller.read([*args, sha, "--", self.path])).decode("utf-8", "replace")
        found = []
        for record in reversed([one.strip("\n") for one in out.split("\x1e") if one.strip("\n")]):
            commit, by, at, subject, *_ = record.split("\0")
            touch = Touch(sha=commit, by=clean(by, 80), at=float(at), subject=clean(subject, 200))
            found.append((touch, await self._before(commit), await self.at(commit)))
        return found

    async def _before(self, commit: str) -> str | None:
        answer = await self._caller.run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^"])
        return await self.at(answer.out.decode().strip()) if answer.status == 0 else None

    async def _fetch(self, sha: str) -> None:
        """Have *sha* here. A clone that has it already asks nobody."""
        if (await self._caller.run(["cat-file", "-e", f"{sha}^{{commit}}"])).status == 0:
            return
        kept = hashlib.sha256(f"{self.remote} {self._branch}".encode()).hexdigest()[:12]
        refspec = f"+refs/heads/{self._branch}:{PRIVATE}{kept}"
        args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--"]
        self._caller.must(await self._caller.run([*args, self.remote, refspec], timeout=self._timeout))

    async def _commit(self, parent: str, text: str, message: str) -> str | Absent:
        """A commit object that changes this file alone; made of plain objects, so that no index is touched."""
        child = f"100644 blob {await self._made(['hash-object', '-w', '--stdin'], text)}"
        path = PurePosixPath(self.path)
        for folder, name in zip(path.parents, (path.name, *(one.name for one in path.parents)), strict=False):
            tree = f"{parent}:{'' if str(folder) == '.' else folder}"
            answer = await self._caller.run(["ls-tree", "-z", tree])
            entries = answer.out.decode("utf-8", "surrogateescape").split("\0") if answer.status == 0 else []
            kept = [entry for entry in entries if entry and entry.partition("\t")[2] != name]
            mode = next((e.split(" ")[0] for e in entries if e.partition("\t")[2] == name), "")
            if mode in ("100644", "100755"):
                child = child.replace("100644", mode, 1)
            if mode in ("120000", "160000"):
                raise Invalid(f"{self.path} leads through a link or a submodule", where=self.name)
            made = "\0".join([*kept, f"{child}\t{name}"]) + "\0"
            child = f"040000 tree {await self._made(['mktree', '-z'], made.encode('utf-8', 'surrogateescape'))}"
        tree = child.rpartition(" ")[2]
        answer = await self._caller.run(["commit-tree", tree, "-p", parent, "-F", "-"], stdin=message)
        if answer.status:
            return no_identity(answer) or Absent(reason=words(answer), error="Invalid")
        return answer.out.decode().strip()

    async def _made(self, args: Sequence[str], stdin: str | bytes) -> str:
        answer: Answer = await self._caller.run(args, stdin=stdin)
        self._caller.must(answer)
        return answer.out.decode().strip()
