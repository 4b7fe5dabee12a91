"""docs/architecture.md draws the layers that the import contract enforces."""

import tomllib

from tests.docs.blocks import FENCE
from tests.servers import ROOT


def test_the_layers_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    [layers] = [c["layers"] for c in contracts["contracts"] if c["type"] == "layers"]

    drawn = FENCE.findall((ROOT / "docs" / "architecture.md").read_text())

    assert "\n".join(layers).replace("processors.", "") + "\n" in drawn
