"""The commands act for people with the right, and for nobody else: the policy of the pages holds at the shell too."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class

from evalhub.accounts.commands import ProjectCommand
from evalhub.accounts.models import AuditEvent, Membership
from evalhub.accounts.permissions import Right
from evalhub.datasets.models import Dataset
from evalhub.runs.models import Model, Run
from evalhub.studies import actions
from evalhub.studies.models import Study
from tests.reports.ground import rated_study

COMMANDS = {
    "add_member": ["olu", "--role=expert"],
    "datasets": ["show", "--dataset=Copy"],
    "imports": ["list", "--dataset=Copy"],
    "checks": ["list", "--dataset=Copy"],
    "examples": ["list", "--dataset=Copy"],
    "views": ["list", "--dataset=Copy"],
    "changes": ["list", "--dataset=Copy"],
    "versions": ["list", "--dataset=Copy"],
    "import_examples": ["rows.jsonl", "--dataset=Copy"],
    "freeze_version": ["--dataset=Copy"],
    "bulk_examples": ["--dataset=Copy", "--verb=reject"],
    "undo_change": ["--dataset=Copy", "--change=1"],
    "check_examples": ["--dataset=Copy"],
    "export_examples": ["--dataset=Copy", "--out=copy.jsonl"],
    "compare_versions": ["--dataset=Copy", "--from=1", "--to=2"],
    "data_card": ["--dataset=Copy"],
    "delete_version": ["--dataset=Copy", "--version=1"],
    "delete_dataset": ["--dataset=Copy"],
    "register_model": ["acme/small", "--name=Small"],
    "train": ["--model=Small"],
    "generate": ["--model=Small"],
    "score": ["--run=1"],
    "import_answers": ["answers.csv", "--name=Editors"],
    "open_study": ["--name=First"],
    "close_study": ["first"],
    "import_ratings": ["ratings.csv", "--study=Elsewhere"],
    "export_ratings": ["first", "--out=ratings.csv"],
    "report": ["first"],
}
LISTING = {"datasets", "imports", "checks", "examples", "views", "changes", "versions"}  # each verb: datasets' tests
READING = LISTING | {"export_examples", "compare_versions", "data_card", "export_ratings", "report"}


def tried(name: str, *arguments: str, project: str = "content-copy") -> str:
    out = StringIO()
    call_command(name, *arguments, f"--project={project}", stdout=out, stderr=StringIO())
    return out.getvalue()


def test_every_command_that_acts_in_a_project_is_tried_here():
    ours = {name: app for name, app in get_commands().items() if app.startswith("evalhub.")}
    found = {name: load_command_class(app, name) for name, app in ours.items()}
    acting = {name: command for name, command in found.items() if isinstance(command, ProjectCommand)}
    assert set(acting) == set(COMMANDS)
    assert set(found) - set(acting) == {"up", "make_demo", "create_project"}
    assert all(isinstance(command.right, Right) for command in acting.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_it_refuses_whoever_lacks_the_right_and_does_nothing(admin, expert, pm, outsider, name):
    refused = [expert, outsider] if name in READING else [expert, pm, outsider]
    for person in refused:
        with pytest.raises(CommandError, match=f"{person.username} does not have the right to .+ in content-copy"):
            tried(name, *COMMANDS[name], f"--as={person.username}")
    assert Membership.objects.filter(project__slug="content-copy").count() == 3
    for model in (AuditEvent, Dataset, Model, Run, Study):
        assert not model.objects.exists(), model


@pytest.mark.parametrize("name", COMMANDS)
def test_it_refuses_an_account_that_is_switched_off(admin, name):
    admin.is_active = False
    admin.save()
    with pytest.raises(CommandError, match="The account of ines is switched off"):
        tried(name, *COMMANDS[name], "--as=ines")
    with pytest.raises(CommandError, match="has no admin; name a user with --as"):
        tried(name, *COMMANDS[name])


def test_it_lets_pms_read_a_closed_study_without_the_raters_profiles(project, admin, pm, tmp_path):
    study = rated_study(project, admin, items=6)
    assert study.state == Study.State.CLOSED
    own, theirs = (json.loads(tried("report", study.slug, "--json", f"--as={name}")) for name in ("ines", "mara"))
    assert own["raters"]
    assert not theirs["raters"]
    assert own["scores"] == theirs["scores"]
    tried("export_ratings", study.slug, f"--out={tmp_path}/r.csv", "--as=mara")
    assert (tmp_path / "r.csv").read_text().count("\n") > 6


def test_it_shows_a_pm_nothing_of_a_study_under_way(project, admin, pm, tmp_path):
    study = rated_study(project, admin, items=6)
    Study.objects.filter(pk=study.pk).update(state=Study.State.OPEN, closed_at=None)
    for name, arguments in (("report", []), ("export_ratings", [f"--out={tmp_path}/r.csv"])):
        with pytest.raises(CommandError, match="still under way"):
            tried(name, study.slug, *arguments, "--as=mara")
    assert not list(tmp_path.iterdir())
    assert "Preliminary" in tried("report", study.slug)
    assert actions.close_study(Study.objects.get(pk=study.pk), by=admin).state == "closed"


def test_it_takes_no_other_projects_study(project, admin, outsider):
    study = rated_study(project, admin, items=6)
    for name in ("report", "close_study"):
        with pytest.raises(CommandError, match="There is no study"):
            tried(name, study.slug, "--as=rex", project="elsewhere")
