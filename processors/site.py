"""The admin site: the stock one, with a first page of our own.

Beside `processors.admin`, not in it: Django makes the site when the first model is registered, and
importing that package registers ours.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _


class Site(admin.AdminSite):
    """Named in `processors.apps.AdminConfig`, so that `admin.site` is one of these."""

    site_header = _("Recordmill")
    site_title = _("Recordmill")
    index_title = _("Overview")
    enable_nav_sidebar = False  # lists need the width
    index_template = "admin/overview.html"

    def index(  # type: ignore[override]  # a poll is answered without the template
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What needs a person now."""
        from processors.admin import live, overview

        seen = overview.facts(request) if overview.may_see(request) else None
        facts = {"seen": seen, "live_ms": overview.LIVE_MS if seen else 0}
        if live.is_poll(request):
            return live.answer(request, self.index_template, facts)
        return super().index(request, {**facts, **(extra_context or {})})
