"""Fixtures of the tests that step, kill and race."""

from collections.abc import Iterator

import pytest

from tests.model.laboratory import without_wakes
from tests.model.stepwise import Stage, stage


@pytest.fixture
def two(transactional_db: None) -> Iterator[Stage]:
    """Two actors on a stage."""
    with without_wakes(), stage("anna", "ben") as made:
        yield made
