"""Faults of the way to a target and of the target itself: answers that are lost or late, commands that hang or die."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from tests.reliability.laboratory import Fault, Trial
from tests.reliability.target import When
from tests.reliability.trial import Result

DROPPED: Final = "a request is lost on its way"
LOST: Final = "an answer is lost"
LATE: Final = "a request is carried out 15 s later, when nobody waits for it any more"
PUSH: Final = "a push lands, and the remote ends before it says so"
DEPLOY: Final = "a deploy hangs, dies, or ends well after its timeout"

LANDS_AFTER: Final = 15.0
DEPLOYS: Final = {
    "it hangs, and ignores SIGTERM": "trap '' TERM; sleep 600",
    "it dies by a signal": "kill -9 $$",
    "what it started ends well after its timeout": 'setsid sh -c \'sleep 14; "$@"\' sh "$@" & sleep 600',
}
LANDS_AT_THE_LAST_REVERT: Final = """
case " $* " in
*" checkout-1 "*) echo "$AMPLIFY_IDEM" >> "$place/$name.did"; "$@"; echo 3.0.0 > "$place/at-UNIT"; exit 0 ;;
*) printf %s "$odd" > "$place/odd-$name" ;;
esac
"""


def requests(model: Result, row: str) -> Iterator[Fault]:
    """One for each write of the model's run that goes by HTTP."""
    whens: dict[str, When] = {DROPPED: "before", LOST: "after", LATE: "late"}

    def at(write: str) -> Fault:
        async def work(trial: Trial) -> None:
            async def mischief() -> None:
                trial.struck.set()
                if row == LATE:
                    await asyncio.sleep(LANDS_AFTER)

            trial.place.target.meet(write, whens[row], mischief)

        return Fault(row=row, name=write, work=work)

    yield from map(at, model.writes)


def pushes() -> Iterator[Fault]:
    async def work(trial: Trial) -> None:
        trial.place.cut_pushes()
        trial.struck.set()

    yield Fault(row=PUSH, name="v3.0.0", work=work)


def deploys() -> Iterator[Fault]:
    for name, line in DEPLOYS.items():

        async def work(trial: Trial, line: str = line) -> None:
            trial.place.odd("deploy", line)
            trial.struck.set()

        yield Fault(row=DEPLOY, name=name, work=work)

    for name, unit in (("as its instance goes back", 1), ("once its instance is back", 2)):

        async def lands(trial: Trial, unit: int = unit) -> None:
            trial.place.odd("revert", LANDS_AT_THE_LAST_REVERT.replace("UNIT", str(unit)))
            trial.struck.set()

        yield Fault(row=DEPLOY, name=f"what it started ends {name}", work=lands)
