from django.apps import AppConfig


class DemoConfig(AppConfig):
    """An app like any user's: named in HANDLER_APPS, its `handlers` module is found by itself."""

    name = "demo"
    verbose_name = "Demo"
    default_auto_field = "django.db.models.BigAutoField"
