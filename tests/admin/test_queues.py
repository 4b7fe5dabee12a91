"""The page of queues and workers: what it shows, what can be done, what it says without Redis."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from redis import Redis
from rq.utils import utcformat

from processors import queues
from processors.admin import queue_pages
from processors.models import Installation
from processors.queues import census, commands
from processors.queues.job_facts import WAITING, jobs_of
from tests.admin.conftest import SignIn, a_batch, a_processor, an_active_run, said
from tests.admin.workers import fail_one, list_worker
from tests.conftest import StartWorker
from tests.servers import RedisServer
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    with Redis.from_url(redis_server.url) as client:
        yield client


def shown(client: Client, name: str = "queues", **given: str) -> str:
    return client.get(reverse(f"admin:{name}"), given).content.decode()


def do(client: Client, verb: str, **target: str) -> Any:
    url = reverse("admin:queue_act", args=[verb])
    return client.post(url, {"confirmed": "1", "reason": "test"}, query_params=target)


# What it shows


def test_queues_show_what_waits_since_when_and_who_listens(admin: Client, redis: Redis) -> None:
    queues.wake(17, "default", 3)
    list_worker("aaaa1111")

    facts = census.survey()

    default = next(one for one in facts.queues if one.name == "default")
    assert (default.waiting, default.workers) == (3, 1)
    assert default.oldest_at is not None
    assert facts.server.version
    html = shown(admin)
    assert "mill-1:4242" in html
    assert "1 min 02 s" in html
    assert "no worker" in html  # for the other queues
    assert html.count("wake-ups, no records") == 1


def test_the_overview_counts_a_worker_once_however_many_queues_it_listens_to(
    admin: Client, redis: Redis
) -> None:
    list_worker("idle")
    list_worker("at-work", state="busy")
    redis.sadd("rq:workers:high", "rq:worker:at-work")
    redis.sadd("rq:workers:high", "rq:worker:ended-without-a-word")

    html = admin.get(reverse("admin:index")).text
    line = re.sub(r"<[^>]+>|\s+", " ", html[html.index('<ul class="queues">') :])

    assert re.search(r"2 workers +1 busy +default +0 wake-ups", line)
    assert re.search(r"high +1 worker · +0 wake-ups", line)
    assert re.search(r"low +no worker +· +0 wake-ups", line)


def test_the_overview_says_since_when_the_oldest_wake_up_of_a_queue_waits(
    admin: Client, redis: Redis
) -> None:
    queues.wake(17, "default")
    [job], _total = jobs_of("default", WAITING, 0, 1)
    redis.hset(f"rq:job:{job.id}", "enqueued_at", utcformat(datetime(2026, 3, 1, 12, tzinfo=UTC)))
    queues.wake(17, "default")

    html = shown(admin, "index")

    assert re.search(r'2 wake-ups waiting, the oldest <time datetime="2026-03-01T12:00:00', html)
    assert html.count("the oldest") == 1


def test_a_busy_worker_is_linked_to_the_run_it_works_on(admin: Client, redis: Redis) -> None:
    run = an_active_run(a_processor())
    a_batch(run, owner="mill-1:4300:aaaa1111", claimed=250)
    list_worker("aaaa1111222233334444", state="busy")

    html = shown(admin)

    assert run.get_absolute_url() in html
    assert "batch of 250 records" in html


def test_a_silent_worker_is_red_and_first_and_one_without_a_word_before_it(
    admin: Client, redis: Redis
) -> None:
    list_worker("aaaa", hostname="fine")
    list_worker("bbbb", hostname="quiet", silent=61)
    redis.sadd("rq:workers", "rq:worker:cccc-gone")

    html = shown(admin)

    assert html.index("cccc-gone") < html.index("quiet:4242") < html.index("fine:4242")
    assert html.count("bad-row") == 2
    assert "Ended without a word" in html


def test_what_lives_is_seen_although_redis_forgot_its_worker(admin: Client) -> None:
    run = an_active_run(a_processor())
    a_batch(run, owner="mill-1:4300:forgotten")

    html = shown(admin)

    assert "that Redis does not list" in html
    assert "mill-1:4300:forgotten" in html


def test_without_a_worker_the_page_says_what_to_type(admin: Client) -> None:
    assert "manage.py rqworker default" in shown(admin)


def test_a_scheduler_is_alive_silent_or_was_never_seen(admin: Client) -> None:
    Installation.make()
    assert "Never seen" in shown(admin)

    Installation.objects.update(scheduler_seen_at=datetime.now(UTC), scheduler_name="mill-1:99")
    assert "mill-1:99" in shown(admin)

    Installation.objects.update(scheduler_seen_at=datetime.now(UTC) - timedelta(minutes=2))
    assert "manage.py rqscheduler" in shown(admin)


def test_without_redis_the_page_says_so_and_shows_what_the_database_knows(
    admin: Client, redis_server: RedisServer
) -> None:
    run = an_active_run(a_processor())
    a_batch(run)
    redis_server.stop()
    try:
        html = shown(admin)
        jobs = shown(admin, "queue_jobs", queue="default")
        answer = do(admin, "suspend")
    finally:
        redis_server.start()

    assert "Redis does not answer" in html
    assert "No worker is alive" not in html  # nobody knows
    assert 'data-live="workers" class="card nothing"' in html  # for when it is back
    assert run.get_absolute_url() in html
    assert "Redis does not answer" in jobs
    assert "Redis does not answer" in said(answer)


def test_jobs_are_listed_with_their_run_and_their_error(admin: Client) -> None:
    run = an_active_run(a_processor())
    fail_one(run.pk)

    html = shown(admin, "queue_jobs", queue="default", place="failed")

    assert run.get_absolute_url() in html
    assert "Boom: 1" in html


def test_a_foreign_job_is_shown_as_text_and_cannot_be_put_back(admin: Client, redis: Redis) -> None:
    evil: dict[Any, Any] = {
        "data": "gASVHAAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjARib29tlIWUUpQu",
        "description": "<script>alert(1)</script>",
        "created_at": utcformat(datetime.now(UTC)),
    }
    redis.hset("rq:job:evil", mapping=evil)
    redis.zadd("rq:failed:default", {"evil": 2e9})

    html = shown(admin, "queue_jobs", queue="default", place="failed")
    answer = do(admin, "requeue", queue="default", job="evil")

    assert "<script>alert" not in html
    assert "cannot be put back" in said(answer)
    assert not redis.llen("rq:queue:default")


def test_a_hidden_processors_run_is_not_named(sign_in: SignIn) -> None:
    from django.contrib.auth.models import Group

    processor = a_processor("secret")
    processor.groups.add(Group.objects.create(name="A"))
    run = an_active_run(processor)
    a_batch(run)
    queues.wake(run.pk, "default")
    viewer = sign_in("view_queues")

    for html in (shown(viewer), shown(viewer, "queue_jobs", queue="default")):
        assert "Secret" not in html


@pytest.mark.parametrize("given", [{}, {"queue": "default", "place": "nowhere"}])
def test_an_address_that_names_no_place_is_refused(admin: Client, given: dict[str, str]) -> None:
    assert admin.get(reverse("admin:queue_jobs"), given).status_code == 400


# What can be done


def test_a_queue_is_emptied_after_a_question_and_the_log_tells_who(
    admin: Client, redis: Redis
) -> None:
    queues.wake(17, "default", 3)
    url = reverse("admin:queue_act", args=["empty"])
    target = {"queue": "default", "place": "queued"}

    asked = admin.post(url, query_params=target)
    assert "no record is lost" in asked.content.decode()
    assert redis.llen("rq:queue:default") == 3

    answer = do(admin, "empty", **target)

    assert redis.llen("rq:queue:default") == 0
    assert "3 queued jobs of queue default were deleted." in said(answer)
    assert LogEntry.objects.get().change_message.endswith("deleted. test")
    assert "3 queued jobs" in shown(admin)


def test_many_jobs_are_told_as_other_numbers_are(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_one()
    jobs, _total = jobs_of("default", "failed", 0, 10)
    monkeypatch.setattr(queue_pages, "jobs_of", lambda *_page: (jobs, 12_345))

    assert "12,345 jobs" in shown(admin, "queue_jobs", queue="default", place="failed")


def test_failed_jobs_go_back_one_by_one_or_all(admin: Client, redis: Redis) -> None:
    first, _second, _third = fail_one(1), fail_one(2), fail_one(3)

    do(admin, "requeue", queue="default", job=first)
    assert redis.llen("rq:queue:default") == 1
    assert "not among the failed ones" in said(do(admin, "requeue", queue="default", job=first))

    answer = do(admin, "requeue-all", queue="default")

    assert "2 failed jobs went back" in said(answer)
    assert redis.llen("rq:queue:default") == 3


def test_of_many_failed_jobs_the_first_go_back_and_the_others_are_counted(
    admin: Client, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "AT_ONCE", 2)
    for run_id in (1, 2, 3):
        fail_one(run_id)

    first, second = (said(do(admin, "requeue-all", queue="default")) for _click in range(2))

    assert "2 failed jobs went back into queue default. 1 is left: put all back again." in first
    assert "1 failed job went back into queue default." in second
    assert redis.llen("rq:queue:default") == 3


def test_a_job_that_is_not_ours_stays_among_the_failed_ones(admin: Client, redis: Redis) -> None:
    redis.zadd("rq:failed:default", {"evil": 2**40})

    told = said(do(admin, "requeue-all", queue="default"))

    assert "0 failed jobs went back into queue default. 1 stays: its line says why" in told


@pytest.mark.parametrize("place", ["failed", "queued"])
def test_a_job_is_deleted_from_its_place(admin: Client, redis: Redis, place: str) -> None:
    job_id = fail_one()
    if place == "queued":
        commands.requeue("default", job_id)

    do(admin, "remove", queue="default", place=place, job=job_id)

    assert not redis.exists(f"rq:job:{job_id}")
    assert jobs_of("default", place, 0, 10) == ([], 0)


def test_a_failed_registry_is_emptied(admin: Client) -> None:
    fail_one(1)
    fail_one(2)

    do(admin, "empty", queue="default", place="failed")

    assert jobs_of("default", "failed", 0, 10) == ([], 0)


def test_workers_are_suspended_and_resumed(admin: Client) -> None:
    do(admin, "suspend")
    assert census.survey().is_suspended
    for page in ("queues", "index"):
        assert shown(admin, page).count("All workers are suspended") == 1

    cache.clear()
    do(admin, "resume")
    assert not census.survey().is_suspended
    assert "All workers are suspended" not in shown(admin, "index")


def test_a_worker_that_ended_without_a_word_is_taken_off_the_list_a_living_one_is_not(
    admin: Client, redis: Redis
) -> None:
    redis.sadd("rq:workers", "rq:worker:gone")
    list_worker("alive")

    do(admin, "forget", worker="gone")
    answer = do(admin, "forget", worker="alive")

    assert [worker.name for worker in census.survey().workers] == ["alive"]
    assert "drain it instead" in said(answer)


def test_commands_reach_the_channel_of_their_worker(admin: Client, redis: Redis) -> None:
    list_worker("aaaa")
    job_id = fail_one()
    redis.hset(f"rq:job:{job_id}", "worker_name", "aaaa")
    with redis.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
        channel.subscribe("rq:pubsub:aaaa")
        channel.get_message(timeout=30)

        do(admin, "drain", worker="aaaa")
        do(admin, "stop-job", job=job_id)

        heard = [json.loads(channel.get_message(timeout=30)["data"]) for _ in range(2)]
    assert heard == [{"command": "shutdown"}, {"command": "stop-job", "job_id": job_id}]


def test_acts_on_what_is_gone_say_so(admin: Client) -> None:
    for verb, target in (
        ("drain", {"worker": "nobody"}),
        ("stop-job", {"job": "nothing"}),
        ("remove", {"queue": "default", "place": "failed", "job": "nothing"}),
    ):
        assert "any more" in said(do(admin, verb, **target))
    assert not LogEntry.objects.exists()


def test_acts_need_their_right_a_target_and_a_post(sign_in: SignIn, admin: Client) -> None:
    url = reverse("admin:queue_act", args=["drain"])
    looker = sign_in("view_queues")

    assert looker.post(url, query_params={"worker": "a"}).status_code == 403
    assert sign_in().get(reverse("admin:queues")).status_code == 403
    assert admin.get(url).status_code == 405
    assert admin.post(url).status_code == 400
    assert admin.post(reverse("admin:queue_act", args=["burn"])).status_code == 404
    html = shown(looker)
    assert "Suspend workers" not in html


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_drained_worker_ends_by_itself(admin: Client, start_worker: StartWorker) -> None:
    worker = start_worker("default")
    wait_until(lambda: bool(census.survey().workers), message="no worker is listed")
    [facts] = census.survey().workers
    assert "Drain" in shown(admin)

    do(admin, "drain", worker=facts.name)

    assert worker.wait(60) == 0
    assert census.survey().workers == []
