"""What is wrong with a definition, collected so that everything is said at once."""

from collections.abc import Collection, Iterable, Mapping

from processors.sources.wording import meant


class InvalidDefinition(ValueError):
    """A definition can't be saved. `errors`: sentences by field path, such as "trigger.cron"."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        self.errors: dict[str, list[str]] = dict(errors)
        super().__init__(
            "\n".join(f"{path}: {sentence}" for path, found in errors.items() for sentence in found)
        )


class Findings:
    """Sentences by field path."""

    def __init__(self) -> None:
        self.errors: dict[str, list[str]] = {}

    def refuse(self, path: str, sentence: str) -> None:
        """Note what is wrong."""
        self.errors.setdefault(path, []).append(sentence)

    def refuse_unknown(
        self, names: Iterable[object], known: Collection[str], prefix: str = ""
    ) -> None:
        """Note each name that no definition has, with the one that was probably meant."""
        for name in names:
            if name not in known:
                self.refuse(f"{prefix}{name}"[:100], unknown_field(str(name), known))


def unknown_field(name: str, known: Iterable[str]) -> str:
    """Names the field that was probably meant."""
    return f"Unknown field '{name[:80]}'{meant(name, known)}"
