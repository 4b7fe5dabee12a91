"""Routes: health, the admin, and the pages that handler apps bring along."""

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.utils.module_loading import module_has_submodule
from django.views.generic import RedirectView

from processors import views


def handler_app_routes() -> list[URLPattern | URLResolver]:
    """Each app of HANDLER_APPS that has a `urls` module, at /<label>/."""
    return [
        path(f"{app.label}/", include(f"{app.name}.urls"))
        for app in apps.get_app_configs()
        if app.name in settings.HANDLER_APPS and module_has_submodule(app.module, "urls")
    ]


urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    *handler_app_routes(),
]

handler500 = "processors.outage.server_error"
handler400 = "processors.admin.refusals.bad_request"
handler403 = "processors.admin.refusals.forbidden"
handler404 = "processors.admin.refusals.not_found"
