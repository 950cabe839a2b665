"""The life of a run under doubled messages, dead workers, two tabs and many threads."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from evalhub.accounts.models import AuditEvent
from evalhub.errors import Refused
from evalhub.runs import actions, lifecycle, tasks
from evalhub.runs.folders import folder_of
from evalhub.runs.models import Model, Run
from tests.runs.conftest import freeze


@pytest.fixture
def ask(project, base, version, admin):
    def asked(**more):
        return actions.request_training(project, base=base, version=version, by=admin, send=False, **more)

    return asked


def at_once(count, do):
    """Run `do` in `count` threads that start together; what each returned or raised."""
    gate, answers = threading.Barrier(count), []

    def one():
        try:
            gate.wait()
            answers.append(do())
        except Exception as error:
            answers.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.django_db(transaction=True)
def test_it_gives_a_run_to_one_of_many_workers(ask):
    run = ask()
    claims = at_once(6, lambda: lifecycle.claim(run.pk))
    assert len([claim for claim in claims if claim]) == 1
    assert not [claim for claim in claims if isinstance(claim, Exception)]


@pytest.mark.django_db(transaction=True)
def test_it_makes_one_run_of_one_form_sent_many_times_at_once(ask):
    runs = at_once(4, lambda: ask(request_key="form").pk)
    assert len(set(runs)) == 1
    assert Run.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_keeps_one_of_many_equal_requests(ask):
    answers = at_once(4, ask)
    assert len([answer for answer in answers if isinstance(answer, Run)]) == 1
    assert len([answer for answer in answers if isinstance(answer, actions.AlreadyLive)]) == 3


@pytest.mark.django_db(transaction=True)
def test_it_stores_the_same_answers_once_however_often_they_come(version, admin):
    answers = {"row-5": "Five"}
    made = at_once(3, lambda: actions.store_answers(version, name="Editors", answers=answers, by=admin).pk)
    assert len(set(made)) == 1


@pytest.mark.django_db
def test_it_does_nothing_when_a_message_comes_twice(trained):
    before = Run.objects.values().get()
    tasks.perform(trained.pk)
    tasks.perform(999_999)
    assert Run.objects.values().get() == before


@pytest.mark.django_db
def test_it_lets_a_worker_that_was_given_up_write_nothing(ask):
    run = ask()
    old = lifecycle.claim(run.pk)
    silence(run)
    tasks.sweep()
    new = lifecycle.claim(run.pk)
    assert new.attempt == old.attempt + 1
    assert not lifecycle.beat(old, done=9)
    assert not lifecycle.finish(old, "succeeded")
    assert not lifecycle.release(old, message="")
    assert lifecycle.beat(new, done=1)


def silence(run):
    Run.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=5))


@pytest.mark.django_db
def test_it_takes_up_a_lost_run_twice_and_then_fails_it_with_a_sentence(ask):
    run = ask()
    for losses in (1, 2):
        assert lifecycle.claim(run.pk)
        silence(run)
        tasks.sweep()
        run.refresh_from_db()
        assert (run.state, run.losses) == ("queued", losses)
    lifecycle.claim(run.pk)
    silence(run)
    tasks.sweep()
    run.refresh_from_db()
    assert run.state == "failed"
    assert run.message == "Its worker was lost 3 times; the worker's log says why."


@pytest.mark.django_db
def test_it_cancels_a_lost_run_that_was_to_be_stopped(ask, admin):
    run = ask()
    lifecycle.claim(run.pk)
    actions.cancel(run, by=admin)
    silence(run)
    tasks.sweep()
    run.refresh_from_db()
    assert run.state == "cancelled"


@pytest.mark.django_db
def test_it_leaves_a_run_alone_that_showed_life_after_it_was_looked_at(ask):
    run = ask()
    claim = lifecycle.claim(run.pk)
    silence(run)
    looked_at = lifecycle.lost_runs(timezone.now()).get()
    lifecycle.beat(claim)
    assert not lifecycle.give_up_on_worker(looked_at)
    assert claim.held.exists()


@pytest.mark.django_db
def test_it_sends_a_lost_message_again_after_twenty_seconds_and_at_least_each_minute(ask):
    run = ask()
    now = timezone.now()

    def due(sent, created):
        Run.objects.filter(pk=run.pk).update(
            sent_at=now - timedelta(seconds=sent), created_at=now - timedelta(seconds=created)
        )
        return bool(lifecycle.unsent_runs(now))

    assert not due(sent=19, created=19)
    assert due(sent=21, created=21)
    assert not due(sent=30, created=3600)
    assert due(sent=61, created=3600)


@pytest.mark.django_db(transaction=True)
def test_it_tells_the_queue_only_what_was_committed(project, base, version, admin, monkeypatch):
    told = []
    monkeypatch.setattr(tasks.perform, "apply_async", lambda args, **options: told.append((args, options["queue"])))
    run = actions.request_training(project, base=base, version=version, by=admin)
    assert told == [((run.pk,), "gpu")]
    run.refresh_from_db()
    assert run.sent_at


@pytest.mark.django_db
def test_it_loses_nothing_when_the_broker_is_away(ask, monkeypatch):
    def away(*args, **options):
        raise ConnectionRefusedError("no broker")

    monkeypatch.setattr(tasks.perform, "apply_async", away)
    run = ask()
    tasks.knock(run.pk)
    run.refresh_from_db()
    assert run.state == "queued"


@pytest.mark.django_db
def test_it_cancels_a_waiting_run_at_once_and_a_second_time_without_a_word(ask, admin):
    run = ask()
    assert actions.cancel(run, by=admin).state == "cancelled"
    assert actions.cancel(run, by=admin).state == "cancelled"
    assert AuditEvent.objects.filter(verb="cancel run").count() == 1


@pytest.mark.django_db
def test_it_does_not_cancel_what_has_ended(trained, admin):
    with pytest.raises(Refused, match="This run has already succeeded"):
        actions.cancel(trained, by=admin)


@pytest.mark.django_db
def test_it_retries_a_failed_run_as_a_new_one_in_a_folder_of_its_own(ask, admin, mode):
    mode("refused")
    failed = actions.perform(ask())
    mode("quick")
    again = actions.perform(actions.retry(failed, by=admin, send=False))
    assert again.pk != failed.pk
    assert again.retry_of == failed
    assert again.state == "succeeded"
    assert again.spec == failed.spec
    with pytest.raises(Refused, match="only a failed or cancelled one is retried"):
        actions.retry(again, by=admin)


@pytest.mark.django_db
def test_it_resumes_a_failed_run_in_its_own_folder(ask, admin, mode):
    mode("killed")
    failed = actions.perform(ask())
    (folder_of(failed) / "checkpoint").write_text("12")
    mode("quick")
    done = actions.perform(actions.resume(failed, by=admin, send=False))
    assert done.pk == failed.pk
    assert done.state == "succeeded"
    assert any("Resumed at 12" in line["text"] for line in done.journal.log)
    assert Model.objects.filter(kind="adapter").count() == 1


@pytest.mark.django_db
def test_it_does_not_resume_beside_its_own_retry(ask, admin, mode):
    mode("refused")
    failed = actions.perform(ask())
    retried = actions.retry(failed, by=admin, send=False)
    with pytest.raises(actions.AlreadyLive) as refusal:
        actions.resume(failed, by=admin)
    assert refusal.value.run == retried


@pytest.mark.django_db
def test_it_refuses_a_version_without_training_examples(project, base, dataset, admin):
    version = freeze(dataset, admin, splits=("test", "test"), number=2)
    with pytest.raises(Refused, match="has no training examples"):
        actions.request_training(project, base=base, version=version, by=admin)


@pytest.mark.django_db
def test_it_says_which_split_can_answer_where_one_is_empty(project, base, dataset, admin):
    version = freeze(dataset, admin, splits=("train", "validation"), number=2)
    with pytest.raises(Refused, match=r"has no test examples\. Take train or validation, or freeze a version with"):
        actions.request_generation(project, model=base, version=version, by=admin)


@pytest.mark.django_db
def test_it_refuses_parts_of_another_project(outsider, base, version, admin):
    elsewhere = outsider.projects.get()
    with pytest.raises(Refused, match="different projects"):
        actions.request_generation(elsewhere, model=base, version=version, by=outsider)


@pytest.mark.django_db
def test_it_scores_only_finished_answers(project, base, version, admin):
    run = actions.request_generation(project, model=base, version=version, by=admin, send=False)
    with pytest.raises(Refused, match="only finished answers are scored"):
        actions.request_scoring(run.generation, by=admin)


@pytest.mark.django_db
def test_it_names_the_keys_that_fit_no_example(version, admin):
    with pytest.raises(Refused, match="No test example of Website copy v1 is called row-0"):
        actions.store_answers(version, name="Editors", answers={"row-0": "A training row"}, by=admin)
    assert not Model.objects.exists()


@pytest.mark.django_db
def test_it_refuses_an_endpoint_whose_key_variable_could_be_any_secret(project, admin):
    with pytest.raises(Refused, match="EVALHUB_KEY_"):
        actions.register_model(
            project, name="Thief", reference="https://example.org/v1", by=admin, kind="endpoint",
            facts={"key_variable": "EVALHUB_SECRET_KEY"},
        )  # fmt: skip
