"""A definition on its way into columns: what is known of it, and what is wrong with it so far."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from django.db.models import Field

from processors.definitions.findings import Findings
from processors.definitions.parsing import Unfit
from processors.models.processor import Processor


def default(column: str) -> Any:
    """What the model gives a column that nobody mentions."""
    field = Processor._meta.get_field(column)  # noqa: SLF001 - Django's documented name
    return cast("Field[Any, Any]", field).get_default()


class Draft:
    """What all that clean a part of it work on."""

    def __init__(self, data: Mapping[str, object], existing: Processor | None) -> None:
        self.data = data
        self.existing = existing
        self.found = Findings()
        self.columns: dict[str, Any] = {}

    def take(self, field: str, parse: Callable[[object], Any], missing: Any) -> None:
        """Parse one field into the column of its name."""
        value = self.data.get(field)
        self.columns[field] = missing
        if value is None:
            return
        try:
            self.columns[field] = parse(value)
        except Unfit as error:
            self.found.refuse(field, str(error))

    def others(self) -> list[Processor]:
        """Every other processor."""
        found = Processor.objects.all()
        return list(found.exclude(pk=self.existing.pk) if self.existing else found)
