"""What definitions were: every change is kept, can be compared, and can be taken back."""

import json
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from processors import editing
from processors.definitions import clean, differences, digest, dump
from processors.models import Event, Processor, Version
from tests.admin.conftest import VIEWS, SignIn, a_processor
from tests.admin.test_form import ADD, typed
from tests.stories import act

pytestmark = pytest.mark.django_db


def change(processor: Processor, reason: str = "", **definition: Any) -> Processor:
    """An edit as any: a definition that was judged and written."""
    processor.refresh_from_db()
    columns = clean({**dump(processor), **definition}, existing=processor)
    return editing.change(processor.pk, columns, act(reason))


def url_of(name: str, *args: Any) -> str:
    return reverse(f"admin:processors_processor_{name}", args=args)


def told(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def revert(client: Client, processor: Processor, number: int, **more: Any) -> Any:
    data = {"seen": digest(Processor.objects.get(pk=processor.pk)), **more}
    return client.post(url_of("version_revert", processor.pk, number), data)


# What is kept


def test_a_new_processor_has_its_first_version(admin: Client) -> None:
    admin.post(ADD, typed())

    version = Version.objects.get()
    assert (version.number, version.action, version.actor) == (1, "create", "user-0")
    assert version.definition == dump(Processor.objects.get())


def test_every_change_is_a_version_with_who_and_why(admin: Client) -> None:
    admin.post(ADD, typed())
    processor = Processor.objects.get()

    change(processor, "too fast", batch_size=50)
    change(processor, batch_size=50)

    version = Version.objects.get(number=2)
    assert (version.action, version.reason) == ("edit", "too fast")
    assert version.actor.startswith("command-line")
    assert version.definition["batch_size"] == 50
    assert Version.objects.count() == 2


def test_what_was_changed_past_us_is_kept_before_it_is_overwritten() -> None:
    processor = a_processor(batch_size=7)

    change(processor, batch_size=8)

    sizes = Version.objects.order_by("number").values_list("definition__batch_size", "action")
    assert list(sizes) == [(7, "found"), (8, "edit")]


def test_differences_are_fields_with_both_values() -> None:
    before = {
        "batch_size": 5,
        "trigger": {"kind": "manual"},
        "options": {"list": [1, {"a": 2}], "names": ["x"]},
    }
    after = {
        "batch_size": 5,
        "trigger": {"kind": "interval", "pause_seconds": 60},
        "options": {"list": [1, {"a": 3}], "names": ["x", "y"]},
    }

    found = differences(before, after)

    assert [str(one) for one in found] == [
        "trigger kind: manual → interval",
        "trigger pause seconds: nothing → 60",
        "options list",
        "options names: x → x, y",
    ]
    changed = [line for line in found[2].lines if line[0] != " "]
    assert changed == [("-", '    "a": 2'), ("+", '    "a": 3')]


# Pages


def test_the_list_says_what_each_version_changed(admin: Client) -> None:
    processor = change(a_processor(), "<b>why</b>", batch_size=50)

    html = admin.get(url_of("versions", processor.pk)).content.decode()

    assert "batch size: 500 → 50" in html
    assert "&lt;b&gt;why&lt;/b&gt;" in html
    assert "The first one that is kept." in html


def test_a_long_history_goes_on_over_pages(admin: Client) -> None:
    processor = a_processor()
    for size in range(1, 61):
        change(processor, batch_size=size)

    first = admin.get(url_of("versions", processor.pk)).content.decode()
    second = admin.get(url_of("versions", processor.pk), {"before": "12"}).content.decode()

    assert 'href="?before=12"' in first
    assert "batch size: 9 → 10" in second
    assert "batch size: 9 → 10" not in first


@pytest.mark.parametrize(
    ("with_", "old", "new"), [("", "20", "30"), ("1", "500", "30"), ("now", "40", "30")]
)
def test_two_versions_are_compared_as_fields(admin: Client, with_: str, old: str, new: str) -> None:
    processor = a_processor()
    for size in (20, 30, 40):
        change(processor, batch_size=size)

    html = admin.get(url_of("version", processor.pk, 3), {"with": with_}).content.decode()

    assert f"<del>{old}</del>" in html
    assert f"<ins>{new}</ins>" in html


def test_the_first_version_is_compared_with_what_holds_now(admin: Client) -> None:
    processor = change(a_processor(), batch_size=50)

    html = admin.get(url_of("version", processor.pk, 1)).content.decode()

    assert "<del>50</del>" in html
    assert "<ins>500</ins>" in html


def test_a_version_that_is_not_there_is_404(admin: Client) -> None:
    processor = a_processor()

    assert admin.get(url_of("version", processor.pk, 9)).status_code == 404
    assert revert(admin, processor, 9).status_code == 404


# The way back


def test_a_processor_goes_back_to_what_a_version_said(admin: Client) -> None:
    processor = a_processor()
    change(processor, batch_size=50, name="Other")

    answer = revert(admin, processor, 1, reason="It was better")

    processor.refresh_from_db()
    assert (processor.batch_size, processor.name) == (500, "Orders")
    assert "says again what version 1 said" in told(answer)
    event = Event.objects.get(action="revert")
    assert event.reason.endswith("batch size: 50 → 500: back to version 1: It was better")
    assert Version.objects.get(number=3).action == "revert"


def test_going_back_over_a_change_that_nobody_saw_does_nothing(admin: Client) -> None:
    processor = a_processor()
    change(processor, batch_size=50)
    seen = digest(Processor.objects.get())
    change(processor, batch_size=60)

    answer = revert(admin, processor, 1, seen=seen)

    assert "was changed meanwhile" in told(answer)
    assert Processor.objects.get().batch_size == 60


def test_a_version_that_no_longer_fits_is_refused_with_its_reasons(admin: Client) -> None:
    processor = a_processor(handler="sample.gone")
    change(processor, handler="sample.send")

    answer = revert(admin, processor, 1)

    assert "handler: Unknown handler 'sample.gone'" in told(answer)
    assert Processor.objects.get().handler == "sample.send"


def test_versions_are_read_with_the_processor_and_reverted_with_its_right(
    sign_in: SignIn,
) -> None:
    processor = change(a_processor(), batch_size=50)
    viewer, editor = sign_in(*VIEWS), sign_in(*VIEWS, "change_processor")

    assert viewer.get(url_of("versions", processor.pk)).status_code == 200
    assert "Revert" not in viewer.get(url_of("version", processor.pk, 1)).content.decode()
    assert revert(viewer, processor, 1).status_code == 403
    assert revert(editor, processor, 1).status_code == 302
    assert Processor.objects.get().batch_size == 500


# Clone


def test_a_clone_is_a_filled_form_and_nothing_else(admin: Client) -> None:
    original = a_processor(batch_size=77, state="started", next_due_at=None)

    answer = admin.get(ADD, {"like": original.pk})

    form = answer.context["form"]
    assert form["name"].value() == "Orders (copy)"
    assert form["slug"].value() == "orders-copy"
    assert form["batch_size"].value() == 77
    assert Processor.objects.count() == 1


def test_a_clone_is_saved_stopped_and_the_next_has_another_name(admin: Client) -> None:
    original = a_processor(state="started")
    form = admin.get(ADD, {"like": original.pk}).context["form"]
    sent = {name: value for name in form.fields if (value := form[name].value()) is not None}

    admin.post(f"{ADD}?like={original.pk}", sent)

    assert Processor.objects.get(slug="orders-copy").state == "stopped"
    again = admin.get(ADD, {"like": original.pk}).context["form"]
    assert again["slug"].value() == "orders-copy-2"


def test_a_clone_of_what_is_not_there_is_404(admin: Client) -> None:
    assert admin.get(ADD, {"like": "99999"}).status_code == 404
    assert admin.get(ADD, {"like": "x"}).status_code == 404


# Export and import


IMPORT = "/admin/processors/processor/import/"


def exported(client: Client, *args: Any) -> Any:
    answer = client.get(url_of("export", *args) if args else url_of("export-all"))
    assert "attachment" in answer["Content-Disposition"]
    return json.loads(answer.content)


def look(client: Client, text: str) -> Any:
    return client.post(IMPORT, {"text": text})


def save(client: Client, text: str, seen: str, **more: Any) -> Any:
    return client.post(IMPORT, {"text": text, "seen": seen, "_save": "1", **more})


def test_what_was_exported_is_imported_as_it_was(admin: Client) -> None:
    a_processor(batch_size=7)
    a_processor("invoices")
    everything = exported(admin)
    Processor.objects.all().delete()
    text = json.dumps(everything)

    planned = look(admin, text)
    assert not Processor.objects.exists()
    save(admin, text, planned.context["seen"], reason="moved")

    assert exported(admin) == everything
    assert set(Event.objects.values_list("action", "reason")) == {("load", "moved")}


def test_one_definition_is_exported_as_dump_prints_it(admin: Client) -> None:
    processor = a_processor()

    assert exported(admin, processor.pk) == dump(processor)


def test_an_import_shows_first_what_it_would_change(admin: Client) -> None:
    processor = a_processor()
    text = json.dumps({**dump(processor), "batch_size": 9})

    html = look(admin, text).content.decode()

    assert "<del>500</del>" in html
    assert "<ins>9</ins>" in html
    assert Processor.objects.get().batch_size == 500
    assert not Version.objects.exists()


def test_an_import_that_says_two_things_of_one_processor_is_refused(admin: Client) -> None:
    text = json.dumps([dump(a_processor()), {**dump(a_processor("other")), "slug": "orders"}])

    html = admin.post(IMPORT, {"text": text}).content.decode()

    assert "orders: defined 2 times." in html
    assert "Nothing was loaded." in html


def test_a_file_is_read_as_its_text_is(admin: Client, tmp_path: Any) -> None:
    file = tmp_path / "orders.json"
    file.write_text(json.dumps(dump(a_processor())), encoding="utf-8-sig")

    with file.open("rb") as sent:
        answer = admin.post(IMPORT, {"file": sent})

    assert [one.outcome for one in answer.context["planned"]] == ["unchanged"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Choose a file, or paste its text."),
        ("[", "line 1, column 2"),
        ('{"slug": "a", "slug": "b"}', "given twice"),
        ("[" * 100_000, "nested too deeply"),
        ("3", "A definition is an object"),
        ('{"slug": "x", "handler": "os.system"}', "x: handler: Unknown handler"),
    ],
)
def test_a_text_that_is_no_definition_says_why(admin: Client, text: str, sentence: str) -> None:
    answer = look(admin, text)

    assert answer.status_code == 200
    assert sentence in " ".join(answer.context["problems"])
    assert not Processor.objects.exists()


def test_files_that_cannot_be_text_or_are_too_large_are_refused(
    admin: Client, tmp_path: Any
) -> None:
    for content, sentence in ((b"\xff\xfe", "not UTF-8"), (b" " * 1_000_001, "too large")):
        file = tmp_path / "it.json"
        file.write_bytes(content)
        with file.open("rb") as sent:
            answer = admin.post(IMPORT, {"file": sent})
        assert sentence in " ".join(answer.context["problems"])


def test_what_changed_since_the_look_is_looked_at_again(admin: Client) -> None:
    processor = a_processor()
    text = json.dumps({**dump(processor), "batch_size": 9})
    seen = look(admin, text).context["seen"]
    change(processor, name="Other")

    answer = save(admin, text, seen)

    assert "changed meanwhile" in " ".join(answer.context["problems"])
    assert Processor.objects.get().batch_size == 500


def test_an_import_needs_the_rights_of_what_it_does(sign_in: SignIn) -> None:
    processor = a_processor()
    editor = sign_in(*VIEWS, "change_processor")
    text = json.dumps({**dump(processor), "batch_size": 9})
    new = json.dumps({**dump(processor), "slug": "new", "name": "New"})

    assert sign_in(*VIEWS).get(IMPORT).status_code == 403
    assert look(sign_in(*VIEWS), text).status_code == 403
    assert look(editor, new).status_code == 403
    assert look(editor, text).status_code == 200


def test_an_import_tells_nothing_of_processors_that_are_hidden(sign_in: SignIn) -> None:
    from django.contrib.auth.models import Group

    hidden = a_processor(batch_size=987, description="For the board alone")
    hidden.groups.add(Group.objects.create(name="A"))
    client = sign_in(*VIEWS, "change_processor", "add_processor")

    answer = look(client, json.dumps(dump(a_processor("other")) | {"slug": "orders"}))

    assert "exists already" in " ".join(answer.context["problems"])
    for told in ("<del>987<", "For the board alone"):
        assert told not in answer.content.decode()
    assert [one["slug"] for one in exported(client)] == ["other"]
