"""What was probably meant by a name that nobody knows."""

import pytest

from processors.sources.wording import close

KNOWN = ["Orders", "stock-levels", "shop_customer", "nightly"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("ordres", ["Orders"]),
        ("stokc", ["stock-levels"]),
        ("LEVEL", ["stock-levels"]),
        ("custmoer", ["shop_customer"]),
        ("ight", ["nightly"]),
        ("st", []),
        ("zebra", []),
        ("", []),
    ],
)
def test_a_typo_names_the_one_meant_by_all_of_it_or_by_a_part(typed: str, meant: list[str]) -> None:
    assert close(typed, KNOWN) == meant
