"""Settings that cannot be right are told in a line with their name."""

import pytest
from django.conf import settings

from config.databases import read_databases
from config.environment import BadSetting, Environment


def test_an_address_without_a_database_is_refused_by_its_variable() -> None:
    env = Environment({"DATABASE_URL": "postgres://127.0.0.1"})

    with pytest.raises(BadSetting, match="DATABASE_URL names no database"):
        read_databases(env, settings.VAR_DIR)


def test_a_queue_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(BadSetting, match="There is no queue 'defualt': QUEUES has default"):
        settings.RQ_QUEUES["defualt"]
