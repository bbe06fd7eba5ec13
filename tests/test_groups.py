"""Tests of a group run on one worker, and share what is dear to make."""

import os

import pytest


@pytest.mark.xdist_group("groups")
@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="without workers there are no groups")
def test_a_group_reaches_the_scheduler(request: pytest.FixtureRequest) -> None:
    """pytest 9.2 keeps the name that pytest-xdist 3.8 gives a test from it: each worker then makes everything again."""
    assert request.node.nodeid.endswith("@groups")
