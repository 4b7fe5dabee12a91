"""`doctor` on the process it runs in: settings, secrets, handlers that cannot be imported."""

import pytest
from django.conf import settings

from processors.handlers import registry
from tests.management.doctor.conftest import findings

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_debug_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DEBUG", True)

    assert findings("DEBUG")[0].level == "warning"


@pytest.mark.parametrize("key", ["short", "only-for-tests-and-debugging"])
def test_a_secret_key_that_can_be_known_is_told(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(settings, "TESTING", False)
    monkeypatch.setattr(settings, "SECRET_KEY", key)

    [found] = findings("SECRET_KEY")

    assert found.level == "error"
    assert "short" not in found.what


def test_a_lease_shorter_than_a_stall_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TESTING", False)
    monkeypatch.setattr(settings, "LEASE_SECONDS", 2)

    [found] = findings("LEASE_SECONDS")

    assert found.level == "warning"
    assert "Set it to 20 or more" in found.mend


def test_handlers_that_could_not_be_imported_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.failures, "shop", "SyntaxError: invalid syntax")

    [found] = findings("app 'shop'")

    assert "SyntaxError" in found.what


def test_a_job_class_that_is_not_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.RQ, "JOB_CLASS", "rq.job.Job")

    [found] = findings("setting")

    assert found.where == "setting RQ['JOB_CLASS']"
