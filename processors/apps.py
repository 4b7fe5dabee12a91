from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.contrib.admin import apps as stock
from django.db.models.signals import post_migrate
from django.utils.module_loading import autodiscover_modules

from processors import failpoints


class ProcessorsConfig(AppConfig):
    """Finds every installed app's `handlers` module when Django starts."""

    default = True  # of the two in this module
    name = "processors"
    verbose_name = "Recordmill"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        failpoints.arm(settings.FAILPOINT)
        autodiscover_modules("handlers")
        post_migrate.connect(add_installation, sender=self)


class AdminConfig(stock.AdminConfig):
    """Django's admin with our first page."""

    default = False  # named in INSTALLED_APPS
    default_site = "processors.site.Site"


def add_installation(using: str, **_: Any) -> None:
    """The installation's one row, after every migrate or flush; its identity is drawn once."""
    from processors.models import Installation

    if using == "default":
        Installation.make()
