"""The demo's own tables: one that stands for a table of somebody else's, and one of results."""

from django.db import models
from django.db.models.functions import Now


class ShopOrder(models.Model):
    """A row as a web shop would leave it: the processor "orders" knows this table by name only.

    The defaults live in the database, so that plain SQL may insert rows as a real shop does.
    """

    order_no = models.CharField(max_length=20, unique=True)
    customer = models.CharField(max_length=100)
    xml = models.TextField()
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    status = models.CharField(max_length=10, db_default="NEW")
    # Null where nobody has treated the order yet, as a shop's own schema would have it.
    result = models.TextField(null=True, blank=True)  # noqa: DJ001
    error = models.TextField(null=True, blank=True)  # noqa: DJ001
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "shop_order"
        ordering = ("id",)
        indexes = (
            # Which orders are new, oldest first? Asked by every claim.
            models.Index(fields=["status", "id"], name="shop_order_status"),
        )

    def __str__(self) -> str:
        return self.order_no


class Registration(models.Model):
    """What became of a registration that its handler has treated."""

    key = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=100)
    email = models.EmailField()
    message = models.TextField(blank=True, default="")
    registered_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"
