"""The form of a processor: it builds a definition, and `definitions.clean` judges it."""

from processors.forms.processor import ProcessorForm

__all__ = ["ProcessorForm"]
