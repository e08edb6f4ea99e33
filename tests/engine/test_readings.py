"""The readings that a run leaves for later: whole lines, of bounded size, whatever cut the conductor off."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from amplify_tui.engine.readings import Readings, kept
from amplify_tui.verdict.model import Reading


def reading(at: float) -> Reading:
    window = {"window_from": at - 30.0, "window_to": at}
    said = {"status": "ok", "value": 0.25, "bad": 1.0, "total": 4.0}
    return Reading(signal="errors", source="prom", data_at=at, received_at=at, **window, **said)


def times(path: Path) -> list[float]:
    return [json.loads(line)["at"] for line in kept(path)]


def test_what_was_written_is_read_in_its_order_also_by_a_second_conductor(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    for begin in (0, 5):
        readings = Readings(path)
        for at in range(begin, begin + 5):
            readings.add(reading(at))
        readings.close()
    assert times(path) == list(range(10))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_line_that_a_crash_cut_off_costs_that_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    first = Readings(path)
    first.add(reading(1))
    first.close()
    path.write_bytes(path.read_bytes() + b'{"at": 2, "sig')
    Readings(path).add(reading(3))
    assert times(path) == [1, 3]


def test_of_very_many_the_newest_stay(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    readings = Readings(path, most=2_000)
    for at in range(1_000):
        readings.add(reading(at))
    found = times(path)
    assert found[-1] == 999
    assert found == list(range(int(found[0]), 1_000))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 * 2_000 + 200


def test_a_full_disk_stops_nobody_also_where_the_file_is_closed() -> None:
    readings = Readings(Path("/dev/full"))
    readings.add(reading(1))
    readings.add(reading(2))
    readings.close()


def test_a_disk_that_takes_nothing_stops_nobody(tmp_path: Path) -> None:
    readings = Readings(tmp_path / "there is no such folder" / "readings.jsonl")
    readings.add(reading(1))
    readings.add(reading(2))
    assert times(tmp_path / "there is no such folder" / "readings.jsonl") == []
