from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class ProcessorsConfig(AppConfig):
    """Finds every installed app's `handlers` module when Django starts."""

    name = "processors"
    verbose_name = "Recordmill"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        autodiscover_modules("handlers")
