"""How Postgres is to keep the hot tables."""

from typing import Any

from django.db import migrations

# Room on each page for the next version of a row, so that heartbeats and moves stay cheap; and
# vacuum that keeps up with rows that change a few times each and then rest.
STORAGE = """
ALTER TABLE processors_batch SET (fillfactor = 50);
ALTER TABLE processors_record SET (fillfactor = 40);
ALTER TABLE processors_run SET (fillfactor = 70);
ALTER TABLE processors_batch SET
      (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE processors_record SET
      (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
"""


def set_storage(apps: Any, schema_editor: Any) -> None:
    """Postgres only; SQLite has no such settings."""
    del apps
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(STORAGE)


class Migration(migrations.Migration):
    dependencies = [("processors", "0001_initial")]
    operations = [
        migrations.RunPython(set_storage, migrations.RunPython.noop, elidable=False),
    ]
