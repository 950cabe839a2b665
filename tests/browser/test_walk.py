"""The loop as people walk it: an admin, two experts with the keyboard only, and a PM, in a real Chromium.

From a file of examples to the report; every page on the way is checked in both themes.
"""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import story
from tests.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

BASE, TUNED, EDITORS = "Demo base", "Demo tuned", "Editors"
STUDY = "Notices, round 1"
TINY = {"Epochs": "1", "Batch size": "8", "Accumulation": "1", "Length": "192", "Evaluations": "1"}
RUN_MS = 240_000
KEYS = "789067895678"  # one item: three answers on four criteria; 0 is ten


@pytest.mark.timeout(900)
def test_it_goes_from_a_file_of_examples_to_a_decision(person: Callable[[str], Visitor], tmp_path: Path) -> None:
    ines = person("ines")
    ines.look("home of an empty project")
    bring_examples_in(ines, story.write_examples(tmp_path))
    curate(ines)
    freeze(ines)
    register(ines)
    train(ines)
    generate(ines)
    bring_answers_in(ines, story.write_answers(tmp_path))
    score(ines)
    design_and_open(ines)
    for name in ("noor", "olu"):
        rate_by_keyboard(person(name), name)
    close_and_reveal(ines)
    read_the_report(person("mara"))


# --- the admin brings examples in, curates and freezes --------------------------------------------


def bring_examples_in(ines: Visitor, path: Path) -> None:
    page = ines.page
    go_to(ines, "Data")
    ines.look("data, empty")
    page.get_by_label("Name", exact=True).fill("Notices")
    page.get_by_role("button", name="Make the dataset").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Import a file")
    ines.look("import")
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Look at the file").click()
    expect(page.get_by_text("24 rows read")).to_be_visible()
    ines.look("preview of a file")
    page.get_by_role("button", name=re.compile("^Store the 24")).click()
    expect(page.get_by_text("24 of 24 rows were stored.")).to_be_visible()  # by a worker; the page asks until then
    ines.look("what an import stored")


def curate(ines: Visitor) -> None:
    """Reject one row in the list, then look at it closely and approve it by key."""
    page = ines.page
    page.get_by_role("link", name="To the examples").click()
    ines.look("dataset")
    page.get_by_label("Dataset").get_by_role("link", name="Examples").click()
    ines.look("examples")
    page.locator("tbody").get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("rejected")
    page.get_by_label("State").select_option("Rejected")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#examples tbody tr")).to_have_count(1)
    page.locator("#examples tbody a").first.click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    ines.look("review")
    ines.press("a")
    expect(page.get_by_role("button", name="Reject")).to_be_visible()


def freeze(ines: Visitor) -> None:
    page = ines.page
    page.get_by_label("Breadcrumb").get_by_role("link", name="Notices").click()
    page.get_by_role("button", name="Freeze 24 examples").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 1")
    ines.look("version")


# --- trains, generates, scores --------------------------------------------------------------------


def register(ines: Visitor) -> None:
    page = ines.page
    go_to(ines, "Models")
    ines.look("models, empty")
    page.get_by_role("link", name="Register a model").first.click()
    ines.look("register a model")
    page.get_by_label("Name", exact=True).fill(BASE)
    page.get_by_label("Reference").fill("demo/base_model")
    page.get_by_role("button", name="Register the model").click()
    expect(page.get_by_role("row", name=BASE)).to_be_visible()
    ines.look("models")


def train(ines: Visitor) -> None:
    page = ines.page
    page.get_by_role("link", name=f"Train {BASE}").click()
    ines.look("ask for a training")
    page.get_by_label("Name", exact=True).fill(TUNED)
    for label, value in TINY.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_label("Learning rate").fill("0.005")
    page.get_by_role("button", name="Start the training").click()
    ines.look("a run under way")
    succeed(ines)
    ines.look("a training that succeeded")


def generate(ines: Visitor) -> None:
    """The adapter by the link on its run, the base from its row among the models."""
    page = ines.page
    page.get_by_role("link", name="Generate with the adapter").click()
    ines.look("ask for answers")
    ask_for_answers(ines)
    go_to(ines, "Models")
    page.get_by_role("link", name=f"Generate with {BASE}", exact=True).click()
    ask_for_answers(ines)
    succeed(ines)
    ines.look("answers")


def ask_for_answers(ines: Visitor) -> None:
    ines.page.get_by_label("Longest answer").fill("16")
    ines.page.get_by_role("button", name="Start the generation").click()
    expect(ines.page.locator("main .head .badge")).to_be_visible()


def bring_answers_in(ines: Visitor, path: Path) -> None:
    page = ines.page
    go_to(ines, "Runs")
    ines.look("runs")
    page.get_by_role("link", name="Import answers").click()
    ines.look("import answers")
    page.get_by_label("Name", exact=True).fill(EDITORS)
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Store the answers").click()
    expect(page.get_by_text("6 answers are stored.")).to_be_visible()


def score(ines: Visitor) -> None:
    """Score the answers on the page of each generation run; the last one is waited for."""
    page = ines.page
    for _ in range(3):
        go_to(ines, "Runs")
        page.get_by_label("Kind").select_option("Generation")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("table").get_by_role("link").nth(_).click()
        succeed(ines)
        page.get_by_role("button", name="Score the answers").click()
        expect(page.locator("main .head .badge")).to_be_visible()
    succeed(ines)
    ines.look("scores")


def succeed(ines: Visitor) -> None:
    """Wait on the page itself: it must tell without being loaded again."""
    expect(ines.page.locator("main .head .badge", has_text="Succeeded")).to_be_visible(timeout=RUN_MS)


# --- designs a study ------------------------------------------------------------------------------


def design_and_open(ines: Visitor) -> None:
    page = ines.page
    go_to(ines, "Studies")
    ines.look("studies, empty")
    page.get_by_role("link", name="New study").click()
    page.get_by_label("Name", exact=True).first.fill(STUDY)
    for number in range(3):
        page.locator("input[name=arm]").nth(number).check()
    page.get_by_role("radio", name="Baseline").first.check()
    for box in page.get_by_role("group", name="Raters").get_by_role("checkbox").all():
        box.check()
    ines.look("new study")
    page.get_by_role("button", name="Make the draft").click()
    ines.look("draft of a study")
    page.get_by_role("link", name="Preview as a rater").click()
    ines.look("preview of a study")
    page.go_back()
    page.get_by_role("link", name="Open the study").click()
    for box in page.get_by_role("dialog").get_by_role("checkbox").all():
        box.check()
    ines.look("open the study?")
    page.get_by_role("dialog").get_by_role("button", name="Open the study").click()
    expect(page.locator("main .head .badge", has_text="Open")).to_be_visible()
    ines.look("open study")


# --- two experts, no mouse ------------------------------------------------------------------------


def rate_by_keyboard(expert: Visitor, name: str) -> None:
    """From the desk to the last item with keys alone: twelve digits and Enter an item."""
    page = expert.page
    expert.look("desk")
    expert.tab_to(page.get_by_role("button", name="Begin"))
    expert.press("Enter")
    main = page.locator("#main[data-token]")
    expect(main).to_be_visible()
    expert.look("rating")
    leave_one_out(expert)
    for number in range(1, 7):
        token = main.get_attribute("data-token")
        expert.press(*KEYS)
        if number == 1:
            expert.look("rating, complete")
        expert.press("Enter")
        if number < 6:
            expect(page.locator(f'#main[data-token]:not([data-token="{token}"])')).to_be_visible()
    expect(page.locator("#main")).to_contain_text("6 items")
    expert.look("everything rated")


def leave_one_out(expert: Visitor) -> None:
    """Enter with a score missing says which, and stores nothing; the guidelines and the keys open and close."""
    page = expert.page
    expert.press(*KEYS[:-1], "Enter")
    expect(page.locator("#say")).to_contain_text("1 score is missing")
    expert.look("rating, one missing")
    for key, dialog in (("g", "Guidelines"), ("?", "Keys")):
        expert.press(key)
        expect(page.get_by_role("dialog", name=dialog)).to_be_visible()
        expert.look(f"rating, {dialog.lower()}")
        expert.press("Escape")
        expect(page.get_by_role("dialog", name=dialog)).to_be_hidden()
    expert.press(*["ArrowUp"] * 3, *["ArrowLeft"] * 2)


# --- and a decision -------------------------------------------------------------------------------


def close_and_reveal(ines: Visitor) -> None:
    page = ines.page
    go_to(ines, "Studies")
    expect(page.get_by_role("row", name=STUDY)).to_contain_text("12 of 12")
    ines.look("studies")
    page.get_by_role("link", name=STUDY).click()
    for verb in ("Close the study", "Reveal the arms"):
        page.get_by_role("link", name=verb).click()
        page.get_by_role("dialog").get_by_role("button", name=verb).click()
        expect(page.get_by_role("link", name=verb)).to_have_count(0)
    ines.look("closed study")


def read_the_report(mara: Visitor) -> None:
    page = mara.page
    mara.look("home of a PM")
    go_to(mara, "Reports")
    mara.look("reports")
    page.get_by_role("link", name=STUDY).first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(STUDY)
    for arm in (BASE, TUNED, EDITORS):
        expect(page.get_by_text(arm).first).to_be_visible()
    for metric in ("ROUGE-L", "BERTScore"):
        expect(page.get_by_text(metric).first).to_be_visible()
    expect(page.locator("figure [data-chart] svg").first).to_be_visible()
    mara.look("report")
    page.get_by_role("link", name="Read the answers").click()
    expect(page.locator("tbody tr")).to_have_count(6)
    mara.look("items behind the report")
    page.locator("tbody a").first.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    mara.look("one item with its answers and scores")


def go_to(visitor: Visitor, room: str) -> None:
    link = visitor.page.get_by_role("navigation", name="Main").get_by_role("link", name=room, exact=True)
    link.click()
    expect(link).to_have_attribute("aria-current", "page")
