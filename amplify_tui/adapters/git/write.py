"""What git's answer to a write proves: done, absent, or unknown. Pure: an Answer in, an Outcome out."""

from __future__ import annotations

import re
from typing import Final

from amplify_tui.adapters.clean import clean
from amplify_tui.adapters.git.call import Answer, complaint, words
from amplify_tui.adapters.ports import Absent, Done, Outcome, Unknown

_HOOK_LINE: Final = re.compile(r"^remote: ?(.*?)\s*$", re.MULTILINE)
_BUSY: Final = re.compile(r"cannot lock|unable to lock|failed to lock|\.lock'?: File exists", re.IGNORECASE)
_MOVED_ON: Final = re.compile(r"fetch first|non-fast-forward|cannot lock ref|failed to update ref|stale info")
_NO_IDENTITY: Final = re.compile(r"tell me who you are|empty ident|no email was given", re.IGNORECASE)
_NO_SIGNATURE: Final = re.compile(
    r"gpg failed|unable to sign|failed to sign|signing failed|no secret key", re.IGNORECASE
)
_UNSENT: Final = re.compile(r"src refspec .* does not match any", re.IGNORECASE)


def pushed(answer: Answer, ref: str, sha: str, remote: str) -> Outcome:
    """What `git push --porcelain` of one tag *ref* proves.

    A rejection carries the server's hook's own words. A push that was cut off, or whose connection broke
    once it had begun, is Unknown: the server may still be working on it.
    """
    if answer.is_timed_out:
        return Unknown(cause=f"the push to {remote} was ended after {answer.timeout:g} s; the server may still take it")
    if answer.status < 0:
        return Unknown(cause=f"the push to {remote} was killed by signal {-answer.status}")
    flag, summary = _status_line(answer.out, ref)
    receipt = {"ref": ref, "sha": sha, "remote": remote}
    if answer.status == 0 and flag in {"*", " ", "+", "="}:
        return Done(receipt=receipt, observed="was there already" if flag == "=" else "pushed")
    if flag == "!" and summary.startswith(("[remote rejected]", "[rejected]")):
        return _rejected(answer, summary, remote, "the tag")
    return _failed_early(answer, ref, remote)


def landed(answer: Answer, ref: str, commit: str, remote: str) -> Outcome:
    """As `pushed`, for a commit on a branch: where the branch moved on it is Absent with error "Conflict"."""
    flag, summary = _status_line(answer.out, ref)
    if not answer.is_cut_off and flag == "!" and _MOVED_ON.search(summary):
        words_ = clean(f"{remote} refused the commit: {summary}", 300)
        return Absent(reason=f"the branch moved on meanwhile; {words_}", retryable=True, error="Conflict")
    if not answer.is_cut_off and flag == "!" and summary.startswith(("[remote rejected]", "[rejected]")):
        return _rejected(answer, summary, remote, "the commit")
    outcome = pushed(answer, ref, commit, remote)
    return Done(receipt={"commit": commit, "ref": ref, "remote": remote}) if isinstance(outcome, Done) else outcome


def no_identity(answer: Answer) -> Absent | None:
    """What git's refusal to commit for nobody means; None where it refused for something else."""
    if not _NO_IDENTITY.search(answer.err):
        return None
    return Absent(reason="git does not know who commits: set user.name and user.email", error="Invalid")


def tag_refused(answer: Answer) -> Absent:
    """Why git would not make or remove a local tag; nothing was changed."""
    if _BUSY.search(answer.err):
        return Absent(reason=f"another git holds the lock: {words(answer)}", retryable=True, error="Conflict")
    if _NO_IDENTITY.search(answer.err):
        return Absent(reason="git does not know who tags: set user.name and user.email", error="Invalid")
    if _NO_SIGNATURE.search(answer.err):
        return Absent(reason=f"the tag could not be signed: {words(answer)}", error="Unauthorized")
    return Absent(reason=words(answer), error="Invalid")


def _status_line(out: bytes, ref: str) -> tuple[str, str]:
    """Flag and summary of *ref* in porcelain output (git-push(1): flag, from:to, summary, by tabs)."""
    for line in out.decode("utf-8", "replace").splitlines():
        parts = line.split("\t", 2)
        if len(parts) == 3 and parts[1].rpartition(":")[2] == ref:
            return parts[0], parts[2]
    return "", ""


def _rejected(answer: Answer, summary: str, remote: str, what: str) -> Absent:
    said = " ".join(line for line in _HOOK_LINE.findall(answer.err) if line)
    reason = clean(f"{remote} refused {what}: {summary}{f'; it says: {said}' if said else ''}", 600)
    if "already exists" in summary:
        return Absent(reason=f"{reason}; a tag that is out is never moved", error="Conflict")
    return Absent(reason=reason, retryable=_BUSY.search(summary) is not None, error="Forbidden")


def _failed_early(answer: Answer, ref: str, remote: str) -> Outcome:
    if _UNSENT.search(answer.err):
        return Absent(reason=f"there is no local {ref} to push", error="NotFound")
    # An RPC that failed had begun: the words that follow it prove nothing.
    known = None if "RPC failed" in answer.err else complaint(answer, remote)
    if known is None:
        return Unknown(cause=f"the push to {remote} broke: {words(answer)}")
    return Absent(reason=str(known), retryable=known.retryable, error=type(known).__name__)
