"""Four groups to begin with. A group of that name that is there already is left as it is."""

from typing import Any

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations

VIEWER = {
    "view_processor",
    "view_run",
    "view_batch",
    "view_record",
    "view_attempt",
}
OPERATOR = VIEWER | {
    "operate_processor",
    "tune_processor",
    "manage_dead_records",
    "view_payload",
    "edit_payload",
    "add_record",
    "view_queues",
}
EDITOR = VIEWER | {"add_processor", "change_processor", "delete_processor", "tune_processor"}
ROLES = {"Viewer": VIEWER, "Operator": OPERATOR, "Editor": EDITOR, "Admin": None}  # None: all


def make_roles(apps: Any, schema_editor: Any) -> None:
    """Add the groups that are missing, with their rights."""
    alias = schema_editor.connection.alias
    # Rights are otherwise made after the last migration.
    for label in ("processors", "admin"):
        create_permissions(installed.get_app_config(label), verbosity=0, using=alias, apps=apps)
    every = apps.get_model("auth", "Permission").objects.using(alias)
    ours = every.filter(content_type__app_label="processors")
    for name, codenames in ROLES.items():
        group, is_new = apps.get_model("auth", "Group").objects.using(alias).get_or_create(name=name)
        if not is_new:
            continue
        if codenames is None:
            log = every.filter(content_type__app_label="admin", codename="view_logentry")
            group.permissions.set([*ours, *log])
        else:
            group.permissions.set(ours.filter(codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [
        ("processors", "0002_storage"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_roles, migrations.RunPython.noop)]
