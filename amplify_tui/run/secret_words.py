"""What is said of secrets that have no value somewhere: always their names, never a value. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def named(secrets: Sequence[str]) -> str:
    """`$SLACK_URL and $UNLEASH_TOKEN`, as a shell has them."""
    *most, last = [f"${name}" for name in secrets]
    return f"{', '.join(most)} and {last}" if most else last


def not_set(*secrets: str) -> str:
    """The beginning of every sentence about them; `lacking.waits_for` finds a secret by it."""
    return f"{named(secrets)} {'is' if len(secrets) == 1 else 'are'} not set"


def where_set(*secrets: str) -> str:
    """The end of the sentence that says where to type something."""
    return f"where {'it is' if len(secrets) == 1 else 'they are'} set"
