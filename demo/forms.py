"""What a person or a processor's definition may fill in."""

from decimal import Decimal
from urllib.parse import urlsplit

from django import forms

from demo.pricing import RATES


class RegistrationForm(forms.Form):
    """A registration: checked when a person sends it, and again by its handler."""

    name = forms.CharField(
        label="Your name", max_length=100, widget=forms.TextInput({"autocomplete": "name"})
    )
    email = forms.EmailField(
        label="E-mail address", max_length=254, widget=forms.EmailInput({"autocomplete": "email"})
    )
    message = forms.CharField(
        label="Message",
        help_text="Optional, up to 2,000 characters.",
        max_length=2_000,
        required=False,
        widget=forms.Textarea({"rows": 5}),
    )


class PricingOptions(forms.Form):
    """Options of `price_order`."""

    currency = forms.ChoiceField(
        choices=[(code, code) for code in RATES],
        initial="EUR",
        help_text="Orders in another currency are converted at fixed sample rates.",
    )
    vat_percent = forms.DecimalField(
        label="VAT percent",
        min_value=Decimal(0),
        max_value=Decimal(100),
        max_digits=5,
        decimal_places=2,
        initial=Decimal(19),
        help_text="For lines that carry no rate of their own.",
    )


class NotifyOptions(forms.Form):
    """Options of `notify_partner`."""

    # Not a URLField: that refuses host names without a dot, which inner networks are full of.
    url = forms.CharField(
        label="URL",
        max_length=500,
        initial="http://127.0.0.1:8099/notify",
        help_text="Where notifications are posted to.",
    )
    timeout_seconds = forms.FloatField(
        min_value=0.1,
        max_value=60,
        initial=5,
        help_text="How long the partner may take to connect, and to answer.",
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            parts = urlsplit(url)
            is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
            parts.port  # noqa: B018 - reading it is what checks it
        except ValueError:
            is_usable = False
        if not is_usable:
            raise forms.ValidationError(
                "Write a whole address, such as https://partner.example/notify."
            )
        return url
