"""The demo's partner as a real server on a free port."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from demo.handlers import notify_partner
from demo.notifications import sample_notifications
from demo.partner import MAX_BODY_BYTES, Partner, Service
from processors.testing import run_handler
from tests.demo.services import serve
from tests.servers import ROOT


@pytest.fixture
def service() -> Iterator[Service]:
    with serve(Service(Partner(fail_share=0, slow_share=0), port=0)) as service:
        yield service


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, trust_env=False) as client:
        yield client


def test_a_key_is_taken_once(client: httpx.Client) -> None:
    answers = [
        client.post("/notify", json={"order": "A-1"}, headers={"Idempotency-Key": "k"})
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert [answer.json()["repeated"] for answer in answers] == [False, True]
    assert client.get("/stats").json() == {
        "taken": 1, "repeated": 1, "refused": 0, "failed": 0, "slow": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{}", 422, "The notification names no order."),
        (b"[]", 422, "The notification is not an object."),
        (b"{", 400, "The notification is not JSON."),
        (b"\xff", 400, "The notification is not JSON."),
        (b" " * (MAX_BODY_BYTES + 1), 413, "The notification is larger than 100000 bytes."),
    ],
)
def test_content_it_does_not_take_is_refused(
    client: httpx.Client, body: bytes, status: int, sentence: str
) -> None:
    answer = client.post("/notify", content=body, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()) == (status, {"error": sentence})


def test_a_notification_without_a_key_is_refused(client: httpx.Client) -> None:
    answer = client.post("/notify", json={"order": "A-1"})

    assert (answer.status_code, client.get("/stats").json()["refused"]) == (400, 1)


def test_other_addresses_are_not_known(client: httpx.Client) -> None:
    assert client.get("/").status_code == 404
    assert client.post("/", json={}).status_code == 404


def test_a_failing_answer_says_when_to_come_back_although_the_notification_was_taken() -> None:
    with (
        serve(Service(Partner(fail_share=1, slow_share=0), port=0)) as service,
        httpx.Client(base_url=service.url, trust_env=False) as client,
    ):
        answer = client.post("/notify", json={"order": "A-1"}, headers={"Idempotency-Key": "k"})

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert client.get("/stats").json()["taken"] == 1


def test_the_same_seed_fails_the_same_requests() -> None:
    body = b'{"order": "A-1"}'

    runs = [
        [partner.notify("k", body)[0] for _ in range(20)]
        for partner in (Partner(fail_share=0.5, slow_share=0, seed=3) for _ in range(2))
    ]

    assert runs[0] == runs[1]
    assert 503 in runs[0]


def test_the_handler_and_the_partner_agree_on_every_sample(service: Service) -> None:
    outcomes = [
        run_handler(notify_partner, options={"url": f"{service.url}/notify"}, **item)
        for item in sample_notifications(40)
    ]

    assert [outcome.kind for outcome in outcomes] == ["done"] * 39 + ["dead"]
    assert outcomes[-1].message.endswith("422: The notification names no order.")


def test_the_program_says_where_it_listens_and_ends_when_asked() -> None:
    command = [sys.executable, "-m", "demo.partner", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)

    assert line.startswith("The partner listens on http://127.0.0.1:")
    assert code == 0


def test_a_taken_port_is_one_line_and_a_failure(service: Service) -> None:
    command = [sys.executable, "-m", "demo.partner", "--port", str(service.server_port)]

    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: port {service.server_port} cannot be used")
