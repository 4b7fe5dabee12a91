import logging
from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.admin import apps as stock
from django.db.models.signals import post_migrate
from django.utils.module_loading import module_has_submodule

from processors import failpoints

logger = logging.getLogger(__name__)


class ProcessorsConfig(AppConfig):
    """Finds every installed app's `handlers` module when Django starts."""

    default = True  # of the two in this module
    name = "processors"
    verbose_name = "Recordmill"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        failpoints.arm(settings.FAILPOINT)
        for app in apps.get_app_configs():
            if app.module is not None and module_has_submodule(app.module, "handlers"):
                find_handlers(app)
        post_migrate.connect(add_installation, sender=self)


class AdminConfig(stock.AdminConfig):
    """Django's admin with our first page."""

    default = False  # named in INSTALLED_APPS
    default_site = "processors.site.Site"


def find_handlers(app: AppConfig) -> None:
    """Register an app's handlers; a broken module must not take the admin away with it.

    Processors that need them are stopped with this reason, and the doctor tells of it.
    """
    from processors.handlers import registry

    try:
        import_module(f"{app.name}.handlers")
    except Exception as error:
        why = f"{type(error).__name__}: {error}".rstrip(".")[:300]
        logger.exception("%s.handlers are missing, they could not be imported: %s", app.name, why)
        registry.failures[app.label] = why


def add_installation(using: str, **_: Any) -> None:
    """The installation's one row, after every migrate or flush; its identity is drawn once."""
    from processors.models import Installation

    if using == "default":
        Installation.make()
