"""Messages by apprise, for the hundred services it knows; the library is loaded when the first one goes out.

apprise says that it failed, not why: only the status code in its own warning tells a refusal (absent) from
a broken connection (unknown). Its log is kept from ours, for it shows parts of the address.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Final

from amplify_tui.adapters.clean import clean, clean_lines
from amplify_tui.adapters.notify_http import Reply, allowed_host, refusal
from amplify_tui.adapters.ports import Absent, Announcement, Done, Invalid, Outcome, Unknown

TIMEOUT: Final = 10.0
_STATUS: Final = re.compile(r"error=([1-5][0-9]{2})\b")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


class AppriseNotifier:
    """One apprise address. It cannot thread, and its services know no idempotency key: send once."""

    def __init__(self, url: str, *, hosts: tuple[str, ...] = (), timeout: float = TIMEOUT) -> None:
        self._url = url
        self._hosts = hosts
        self._timeout = timeout

    async def send(self, message: Announcement) -> Outcome:
        """Done where apprise says so. A cancelled caller does not stop it: its own limits do."""
        try:
            if self._hosts:
                allowed_host(self._url, self._hosts)
        except Invalid as wrong:
            return Absent(reason=str(wrong), error="Invalid")
        try:
            async with asyncio.timeout(self._timeout * 3):
                return await asyncio.to_thread(self._send, message)
        except TimeoutError:
            return Unknown(cause=f"apprise did not come to an end within {self._timeout * 3:g} s")

    def _send(self, message: Announcement) -> Outcome:
        _silence()
        import apprise

        known = _SCHEME.match(self._url)
        scheme = clean(known[1], 20) if known else "no scheme"
        # Its default follows redirects: the message would go wherever the host that `hosts` allows points to.
        service = apprise.Apprise(asset=apprise.AppriseAsset(async_mode=False, http_redirects=False))
        if not service.add(self._limited()):
            return Absent(reason=f"apprise does not know an address like this ({scheme}://…)", error="Invalid")
        title, body = clean(message.subject, 200), clean_lines(message.whole_body)
        if not (title or body):
            return Absent(reason="there is nothing to send", error="Invalid")
        result = service.notify(title=title, body=body, timeout=self._timeout * 2)
        if result:  # an AppriseResult: true for a full success only
            return Done(receipt={"ref": message.idem}, observed="sent")
        heard = [found for entry in result.logs() if (found := _STATUS.search(entry.message))]
        refused = refusal(Reply(status=int(heard[-1][1]), body=b""), scheme) if heard else None
        return refused or Unknown(cause=f"apprise could not say whether the message by {scheme} went out")

    def _limited(self) -> str:
        """The address with our limits on connecting and reading, unless it sets its own."""
        limits = [f"{name}={self._timeout:g}" for name in ("cto", "rto") if f"{name}=" not in self._url]
        return "&".join([self._url + ("" if "?" in self._url else "?"), *limits]) if limits else self._url


def _silence() -> None:
    """Keeps two logs that hold addresses from ours: apprise's, which comes with each result, and its HTTP client's."""
    for name in ("apprise", "urllib3"):
        logging.getLogger(name).propagate = False
