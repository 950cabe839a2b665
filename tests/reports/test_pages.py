"""The doors of the reports room: who may enter, what they see, and that page, API and charts say the same numbers."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape, strip_tags

from evalhub.reports.aggregates import build_report
from evalhub.reports.charts import CHARTS
from evalhub.reports.words import verdicts
from evalhub.runs.models import Run, Score
from evalhub.studies.models import Study
from tests.conftest import logged_in
from tests.reports.ground import marked, rated_study


@pytest.fixture
def study(project, admin) -> Study:
    return rated_study(project, admin, items=12)


def doors(study: Study) -> list[str]:
    slug, project = study.slug, study.project.slug
    item = study.items.first()
    return [
        reverse("reports:list", args=[project]),
        reverse("reports:report", args=[project, slug]),
        reverse("reports:numbers", args=[project, slug]),
        reverse("reports:chart", args=[project, slug, "criteria"]),
        reverse("reports:figure", args=[project, slug, "criteria", "svg"]),
        reverse("reports:items", args=[project, slug]),
        reverse("reports:item", args=[project, slug, item.pk]),
        reverse("reports:under_way", args=[project]),
        reverse("api-reports:report", args=[project, slug]),
    ]


def report_url(study: Study) -> str:
    return reverse("reports:report", args=[study.project.slug, study.slug])


def test_admins_and_pms_enter_every_door(study, admin, pm):
    for person in (admin, pm):
        for door in doors(study):
            assert logged_in(person).get(door).status_code == 200, door


def test_an_outsider_learns_nothing_not_even_that_it_exists(study, outsider):
    for door in [*doors(study), reverse("reports:home", args=[study.project.slug])]:
        assert logged_in(outsider).get(door).status_code == 404, door


def test_an_expert_is_turned_away_and_led_to_the_desk(study, expert):
    for door in doors(study):
        assert logged_in(expert).get(door).status_code == 403, door
    home = logged_in(expert).get(reverse("reports:home", args=[study.project.slug]))
    assert home.url == reverse("studies:desk", args=[study.project.slug])


def test_a_stranger_is_asked_to_log_in(client, study):
    for door in doors(study)[:-1]:
        assert client.get(door).status_code == 302, door
    assert client.get(doors(study)[-1]).status_code in (401, 403)


def test_reading_never_writes(study, admin):
    for door in doors(study):
        assert logged_in(admin).post(door).status_code == 405, door


def test_a_study_of_another_project_is_not_reachable_through_ones_own(study, outsider):
    other = outsider.projects.first()
    for name, args in (("reports:report", []), ("reports:item", [study.items.first().pk])):
        url = reverse(name, args=[other.slug, study.slug, *args])
        assert logged_in(outsider).get(url).status_code == 404


def test_page_json_and_api_show_the_same_numbers(study, pm):
    client = logged_in(pm)
    page = client.get(report_url(study)).content.decode()
    numbers = client.get(reverse("reports:numbers", args=[study.project.slug, study.slug]))
    api = client.get(reverse("api-reports:report", args=[study.project.slug, study.slug]))
    assert json.loads(numbers.content) == api.json()
    for score in api.json()["scores"]:
        assert f"{score['mean']:.2f}" in page
        assert f"{score['low']:.2f} to {score['high']:.2f}" in page
    for difference in api.json()["differences"]:
        assert f"{difference['difference']['point']:+.2f}".replace("-", "−") in page


def test_the_verdict_stands_in_words(study, pm):
    page = logged_in(pm).get(report_url(study)).content.decode()
    assert "superior to Base" in strip_tags(page)
    assert "% better" in page
    assert "undefined: no price of a machine hour is set" in page
    assert page.count("Undefined: these answers were made elsewhere") == 1


def test_a_missing_number_is_told_once_under_its_table_and_marked_in_its_cells(project, admin, pm):
    study = rated_study(project, admin, items=10)
    Score.objects.filter(metric="rougeL", answer__item_answers__item__study=study).update(value=0.5)
    page = logged_in(pm).get(report_url(study)).content.decode()
    table = page[page.index('aria-label="Table 1"') : page.index('id="metrics"')]
    cells, under = table.split("</table>")
    assert "every item has the same value" not in cells
    assert under.count("every item has the same value") == 1
    assert 'no interval<sup><span class="sr">, note </span>' in cells
    agreement = page[page.index('aria-label="Agreement"') : page.index('id="disagreement"')]
    cells, under = agreement.split("</table>")[:2]
    assert "not every rater rated every answer" not in cells
    assert under.count("not every rater rated every answer") == 1


def test_one_rater_is_not_said_to_agree_and_no_figure_has_a_caption_alone(project, admin, pm):
    study = rated_study(project, admin, items=6, raters=1, overlap=1)
    page = strip_tags(logged_in(pm).get(report_url(study)).content.decode())
    assert "No two raters" not in page
    assert "No answer was rated by two people" in page
    assert "6 items, 1 rater." in page
    assert "Krippendorff’s α, ordinal" not in page
    assert "Figure 4." in page
    assert "Figure 5. Score by place" in page


def test_resamples_are_named_only_where_they_were_used(project, admin, pm):
    few = rated_study(project, admin, items=4, name="Few", runs=False)
    many = rated_study(project, admin, items=20, name="Many", runs=False)
    caption = "10,000 resamples, seed 7"
    few_page, many_page = (logged_in(pm).get(report_url(s)).content.decode() for s in (few, many))
    assert "too few to resample" in few_page
    assert caption not in few_page
    assert f"bootstrap over items, {caption}" in many_page


def test_an_undecided_difference_is_neither_better_nor_worse(project, admin, pm):
    study = rated_study(project, admin, items=4, qualities=(5.0, 5.8, 5.2), noise=2.5)
    page = logged_in(pm).get(report_url(study)).content.decode()
    assert "undecided" in page
    assert "not certain" in page
    assert "data-better" not in page
    assert "% better" not in page


def test_severities_are_for_admins_only(study, admin, pm):
    assert "The raters" in logged_in(admin).get(report_url(study)).content.decode()
    assert "The raters" not in logged_in(pm).get(report_url(study)).content.decode()
    api = reverse("api-reports:report", args=[study.project.slug, study.slug])
    assert logged_in(admin).get(api).json()["raters"]
    assert logged_in(pm).get(api).json()["raters"] == []


def test_an_open_study_shows_a_pm_its_progress_and_no_number(project, admin, pm):
    study = rated_study(project, admin, items=12, rated=6, state="open")
    page = logged_in(pm).get(report_url(study)).content.decode()
    assert "Hidden until it closes" in page
    assert "12 of 24 ratings" in page
    assert "superior" not in page
    for door in doors(study)[2:7]:
        response = logged_in(pm).get(door)
        assert response.status_code == 409, door
        assert "still under way" in response.content.decode()
    assert logged_in(pm).get(doors(study)[-1]).json()["detail"].startswith("This study is still under way")


def test_an_open_study_shows_an_admin_preliminary_numbers_without_names(project, admin):
    study = rated_study(project, admin, items=12, rated=6, state="open")
    page = logged_in(admin).get(report_url(study)).content.decode()
    assert "Preliminary" in page
    assert "Arm 2" in page
    assert "Tuned" not in page


def test_a_closed_study_keeps_its_names_until_they_are_revealed(project, admin, pm):
    study = rated_study(project, admin, items=8, revealed=False)
    for door in doors(study)[1:7]:
        body = logged_in(pm).get(door).content.decode()
        assert "Editors" not in body, door
        assert "Tuned" not in body, door


def test_studies_that_cannot_be_reported_still_have_a_page(project, admin, pm):
    for name, values in {
        "None": {"rated": 0}, "One": {"rated": 1, "overlap": 1}, "Alone": {"names": ("Base",), "qualities": (5.0,)},
    }.items():  # fmt: skip
        study = rated_study(project, admin, name=name, items=4, runs=False, **values)
        assert logged_in(pm).get(report_url(study)).status_code == 200
    page = logged_in(pm).get(reverse("reports:list", args=[project.slug])).content.decode()
    assert "no rating yet" in page


def test_an_item_shows_answers_scores_metrics_and_what_raters_marked(study, pm):
    rating = study.items.first().assignments.first().ratings.first()
    marked(rating)
    page = logged_in(pm).get(doors(study)[6]).content.decode()
    for answer in study.items.first().answers.all():
        assert answer.text.split(",")[0] in page
    assert "Rater 1" in page
    assert "ROUGE-L" in page
    assert "stays open" in page


def test_items_are_ordered_searched_and_paged(project, admin, pm):
    study = rated_study(project, admin, items=30, runs=False)
    url = reverse("reports:items", args=[project.slug, study.slug])
    client = logged_in(pm)
    assert "1 to 25 of 30" in client.get(url).content.decode()
    assert "26 to 30 of 30" in client.get(f"{url}?page=2").content.decode()
    assert "1 to 1 of 1 that match, of 30" in client.get(f"{url}?q=page+17+").content.decode()
    assert "No item matches" in client.get(f"{url}?q=nowhere").content.decode()
    lines = client.get(f"{url}?order=range").context["page"].object_list
    assert [line.range for line in lines] == sorted((line.range for line in lines), reverse=True)
    lines = client.get(f"{url}?order=behind").context["page"].object_list
    assert [line.lead for line in lines] == sorted(line.lead for line in lines)


def test_home_shows_first_steps_in_an_empty_project(project, admin):
    page = logged_in(admin).get(reverse("reports:home", args=[project.slug])).content.decode()
    assert "First steps" in page
    assert "Bring in examples" in page
    assert "No study yet" in page


def test_home_shows_the_latest_result_and_what_is_under_way(study, admin):
    Run.objects.create(
        project=study.project, kind="training", name="Night run", state="running", requested_by=admin, done=3, total=9
    )
    page = logged_in(admin).get(reverse("reports:home", args=[study.project.slug])).content.decode()
    assert "superior to Base" in strip_tags(page)
    assert "Night run" in page
    assert "3 of 9 steps" in page
    Run.objects.filter(name="Night run").update(done=0, total=0)
    page = logged_in(admin).get(reverse("reports:home", args=[study.project.slug])).content.decode()
    assert "getting ready" in page
    assert "0 of 0" not in page


def test_home_and_list_ask_as_many_questions_for_one_study_as_for_four(project, admin, pm):
    client = logged_in(pm)
    pages = [reverse(name, args=[project.slug]) for name in ("reports:home", "reports:list")]

    def asked() -> list[int]:
        for page in pages:
            client.get(page)  # reports are built once
        counts = []
        for page in pages:
            with CaptureQueriesContext(connection) as caught:
                client.get(page)
            counts.append(len(caught))
        return counts

    rated_study(project, admin, name="Study 0", items=4, runs=False)
    one = asked()
    for k in range(1, 4):
        rated_study(project, admin, name=f"Study {k}", items=4, runs=False)
    assert asked() == one
    assert max(one) <= 40


def test_a_line_of_the_list_says_what_the_report_says(study, pm):
    page = logged_in(pm).get(reverse("reports:list", args=[study.project.slug])).content.decode()
    for sentence in verdicts(build_report(study)):
        assert sentence in strip_tags(page)


def test_the_name_of_an_arm_stays_on_one_line_in_sentences(project, admin, pm):
    names = ("bart-dpr", "bart", "<b>human</b> editors")
    study = rated_study(project, admin, names=names, items=12)
    pages = [report_url(study), *(reverse(f"reports:{name}", args=[project.slug]) for name in ("home", "list"))]
    for page in (logged_in(pm).get(address).content.decode() for address in pages):
        assert "superior to" in strip_tags(page)
        for name in names:
            assert f'<span class="whole">{escape(name)}</span>' in page
        assert '<span class="whole">bart</span>-dpr' not in page


def test_an_unknown_figure_or_format_is_not_found(study, pm):
    project, slug = study.project.slug, study.slug
    assert logged_in(pm).get(reverse("reports:chart", args=[project, slug, "pie"])).status_code == 404
    assert logged_in(pm).get(reverse("reports:figure", args=[project, slug, "criteria", "gif"])).status_code == 404


def test_every_figure_is_a_specification_in_tokens_with_a_sentence(study, pm):
    report = build_report(study)
    for name in CHARTS:
        spec = logged_in(pm).get(reverse("reports:chart", args=[study.project.slug, study.slug, name])).json()
        assert spec == json.loads(json.dumps(CHARTS[name](report)))
        assert "#" not in json.dumps({k: v for k, v in spec.items() if k not in ("data", "$schema")})
        assert spec["description"].endswith(".")
