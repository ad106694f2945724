"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def archive() -> Path:
    """Folder of real files; the test is skipped where there is none."""
    if "CLUSTERMASS_ARCHIVE" not in os.environ:
        pytest.skip("CLUSTERMASS_ARCHIVE is not set")
    return Path(os.environ["CLUSTERMASS_ARCHIVE"])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the runs of the whole workflow: they are the longest, and a file stays on one worker."""
    items.sort(key=lambda item: not item.path.name.startswith("test_workflow"))
