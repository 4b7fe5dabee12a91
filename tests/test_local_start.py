"""What `make run` and `make demo` refuse before they start anything."""

import shutil
from pathlib import Path
from unittest import mock

import pytest

from deploy.local import MB, CannotStart, refuse_full_disk


def test_a_start_on_a_full_disk_is_refused_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: mock.Mock(free=3 * MB))

    with pytest.raises(CannotStart, match=r"has only 3 MB left, 100 are needed: make room"):
        refuse_full_disk(tmp_path)


def test_a_start_where_there_is_room_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: mock.Mock(free=500 * MB))

    refuse_full_disk(tmp_path)
