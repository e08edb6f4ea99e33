"""Secrets that were written out: what they look like, and a text without them. Never a proof that there is none."""

from __future__ import annotations

import re
from typing import Final

# Shapes of tokens that are issued as secrets. A literal like these in a playbook is one that leaked.
_TOKENS: Final = re.compile(
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}|gh[opsur]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bsk-[A-Za-z0-9_-]{20,}|\bsk_live_[A-Za-z0-9]{16,}|\bnpm_[A-Za-z0-9]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|(?:\*|\w+):(?:\*|[\w-]+)\.[0-9a-f]{32,}|hooks\.slack\.com/services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[A-Za-z0-9]+"
    r"|(?i:bearer|basic)\s+(?!\$\{\{)[A-Za-z0-9._~+/=-]{16,}|[a-z][a-z0-9+.-]*://[^/\s:@$]*:[^/\s:@$]+@",
)


def looks_like_a_token(text: str) -> bool:
    """Whether *text* holds something of the shape of an issued secret (a token, a key, a password in a URL)."""
    return _TOKENS.search(text) is not None


def redact(text: str) -> str:
    """*text* with everything of that shape hidden."""
    return _TOKENS.sub("•••", text)
