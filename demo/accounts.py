"""The demo's superuser, an account for each role, and where their password is kept."""

import os
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

USER_NAME = "admin"
ROLES = ("viewer", "operator", "editor")  # each in the group of its name
PASSWORD_BYTES = 12


def ensure_superuser(file: Path, given: str = "") -> str | None:
    """Make "admin" where there is none; returns the password, None where only its owner knows it.

    A password that is given is set, also on an existing account, and written nowhere. Else one
    is made up and kept in `file`, readable by this account alone.
    """
    accounts = get_user_model().objects
    user = accounts.filter(username=USER_NAME).first()
    if user is not None and not given:
        kept = read_password(file)
        return kept if kept and user.check_password(kept) else None
    password = given or kept_password(file)
    if user is None:
        accounts.create_superuser(username=USER_NAME, password=password)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    if given:
        file.unlink(missing_ok=True)
    return password


def ensure_roles(password: str) -> list[str]:
    """Make an account for each role that has none, with this password; the names of all."""
    for name in ROLES:
        user, is_new = get_user_model().objects.get_or_create(
            username=name, defaults={"is_staff": True}
        )
        if is_new:
            user.set_password(password)
            user.save(update_fields=["password"])
            user.groups.set(Group.objects.filter(name=name.capitalize()))
    return list(ROLES)


def kept_password(file: Path) -> str:
    """The password in the file; a new one is written where there is none."""
    known = read_password(file)
    if known:
        return known
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    file.parent.mkdir(parents=True, exist_ok=True)
    # An older file may have wider rights, and O_CREAT would keep them.
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(password + "\n")
    return password


def read_password(file: Path) -> str:
    return file.read_text().strip() if file.is_file() else ""
