"""Single values of a definition, given as JSON gives them or as text from a form."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from processors.blackouts import Blackout, InvalidBlackout
from processors.handlers.options import reference
from processors.rates import InvalidRate, Rate
from processors.storable import BadJson, first_trouble, parsed
from processors.wording import number

MOST_RATES = 5
MOST_BLACKOUTS = 100
NAME_CHARACTERS = 80
DESCRIPTION_CHARACTERS = 500
SECRET_NAME = re.compile(
    r"passw(or)?d|passphrase|secret|token|api_?key|private_?key|credential", re.IGNORECASE
)

# Cyrillic and Greek letters that look like Latin ones: two names must not look the same.
LOOK_ALIKES = str.maketrans(
    "авекмнорстухіјѕԁһ" + "αβεικνορτυχ", "abekmhopctyxijsdh" + "abeikvoptux"
)


class Unfit(ValueError):
    """A value can't be used; the text says what would be right."""


@dataclass(frozen=True)
class Whole:
    """A whole number within limits."""

    smallest: int
    largest: int
    sentence: Any = ""  # translated when it is shown

    def parse(self, value: object) -> int:
        """The number. Raises Unfit.

        Digits of other scripts, blanks, exponents and fractions are refused, not guessed at.
        """
        is_plain = isinstance(value, int | str) and not isinstance(value, bool)
        if is_plain and re.fullmatch(r"-?[0-9]{1,19}", str(value)):
            number = int(str(value))
            if self.smallest <= number <= self.largest:
                return number
        raise Unfit(
            self.sentence
            or _("A whole number from %(smallest)s to %(largest)s.")
            % {"smallest": self.smallest, "largest": self.largest}
        )


def seconds(value: object, largest: float, sentence: str) -> float:
    """A length of time, fractions allowed, from 0 seconds. Raises Unfit."""
    is_plain = isinstance(value, int | float | str) and not isinstance(value, bool)
    if not is_plain or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", str(value)):
        raise Unfit(sentence)
    number = float(str(value))
    if number > largest:
        raise Unfit(sentence)
    return number


def name(value: object) -> str:
    """One line of text without blanks (also invisible ones) around it, in NFC. Raises Unfit."""
    if not isinstance(value, str):
        raise Unfit(_("Give the processor a name."))
    text = unicodedata.normalize("NFC", " ".join(trim(value).split()))
    if not text:
        raise Unfit(_("Give the processor a name."))
    return line(text, NAME_CHARACTERS)


def description(value: object) -> str:
    """Some words about it, or none. Raises Unfit."""
    if not isinstance(value, str):
        raise Unfit(_("A description is a text."))
    return line(value.strip(), DESCRIPTION_CHARACTERS)


def line(text: str, longest: int) -> str:
    """Text that is not too long and can be stored everywhere. Raises Unfit."""
    if len(text) > longest:
        raise Unfit(
            _("At most %(longest)s characters (this has %(length)s).")
            % {"longest": longest, "length": number(len(text))}
        )
    if any(
        unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\r\n\t" for letter in text
    ):
        raise Unfit(_("Control characters such as U+0000 can't be stored."))
    return text


def trim(text: str) -> str:
    """Without blanks, controls and zero-width characters at both ends."""
    kept = [
        place
        for place, letter in enumerate(text)
        if unicodedata.category(letter) not in ("Zs", "Zl", "Zp", "Cf") and not letter.isspace()
    ]
    return text[kept[0] : kept[-1] + 1] if kept else ""


def likeness(text: str) -> str:
    """The same for two names that people can't tell apart."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return folded.translate(LOOK_ALIKES)


def options(value: object) -> dict[str, Any]:
    """A JSON object, as an object or as the text of one. Raises Unfit with line and column."""
    if value in (None, ""):
        return {}
    if isinstance(value, str):
        value = parsed_json(value)
    trouble = first_trouble(value, "options")
    if trouble:
        raise Unfit(trouble)
    if not isinstance(value, dict):
        raise Unfit(_('Options are an object, such as {"currency": "EUR"}.'))
    return value


def parsed_json(text: str) -> object:
    """The value of a JSON text. Raises Unfit."""
    try:
        return parsed(text)
    except BadJson as error:
        place = " at" if str(error).startswith("line ") else ":"
        raise Unfit(f"Not valid JSON{place} {error}") from error


def clear_secrets(given: dict[str, Any]) -> list[str]:
    """The options that look like a secret written out."""
    return [
        option
        for option, value in given.items()
        if SECRET_NAME.search(str(option)) and not is_reference(value)
    ]


def is_reference(value: object) -> bool:
    """Whether it names an environment variable, or says nothing."""
    return value in (None, "") or reference(value) is not None


def blackouts(value: object) -> list[str]:
    """Blackouts in their usual writing, from a list or from lines of text. Raises Unfit."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise Unfit(_('A list such as ["Mon-Fri 08:00-10:00", "12-25"].'))
    try:
        found = [str(Blackout.parse(line)) for line in lines if line.strip()]
    except InvalidBlackout as error:
        raise Unfit(str(error)) from error
    if len(found) > MOST_BLACKOUTS:
        raise Unfit(_("At most %(most)s blackouts.") % {"most": MOST_BLACKOUTS})
    return list(dict.fromkeys(found))


def rate_limits(value: object) -> list[str]:
    """Limits in their usual writing, from a list or from lines of text. Raises Unfit."""
    lines = value.splitlines() if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise Unfit(_('A list such as ["100/s", "1,000/h", "5/min by customer"].'))
    try:
        rates = [Rate.parse(line) for line in lines if line.strip()]
    except InvalidRate as error:
        raise Unfit(str(error)) from error
    if len(rates) > MOST_RATES:
        raise Unfit(_("At most %(most)s limits.") % {"most": MOST_RATES})
    if len({(rate.unit, rate.by) for rate in rates}) < len(rates):
        raise Unfit(_("Two limits for the same time: keep the smaller one."))
    return [str(rate) for rate in rates]
