"""Django's own pages of users and groups, with lists that are narrowed by their filters alone."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User

from processors.admin.base import OwnFilters

admin.site.unregister([User, Group])


@admin.register(User)
class Users(OwnFilters, UserAdmin):  # type: ignore[type-arg]
    """As Django's."""


@admin.register(Group)
class Groups(OwnFilters, GroupAdmin):
    """As Django's."""
