"""What people see: the stock admin site with pages of our own. Rules live elsewhere."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from processors.admin.events import EventAdmin
from processors.admin.processors import ProcessorAdmin
from processors.admin.records import RecordAdmin
from processors.admin.runs import RunAdmin

__all__ = ["EventAdmin", "ProcessorAdmin", "RecordAdmin", "RunAdmin"]

admin.site.site_header = _("Recordmill")
admin.site.site_title = _("Recordmill")
admin.site.index_title = _("Overview")
admin.site.enable_nav_sidebar = False  # lists need the width
admin.site.index_template = "admin/overview.html"
