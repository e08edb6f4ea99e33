"""The one place that runs git, and the one place that reads its complaints.

git runs through GitPython with a fixed argv (never a shell, never a user's text as an option), in a session
of its own: without a terminal neither ssh nor a credential helper can stop to ask a question. Of our environment it
gets what it works by (environ.py), so that no hook finds the conductor's secrets there. Reads raise
AdapterError; a write looks at its `Answer` itself, since only it knows what a failure proves.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.git.environ import withheld
from amplify_tui.adapters.ports import AdapterError, Forbidden, Invalid, NotFound, Unauthorized, Unreachable

READ_TIMEOUT: Final = 20.0
NETWORK_TIMEOUT: Final = 30.0
_DETACHED_GRACE: Final = 5.0  # a helper that left the process tree may hold the pipe: give up on it

_CONFIG: Final = (
    "-c",
    "core.warnAmbiguousRefs=true",
    "-c",
    "color.ui=false",
    "-c",
    "advice.detachedHead=false",
)
# For every call: nobody is there to be asked, and a background look takes no lock. ssh gets no BatchMode from us, as
# that would mean overriding the user's core.sshCommand; it has no terminal (a session of its own) and an askpass that
# answers nothing, which leaves it as little to ask.
_SET: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "SSH_ASKPASS": "true",
    "SSH_ASKPASS_REQUIRE": "force",
    "GCM_INTERACTIVE": "never",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_EDITOR": "true",
}
_CREDENTIALS: Final = re.compile(r"(?<=://)[^/@\s]+@")


class Answer(Struct, frozen=True, kw_only=True):
    """What git said. `err` is cleaned of credentials, not yet of control characters."""

    status: int
    out: bytes
    err: str
    is_timed_out: bool = False
    timeout: float = 0.0

    @property
    def is_cut_off(self) -> bool:
        """It did not end by itself: nobody can say how far it came."""
        return self.is_timed_out or self.status < 0


# First match wins. Each of these happens before anything was sent, so for a write they prove that nothing
# was done.
_COMPLAINTS: Final[tuple[tuple[re.Pattern[str], type[AdapterError], str, str], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), error, what, fix)
    for pattern, error, what, fix in (
        (
            r"detected dubious ownership",
            Forbidden,
            "git does not trust this repository: it belongs to another user",
            "git config --global --add safe.directory PATH, if you trust it",
        ),
        (
            r"does not appear to be a git repository|repository .*not found|No such remote",
            NotFound,
            "the remote repository is not there",
            "check the address with git remote -v",
        ),
        (
            r"not a git repository",
            NotFound,
            "this is not a git repository",
            "run git init, or set release.repo",
        ),
        (
            (
                r"authentication failed|could not read (?:username|password)|terminal prompts disabled"
                r"|permission denied \(|host key verification failed|returned error: 401"
            ),
            Unauthorized,
            "the remote asks for credentials that git does not have",
            "set up a credential helper or an ssh key that needs no prompt",
        ),
        (r"returned error: 403", Forbidden, "the remote refuses this user", "ask for the right to it"),
        (r"returned error: 404", NotFound, "the remote repository is not there", "check git remote -v"),
        (
            (
                r"could not resolve host|connection refused|failed to connect|couldn't connect"
                r"|network is unreachable|no route to host|connect to .*timed out|unable to access '[a-z]+://"
                r"|unable to connect|unable to look up"
            ),
            Unreachable,
            "the remote does not answer",
            "check the network and git remote -v",
        ),
        (
            (
                r"bad revision|unknown revision|needed a single revision|bad object|not a valid object"
                r"|malformed object|unable to parse object|invalid revision range"
            ),
            NotFound,
            "no such commit, branch or tag here",
            "git fetch --tags, or check the name",
        ),
    )
)


def complaint(answer: Answer, where: str) -> AdapterError | None:
    """The error that git's words stand for, or None where they are not known to prove anything.

    A server's own lines (`remote: …`) are left out: a hook may write anything.
    """
    said = "\n".join(line for line in answer.err.splitlines() if not line.startswith("remote:"))
    for pattern, error, what, fix in _COMPLAINTS:
        if pattern.search(said):
            return error(what, where=where, fix=fix)
    return None


def words(answer: Answer) -> str:
    """The line of git's complaint that a reader wants: the first that says fatal or error, else the last."""
    lines = [line.strip() for line in answer.err.splitlines() if line.strip()]
    telling = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
    return clean(telling) or f"git ended with {answer.status}"


class Caller:
    """Runs git in one directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def run(
        self,
        args: Sequence[str],
        *,
        timeout: float = READ_TIMEOUT,  # noqa: ASYNC109 - git is killed by it, not only left
        stdin: str | bytes | None = None,
    ) -> Answer:
        """What `git ARGS` answered, whatever its status. Raises NotFound: no git, or no such directory.

        A cancelled caller does not stop git: it ends by itself or at its timeout (a thread cannot be
        interrupted).
        """
        try:
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that meets the end of the call.
            async with asyncio.timeout(timeout + _DETACHED_GRACE):
                return await asyncio.to_thread(self._run, tuple(args), timeout, stdin)
        except TimeoutError:
            return Answer(status=-1, out=b"", err="", is_timed_out=True, timeout=timeout)

    async def read(self, args: Sequence[str], *, timeout: float = READ_TIMEOUT) -> bytes:  # noqa: ASYNC109
        """What `git ARGS` printed. Raises AdapterError, in words, for anything but status 0."""
        answer = await self.run(args, timeout=timeout)
        self.must(answer)
        return answer.out

    def must(self, answer: Answer) -> None:
        """Raises the AdapterError that *answer* stands for, unless git was content and saw one meaning."""
        where = str(self.path)
        if answer.is_timed_out:
            raise Unreachable(f"git did not answer within {answer.timeout:g} s", where=where)
        if answer.status != 0:
            raise complaint(answer, where) or Invalid(words(answer), where=where)
        ambiguous = re.search(r"refname '(.+?)' is ambiguous", answer.err)
        if ambiguous and not re.fullmatch(r"[0-9a-f]{40,64}", ambiguous[1]):
            raise Invalid(
                f"{clean(ambiguous[1], 80)!r} is both a branch and a tag",
                where=where,
                fix="write refs/heads/… or refs/tags/…",
            )

    def _run(self, args: tuple[str, ...], timeout: float, stdin: str | bytes | None) -> Answer:
        try:
            import git
        except ImportError as missing:  # GitPython looks for the git program when it is imported
            raise NotFound("git is not installed, or not on PATH", fix="install git 2.30 or newer") from missing
        if not self.path.is_dir():
            raise NotFound("there is no such directory", where=str(self.path), fix="check release.repo")
        # GitPython adds to our environment; only their names, never values, are in the argv that takes some out again.
        unset = [part for name in withheld() if name not in _SET for part in ("-u", name)]
        prefix = ["env", *unset] if unset else []
        with tempfile.TemporaryFile() as source:
            if stdin is not None:
                source.write(stdin if isinstance(stdin, bytes) else stdin.encode())
                source.seek(0)
            try:
                status, out, err = git.Git(self.path).execute(
                    [*prefix, "git", *_CONFIG, *args],
                    istream=source,
                    with_extended_output=True,
                    with_exceptions=False,
                    stdout_as_string=False,
                    strip_newline_in_stdout=False,
                    kill_after_timeout=timeout,
                    env=_SET,
                    start_new_session=True,
                )
            except git.exc.GitCommandNotFound as missing:
                raise NotFound("git is not installed, or not on PATH", fix="install git 2.30 or newer") from missing
        text = err if isinstance(err, str) else bytes(err).decode("utf-8", "replace")
        return Answer(
            status=int(status),
            out=out if isinstance(out, bytes) else str(out).encode(),
            err=_CREDENTIALS.sub("", text),
            is_timed_out=int(status) < 0 and text.startswith("Timeout: the command"),
            timeout=timeout,
        )


def without_credentials(url: str) -> str:
    """A remote's address as it may be shown."""
    return clean(_CREDENTIALS.sub("", url), 200)
