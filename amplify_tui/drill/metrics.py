"""What an instance counts, and its Prometheus text. Pure: no clock, no socket; a restart is a new object."""

from __future__ import annotations

from collections.abc import Iterator

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
VARIANTS = ("on", "off")
TEXT = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one instance since it started. Each series is there from the first scrape on, at zero.

    A series that only appears with the first error would give a rate its first value one scrape too late.
    """

    def __init__(self, job: str, instance: str) -> None:
        self._labels = f'job="{job}",instance="{instance}"'
        self.requests = {(code, variant): 0 for code in ("200", "500") for variant in VARIANTS}
        self._buckets = {variant: [0] * (len(BUCKETS) + 1) for variant in VARIANTS}
        self._seconds = dict.fromkeys(VARIANTS, 0.0)

    def observe(self, code: int, variant: str, seconds: float) -> None:
        """Count one answered request; *variant* is one of VARIANTS."""
        self.requests[str(code), variant] = self.requests.get((str(code), variant), 0) + 1
        position = next((i for i, edge in enumerate(BUCKETS) if seconds <= edge), len(BUCKETS))
        self._buckets[variant][position] += 1
        self._seconds[variant] += seconds

    def served(self) -> dict[str, int]:
        """Requests by `variant:code`: the sandbox's ground truth."""
        return {f"{variant}:{code}": count for (code, variant), count in self.requests.items()}

    def text(self, started: float) -> bytes:
        """The exposition format 0.0.4."""
        return ("\n".join(self._lines(started)) + "\n").encode()

    def _lines(self, started: float) -> Iterator[str]:
        yield "# HELP http_requests_total Requests answered."
        yield "# TYPE http_requests_total counter"
        for (code, variant), count in self.requests.items():
            yield f'http_requests_total{{{self._labels},code="{code}",variant="{variant}"}} {count}'
        yield "# HELP http_seconds Time to answer, in seconds."
        yield "# TYPE http_seconds histogram"
        for variant in VARIANTS:
            labels, total = f'{self._labels},variant="{variant}"', 0
            for edge, count in zip((*BUCKETS, "+Inf"), self._buckets[variant], strict=True):
                total += count
                yield f'http_seconds_bucket{{{labels},le="{edge}"}} {total}'
            yield f"http_seconds_sum{{{labels}}} {self._seconds[variant]:.6f}"
            yield f"http_seconds_count{{{labels}}} {total}"
        yield "# TYPE process_start_time_seconds gauge"
        yield f"process_start_time_seconds{{{self._labels}}} {started:.3f}"
