"""What the page of one record shows, and the form that edits its payload."""

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from processors import dead_letters, held_back
from processors.acts import Refused, by_user
from processors.admin import asking, columns, frame, live, payloads, reports
from processors.admin.acts import reason_of
from processors.admin.base import user_of
from processors.admin.masking import masked, unmasked
from processors.admin.record_acts import selection_of
from processors.admin.tried import quiet_success, told_attempts, with_error
from processors.handlers.context import idempotency_key, key_prefix
from processors.models import Attempt, Event, Installation, Record
from processors.sources import SourceTrouble, open_source
from processors.sources.connecting import Unreachable
from processors.states import NEEDS_ATTENTION, RecordState
from processors.storable import BadJson, parsed

VIEW_PAYLOAD = "processors.view_payload"
EVENTS = 50
SAME_CAP = 10_000
WAITING_MS, SETTLED_MS = 3_000, 10_000
FINISHED = (RecordState.DONE, RecordState.SKIPPED)


def around(record: Record, request: HttpRequest) -> dict[str, Any]:
    """What the page shows of other records."""
    return {
        "held": held_back.place_of(record, asking.now(request)),
        "same": same_error(record),
        **neighbours(record, request),
    }


def state_of(record: Record, beside: dict[str, Any], request: HttpRequest) -> str:
    """What changes whenever the page of a record of an inbox does; empty where only a look tells.

    A table's row is shown as it is now, and nobody tells when it changes.
    """
    if record.processor.source_kind != "inbox":
        return ""
    attempt = Attempt.objects.filter(record=record).order_by("-id").values("id")[:1]
    event = Event.objects.filter(record=record).order_by("-id").values("id")[:1]
    told = [getattr(record, field.attname) for field in Record._meta.concrete_fields]  # noqa: SLF001
    last = [rows[0]["id"] if rows else None for rows in (list(attempt), list(event))]
    return live.state_of(told, last, beside, frame.said(request), request.user.pk)


def live_ms(record: Record) -> int:
    """How soon something may change."""
    return SETTLED_MS if record.state in (*NEEDS_ATTENTION, *FINISHED) else WAITING_MS


def facts(record: Record, beside: dict[str, Any], request: HttpRequest) -> dict[str, Any]:
    """Everything about one record."""
    may_see = request.user.has_perm(VIEW_PAYLOAD)
    attempts = told_attempts(record)
    needs = record.state in NEEDS_ATTENTION
    may_manage = request.user.has_perm(dead_letters.MANAGE_DEAD)
    is_finished = record.state in FINISHED
    newest = None if is_finished else with_error(attempts)
    has_error = tells_error(record)
    return {
        "record": record,
        "request_key": request_key(record),
        "has_error": has_error,
        "report": reports.of_record(record, newest, request) if has_error else "",
        "payload": shown_payload(record) if may_see else None,
        "result": payloads.shown(record.result) if may_see else None,
        "has_result": record.result is not None,
        "may_see": may_see,
        "is_inbox": record.processor.source_kind == "inbox",
        "attempts": attempts,
        "newest": newest,
        "success": quiet_success(record),
        "is_finished": is_finished,
        "failed_before": sum(bool(one.attempt.error_type) for one in attempts),
        "events": told_events(record, may_see=may_see),
        "may_act": needs and may_manage,
        "may_settle": record.state == RecordState.PARKED and may_manage,
        "may_edit": needs and may_edit(record, request),
        "may_reprocess": is_finished and request.user.has_perm(dead_letters.REPROCESS),
        "live_ms": live_ms(record),
        **beside,
    }


def tells_error(record: Record) -> bool:
    """Whether the last error says how it stands: not once it is done, or a person sent it again."""
    if record.state == RecordState.DONE:
        return False
    is_open = record.state in (RecordState.READY, RecordState.CLAIMED)
    was_tried = not is_open or bool(record.attempts or record.crashes)
    return bool(record.last_error or (record.error_type and was_tried))


def request_key(record: Record) -> str:
    """The idempotency key that the handler was given: what a far end knows this request by."""
    prefix = key_prefix(str(Installation.this().identity), record.processor_id)
    return idempotency_key(prefix, record.key, record.visit)


def may_edit(record: Record, request: HttpRequest) -> bool:
    """Whether the person may send another payload; a table's rows are edited in the table."""
    rights = (dead_letters.MANAGE_DEAD, dead_letters.EDIT_PAYLOAD, VIEW_PAYLOAD)
    return record.processor.source_kind == "inbox" and request.user.has_perms(rights)


# Payload


def shown_payload(record: Record) -> payloads.Shown:
    """With secrets hidden. A table's row is read from the table, as it is now."""
    if record.processor.source_kind == "inbox":
        return payloads.shown(record.payload)
    try:
        with transaction.atomic():
            row = open_source(record.processor_id, record.processor.source).look_up(record.key)
    except (DatabaseError, Unreachable, SourceTrouble) as error:
        why = _("The table cannot be read now (%(error)s).") % {"error": type(error).__name__}
        return payloads.Shown(why)
    if row is None:
        return payloads.Shown(_("There is no row with this key any more."))
    return payloads.shown(json.loads(json.dumps(row, default=str)))


# Around it


def told_events(record: Record, *, may_see: bool) -> list[Event]:
    """What happened; what a person changed is for who may see payloads."""
    events = list(Event.objects.filter(record=record).order_by("-id")[:EVENTS])
    for event in events:
        if event.details and may_see:
            event.changed = columns.as_json(masked(event.details))
    return events


def same_error(record: Record) -> int:
    """How many other failed records have the same kind of error, up to SAME_CAP."""
    if record.state not in NEEDS_ATTENTION or not record.fingerprint:
        return 0
    rows = Record.objects.needing_attention().filter(
        processor=record.processor_id, fingerprint=record.fingerprint
    )
    return max(0, rows.order_by()[: SAME_CAP + 1].count() - 1)


def neighbours(record: Record, request: HttpRequest) -> dict[str, Any]:
    """The records before and after it in the list that it was opened from.

    Its place is kept in the address: once it was retried, it is no longer in that list.
    """
    listed, at = request.GET.get("in", ""), parse_moment(request.GET.get("at", ""))
    at = at or record.failed_at
    given = QueryDict(listed)
    if at is None or given.get("q"):
        return {"here": urlencode({"in": listed})}
    rows = selection_of(given).rows().visible_to(request.user).exclude(pk=record.pk)
    numbers = rows.values_list("pk", flat=True)
    before = Q(failed_at__gt=at) | Q(failed_at=at, pk__gt=record.pk)
    after = Q(failed_at__lt=at) | Q(failed_at=at, pk__lt=record.pk)
    return {
        "here": urlencode({"in": listed, "at": at.isoformat()}),
        "listed": listed,
        "previous": to(numbers.filter(before).order_by("failed_at", "id").first(), listed),
        "following": to(numbers.filter(after).order_by("-failed_at", "-id").first(), listed),
    }


def parse_moment(text: str) -> Any:
    """A time from an address; None for nonsense."""
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def to(pk: int | None, listed: str) -> str:
    """The address of a neighbour; empty without one."""
    if pk is None:
        return ""
    url = reverse("admin:processors_record_change", args=[pk])
    return f"{url}?{urlencode({'in': listed})}"


# Edit and retry


def edit(admin: Any, record: Record, request: HttpRequest) -> HttpResponse:
    """The payload as text; a POST sends it as a new request for the same key."""
    if not may_edit(record, request):
        raise PermissionDenied
    back = reverse("admin:processors_record_change", args=[record.pk])
    if record.state not in NEEDS_ATTENTION:
        messages.error(request, _("Only a failed record can be edited and retried."))
        return redirect(back)
    text, error = columns.as_json(masked(record.payload)), ""
    if request.method == "POST":
        text = request.POST.get("payload", "")
        error = send(record, text, request)
        if not error:
            return redirect(back)
    context = {"record": record, "text": text, "error": error, "back": back}
    context["reason"] = reason_of(request)
    title = _("Edit and retry %(key)s") % {"key": columns.cut(record.key, 60)}
    return admin.page(request, "admin/processors/record/edit.html", title, **context)  # type: ignore[no-any-return]


def send(record: Record, text: str, request: HttpRequest) -> str:
    """Retry with what was typed; what is wrong with it, or nothing."""
    try:
        payload = parsed(text)
    except BadJson as error:
        said = str(error)
        return f"{said[:1].upper()}{said[1:]}"
    act = by_user(user_of(request), reason_of(request))
    visit = request.POST.get("visit", "")
    try:
        told = dead_letters.edit_and_retry(
            record, unmasked(payload, record.payload), act, visit=visit
        )
    except Refused as error:
        return str(error)
    messages.success(request, told)
    return ""
