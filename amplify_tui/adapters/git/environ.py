"""What git may see of our environment, and so its hooks, filters and credential helpers: what it works by, no secrets.

A hook is a program of whoever can write the repository. The names are listed rather than left out one by one: nobody
can list the secrets of a machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Final

from amplify_tui.adapters.process import environment

ALSO: Final = "AMPLIFY_GIT_ENV"
"""Names further variables that git gets, with commas between: what a credential helper of the user needs."""

# Set in the environment of a git hook; they would silently point us at another repository.
_REDIRECTS: Final = frozenset(
    {
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_NAMESPACE",
        "GIT_PREFIX",
    }
)
# Not GIT_*: a secret may well be called GIT_TOKEN.
_NEEDED: Final = frozenset(
    {
        "ALL_PROXY",
        "CURL_CA_BUNDLE",
        "DBUS_SESSION_BUS_ADDRESS",  # by which a helper asks the system's keyring
        "DISPLAY",
        "EMAIL",
        "GIT_ALLOW_PROTOCOL",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CURL_VERBOSE",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_EXEC_PATH",
        "GIT_PROTOCOL",
        "GIT_PROTOCOL_FROM_USER",
        "GIT_PROXY_COMMAND",
        "GIT_PROXY_SSL_CAINFO",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
        "GIT_TEMPLATE_DIR",
        "GNUPGHOME",
        "GPG_TTY",
        "KRB5CCNAME",
        "KRB5_CONFIG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "NIX_SSL_CERT_FILE",
        "SSH_AGENT_PID",
        "WAYLAND_DISPLAY",
        "XAUTHORITY",
    }
)
_NEEDED_PREFIXES: Final = (
    "GIT_AUTHOR_",
    "GIT_COMMITTER_",
    "GIT_CONFIG",  # the user's own configuration: GIT_CONFIG_GLOBAL, GIT_CONFIG_KEY_0 and their like
    "GIT_HTTP_",
    "GIT_LFS_",
    "GIT_SSL_",
    "GIT_TRACE",
)


def withheld(ours: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The names of *ours* that git is started without, in order."""
    kept = {*environment({}), *_asked(ours.get(ALSO, "").split(","))} - _REDIRECTS
    return tuple(sorted(name for name in ours if name not in kept and not _is_needed(name)))


def _asked(names: Iterable[str]) -> Iterable[str]:
    return (name.strip() for name in names)


def _is_needed(name: str) -> bool:
    return name.upper() in _NEEDED or name.startswith(_NEEDED_PREFIXES)
