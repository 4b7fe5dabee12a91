"""The admin site: the stock one, with a first page of our own.

Beside `processors.admin`, not in it: Django makes the site when the first model is registered, and
importing that package registers ours.
"""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from processors.clock import database_now


class Site(admin.AdminSite):
    """Named in `processors.apps.AdminConfig`, so that `admin.site` is one of these."""

    site_header = _("Recordmill")
    site_title = _("Recordmill")
    index_title = _("Overview")
    empty_value_display = "\N{EN DASH}"  # as on every page of ours
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

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's
        """As the stock one; what is refused answers with a page that loses nothing."""
        from processors.admin.refusals import with_ways_back, without_loss

        return without_loss(super().admin_view(with_ways_back(view), cacheable))

    def get_urls(self) -> list[Any]:
        """With the pages that belong to no model."""
        from processors.admin import (
            background,
            frame,
            health_page,
            pause_all,
            queue_buttons,
            queue_pages,
        )

        wrap = self.admin_view
        own = [
            path("schedule/", wrap(self.schedule), name="schedule"),
            path("times/", wrap(frame.switch_times), name="times"),
            path("pause-all/", wrap(pause_all.pause_view), name="pause_all"),
            path("resume-all/", wrap(pause_all.resume_view), name="resume_all"),
            path("bulk/<int:pk>/", wrap(background.bulk_page), name="bulk_act"),
            path("health/", wrap(health_page.health), name="health"),
            path("queues/", wrap(queue_pages.overview), name="queues"),
            path("queues/jobs/", wrap(queue_pages.jobs), name="queue_jobs"),
            path("queues/do/<slug:verb>/", wrap(queue_buttons.act), name="queue_act"),
        ]
        return [*own, *super().get_urls()]

    def schedule(self, request: HttpRequest) -> HttpResponse:
        """What starts in the next 24 hours."""
        from processors.admin import overview, upcoming

        if not overview.may_see(request):
            raise PermissionDenied
        context = {
            **self.each_context(request),
            "title": _("Next 24 hours"),
            **upcoming.facts(request.user, database_now()),
        }
        return TemplateResponse(request, "admin/schedule.html", context)
