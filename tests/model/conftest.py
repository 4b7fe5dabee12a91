"""Fixtures of the tests that step, kill and race."""

from collections.abc import Iterator

import pytest

from tests.model.stepwise import Stage, stage
from tests.model.world import without_wakes


@pytest.fixture
def two(transactional_db: None) -> Iterator[Stage]:
    """Two actors on a stage."""
    with without_wakes(), stage("anna", "ben") as made:
        yield made
