"""What all tests on local stacks share: what the functions call is listened to, and judged when all are through."""

from __future__ import annotations

import pytest

from .calls import Calls
from .stack import LocalStack

LocalStack.calls = Calls()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever looks back on the whole run comes last."""
    items.sort(key=lambda item: item.get_closest_marker("looks_back") is not None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "looks_back: a test of what the whole run has called, which comes last")
