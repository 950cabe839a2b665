"""A small frozen version and finished runs over it, made row by row: what a study stands on."""

from collections.abc import Mapping, Sequence

from evalhub.accounts.models import Project, User
from evalhub.datasets.models import Dataset, Example, Version, VersionExample
from evalhub.runs.models import Answer, GenerationRun, Model, Run
from evalhub.studies.design import ArmDesign

CATEGORIES = ("headline", "deck", "meta")


def frozen_version(project: Project, by: User, *, items: int = 6, name: str = "Pages") -> Version:
    dataset = Dataset.objects.create(project=project, name=name, slug=name.lower(), created_by=by)
    version = Version.objects.create(dataset=dataset, number=1, data_hash="0" * 64, frozen_by=by)
    for n in range(items):
        values = {
            "key": f"page-{n}",
            "instruction": f"Write a headline for page {n}.",
            "input": f"Page {n} tells how a town keeps its library open.",
            "output": f"How the town keeps library {n} open",
            "category": CATEGORIES[n % 3],
        }
        example = Example.objects.create(
            dataset=dataset, instruction=values["instruction"], output=values["output"], fingerprint=f"{n:064d}"
        )
        VersionExample.objects.create(
            version=version, example=example, split="test", position=n, revision_number=1, values=values
        )
    return version


def finished_run(
    version: Version, by: User, *, model: str, skip: Sequence[int] = (), texts: Mapping[int, str] | None = None
) -> GenerationRun:
    """A succeeded run of `model` over the version; entries at the positions `skip` failed."""
    project = version.dataset.project
    run = Run.objects.create(
        project=project, kind=Run.Kind.GENERATION, name=f"{model} answers", state=Run.State.SUCCEEDED, requested_by=by
    )
    made = Model.objects.create(project=project, name=model, kind=Model.Kind.BASE, reference=f"hub/{model}")
    generation = GenerationRun.objects.create(run=run, model=made, version=version)
    for entry in version.entries.all():
        failed = entry.position in skip
        text = (texts or {}).get(entry.position, f"Text {entry.position} written with care by number {made.pk}")
        Answer.objects.create(
            generation=generation, entry=entry, text="" if failed else text, error="no room" if failed else ""
        )
    return generation


def arms_of(version: Version, by: User, *names: str) -> list[ArmDesign]:
    return [ArmDesign(f"Arm {name}", finished_run(version, by, model=name)) for name in names]
