"""A real UnleashClient as the sandbox uses it: polls each second, reports its counts, keeps nothing on disk."""

from __future__ import annotations

from typing import Any

from UnleashClient import UnleashClient  # type: ignore[attr-defined]
from UnleashClient.cache import BaseCache
from UnleashClient.utils import InstanceAllowType


class MemoryCache(BaseCache):
    """The SDK's own cache is a file named after the application, and outlives us with another world's flags."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}
        self.bootstrapped = False

    def set(self, key: str, value: Any) -> None:
        self._kept[key] = value

    def mset(self, data: dict[str, Any]) -> None:
        self._kept.update(data)

    def get(self, key: str, default: Any | None = None) -> Any:
        return self._kept.get(key, default)

    def exists(self, key: str) -> bool:
        return key in self._kept

    def destroy(self) -> None:
        self._kept.clear()


def flag_client(url: str, token: str, environment: str, app: str) -> UnleashClient:
    """A client that polls each second and keeps nothing on disk. The caller destroys it."""
    return UnleashClient(
        url=url + "/api",
        app_name=app,
        environment=environment,
        custom_headers={"Authorization": token},
        refresh_interval=1,
        request_timeout=2,
        request_retries=0,
        metrics_interval=2,
        cache=MemoryCache(),
        multiple_instance_mode=InstanceAllowType.SILENTLY_ALLOW,
    )
