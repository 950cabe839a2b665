"""Who sees a job: an admin all of the project's, others their own; by page and by API."""

import re

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from evalhub.accounts.models import Membership, Project, User
from evalhub.accounts.permissions import Right
from evalhub.jobs import actions, lifecycle, performing, tasks
from evalhub.jobs.models import Job
from evalhub.jobs.reading import rights
from evalhub.studies.models import Study
from tests.conftest import logged_in
from tests.jobs.conftest import asked, worked_off
from tests.reports.ground import rated_study

BASE = "/p/content-copy/jobs/"
API = "/api/v1/projects/content-copy/jobs/"


@pytest.fixture
def job(ratings, admin) -> Job:
    return asked(ratings())


def test_an_admin_sees_every_job_others_their_own(job, project, admin, pm, expert, outsider):
    own = actions.request_job(project, command="report", title="Report of First", options={"study": "first"}, by=pm)
    for person, seen in ((admin, {job, own}), (pm, {own}), (expert, set())):
        client = logged_in(person)
        page, answer = client.get(BASE).content.decode(), client.get(API).json()
        assert {item["id"] for item in answer["results"]} == {one.pk for one in seen}
        for one in (job, own):
            assert (one.title in page) == (one in seen)
            status = 200 if one in seen else 404
            assert client.get(f"{BASE}{one.pk}/").status_code == status
            assert client.get(f"{BASE}{one.pk}/live/").status_code == status
            assert client.get(f"{API}{one.pk}/").status_code == status
    stranger = logged_in(outsider)
    assert {stranger.get(path).status_code for path in (BASE, API, f"{BASE}{job.pk}/", f"{API}{job.pk}/")} == {404}
    assert stranger.post(f"{BASE}{job.pk}/cancel/").status_code == 404


def test_the_page_shows_how_far_it_is_and_then_what_it_told(job, admin):
    client = logged_in(admin)
    page = client.get(f"{BASE}{job.pk}/").content.decode()
    assert "the next free worker of queue cpu takes it" in page
    assert f'hx-get="{BASE}{job.pk}/live/"' in page
    Job.objects.filter(pk=job.pk).update(state="running", done=3, total=12, eta_seconds=40)
    live = client.get(f"{BASE}{job.pk}/live/").content.decode()
    assert "3 of 12" in live
    assert "about 40 s left" in live
    Job.objects.filter(pk=job.pk).update(state="queued", done=0, total=0)
    worked_off()
    assert client.get(f"{BASE}{job.pk}/live/").headers["HX-Refresh"] == "true"
    page = client.get(f"{BASE}{job.pk}/").content.decode()
    assert "16 values for 4 items are stored" in page
    assert 'href="/p/content-copy/studies/elsewhere/"' in page


def test_the_page_shows_the_end_of_its_log_while_it_works_and_after_it_failed(job, admin):
    client, claim = logged_in(admin), lifecycle.claim(Job, job.pk)
    signs = performing.Signs(claim, tasks.stay)
    for number in range(1, 31):
        signs.say(f"Part {number} of <30>.")
    signs.bar("Storing Elsewhere")
    signs.beat()
    live = client.get(f"{BASE}{job.pk}/live/").content.decode()
    log = live.partition('aria-label="Log">')[2].partition("</pre>")[0].splitlines()
    assert [line.split(" ", 1)[1] for line in log[-2:]] == ["Part 30 of &lt;30&gt;.", "Storing Elsewhere"]
    assert (len(log), log[0].split(" ", 1)[1]) == (20, "Part 12 of &lt;30&gt;.")
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in log)
    tasks.fail(claim, "It would leak.")
    page = client.get(f"{BASE}{job.pk}/").content.decode()
    assert "It would leak." in page
    assert "Storing Elsewhere" in page


def test_it_is_stopped_and_tried_again_by_page_and_api(job, admin):
    client = logged_in(admin)
    assert client.get(f"{BASE}{job.pk}/cancel/").status_code == 405
    client.post(f"{BASE}{job.pk}/cancel/")
    assert Job.objects.get().state == "cancelled"
    assert client.post(f"{API}{job.pk}/retry/").json()["state"] == "queued"
    assert client.post(f"{API}{job.pk}/cancel/").json()["state"] == "cancelled"
    client.post(f"{BASE}{job.pk}/retry/")
    worked_off()
    refused = client.post(f"{API}{job.pk}/cancel/")
    assert (refused.status_code, refused.json()["detail"]) == (409, "This job has already succeeded.")


def test_the_rows_to_mend_are_on_the_page(ratings, admin):
    job = asked(ratings(value="x"))
    worked_off()
    page = logged_in(admin).get(f"{BASE}{job.pk}/").content.decode()
    assert "“x” is not a number" in page
    assert "Try again" in page


def test_only_who_sees_a_job_gets_its_file(job, admin, pm):
    name = default_storage.save("jobs/out/1.csv", ContentFile(b"a,b\n1,2\n"))
    Job.objects.filter(pk=job.pk).update(state="succeeded", output=name, output_name="ratings.csv")
    for path in (f"{BASE}{job.pk}/output/", f"{API}{job.pk}/output/"):
        answer = logged_in(admin).get(path)
        assert b"".join(answer.streaming_content) == b"a,b\n1,2\n"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="ratings.csv"'
        part = logged_in(admin).get(path, headers={"Range": "bytes=4-"})
        assert (part.status_code, b"".join(part.streaming_content)) == (206, b"1,2\n")
        assert logged_in(pm).get(path).status_code == 404
    default_storage.delete(name)
    assert logged_in(admin).get(f"{BASE}{job.pk}/output/").status_code == 404


@pytest.mark.parametrize("role", ["expert", "pm"])
def test_who_was_an_admin_finds_nothing_that_was_told_to_one(project, admin, expert, role):
    """An expert would learn the arms, a PM the numbers and the raters of a study that is under way."""
    study = rated_study(project, admin, items=6)
    Study.objects.filter(pk=study.pk).update(state=Study.State.OPEN, closed_at=None)
    Membership.objects.filter(user=expert).update(role="admin")
    own = done(project, study, by=expert)
    assert (own.state, bool(own.result["raters"]), bool(own.output)) == ("succeeded", True, True)
    addresses = [f"{BASE}{own.pk}/", f"{BASE}{own.pk}/output/", f"{API}{own.pk}/", f"{API}{own.pk}/output/"]
    assert {logged_in(expert).get(path).status_code for path in addresses} == {200}
    Membership.objects.filter(user=expert).update(role=role)
    assert {logged_in(expert).get(path).status_code for path in addresses} == {404}
    assert logged_in(expert).get(API).json()["results"] == []


def test_who_is_a_pm_now_reads_what_was_told_to_a_pm(project, admin, pm):
    own = done(project, rated_study(project, admin, items=6), by=pm)
    assert (own.state, own.role, own.result["raters"]) == ("succeeded", "pm", [])
    assert logged_in(pm).get(f"{API}{own.pk}/").json()["result"]["scores"]
    assert logged_in(pm).get(f"{BASE}{own.pk}/output/").status_code == 200


def done(project: Project, study: Study, *, by: User) -> Job:
    """A report with its folder, as a worker made it for this person."""
    options = {"study": study.slug, "out": "first"}
    job = actions.request_job(project, command="report", title="Report", options=options, by=by)
    worked_off()
    job.refresh_from_db()
    return job


def test_every_command_with_queue_says_which_right_it_needs():
    assert {"freeze_version", "report", "import_ratings", "check_examples", "export_examples"} <= set(rights())
    assert all(isinstance(right, Right) for right in rights().values())
