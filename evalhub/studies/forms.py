"""What an admin enters to make a study or to import ratings."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Count
from django.utils.text import slugify

from evalhub.accounts.models import Project, Role, User
from evalhub.errors import Refused
from evalhub.runs.models import Answer, GenerationRun, Run
from evalhub.studies.design import ArmDesign, CriterionDesign, default_criteria

SPARE_CRITERIA = 2


class StudyForm(forms.Form):
    """Everything of a design but its arms and criteria, which are read row by row."""

    name = forms.CharField(max_length=160)
    description = forms.CharField(required=False)
    guidelines = forms.CharField(required=False)
    overlap = forms.IntegerField(min_value=1, max_value=50, initial=2)
    items = forms.IntegerField(min_value=1, required=False)
    scale_min = forms.IntegerField(initial=1)
    scale_max = forms.IntegerField(initial=10)
    margin = forms.FloatField(min_value=0, initial=0.5)
    primary_criterion = forms.CharField(initial="overall", required=False)
    ask_preference = forms.BooleanField(required=False)
    show_reference = forms.BooleanField(required=False)
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=7, required=False)
    raters: "forms.ModelMultipleChoiceField[User]" = forms.ModelMultipleChoiceField(User.objects.none(), required=False)

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["raters"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = experts_of(project)

    def design(self) -> dict[str, Any]:
        """The values as create_study takes them."""
        values = dict(self.cleaned_data)
        scale = (values.pop("scale_min"), values.pop("scale_max"))
        seed = values.pop("seed")
        return values | {
            "scale": scale,
            "seed": 7 if seed is None else seed,
            "primary_criterion": values["primary_criterion"] or "overall",
            "raters": list(values["raters"]),
        }


class ImportForm(forms.Form):
    file = forms.FileField()
    name = forms.CharField(max_length=160)
    scale_min = forms.IntegerField(initial=1)
    scale_max = forms.IntegerField(initial=10)
    baseline = forms.CharField(required=False)
    description = forms.CharField(required=False)
    credit = forms.CharField(required=False)


@dataclass(frozen=True)
class ArmRow:
    """One finished run that may become an arm, and what was entered about it."""

    generation: GenerationRun
    answers: int
    chosen: bool
    name: str
    baseline: bool


@dataclass(frozen=True)
class CriterionRow:
    number: int
    name: str
    question: str
    weight: str
    anchors: str


def experts_of(project: Project) -> Any:
    mine = User.objects.filter(memberships__project=project, memberships__role=Role.EXPERT)
    return mine.order_by("display_name", "username")


def arm_rows(project: Project, generations: Sequence[GenerationRun], data: Any = None) -> list[ArmRow]:
    """Each finished run with the name its model suggests, or as entered."""
    chosen = set(data.getlist("arm")) if data else set()
    baseline = data.get("baseline", "") if data else ""
    counted = Answer.objects.filter(generation__in=generations, error="").values_list("generation")
    answered = dict(counted.annotate(n=Count("pk")).order_by())
    return [
        ArmRow(
            g, answered.get(g.pk, 0), str(g.pk) in chosen,
            data.get(f"arm-name-{g.pk}", "") if data else g.model.name, baseline == str(g.pk),
        )
        for g in generations
    ]  # fmt: skip


def finished_generations(project: Project) -> list[GenerationRun]:
    mine = GenerationRun.objects.filter(run__project=project, run__state=Run.State.SUCCEEDED)
    return list(mine.select_related("run", "model", "version__dataset").order_by("version", "split", "pk"))


def arms_from(rows: Sequence[ArmRow]) -> list[ArmDesign]:
    return [ArmDesign(row.name.strip(), row.generation, row.baseline) for row in rows if row.chosen]


def criterion_rows(data: Any = None) -> list[CriterionRow]:
    """The default four and room for more, or what was entered."""
    if data:
        numbers = sorted({int(m[1]) for name in data if (m := re.fullmatch(r"criterion-name-(\d{1,2})", name))})
        parts = ("name", "question", "weight", "anchors")
        return [CriterionRow(n, *(data.get(f"criterion-{p}-{n}", "") for p in parts)) for n in numbers]
    rows = [
        CriterionRow(n, c.name, c.question, "1", "\n".join(f"{p}: {t}" for p, t in sorted(c.anchors.items())))
        for n, c in enumerate(default_criteria())
    ]
    return rows + [CriterionRow(len(rows) + n, "", "", "1", "") for n in range(SPARE_CRITERIA)]


def criteria_from(rows: Sequence[CriterionRow]) -> list[CriterionDesign]:
    """Rows with a name. Raises Refused for a weight or an anchor that cannot be read."""
    return [
        CriterionDesign(slugify(r.name)[:40] or f"criterion-{r.number + 1}", r.name.strip(), r.question.strip(),
                        _anchors(r), _weight(r))
        for r in rows if r.name.strip()
    ]  # fmt: skip


def _weight(row: CriterionRow) -> float:
    try:
        weight = float(row.weight or 1)
    except ValueError:
        weight = 0
    if not 0 < weight < 1000:
        raise Refused(f"The weight of {row.name} must be a number above 0.", field="criteria")
    return weight


def _anchors(row: CriterionRow) -> dict[int, str]:
    """Lines such as "7: Needs one edit"."""
    anchors = {}
    for line in filter(None, (part.strip() for part in row.anchors.splitlines())):
        point, colon, text = line.partition(":")
        if not colon or not point.strip().lstrip("-").isdigit() or not text.strip():
            raise Refused(
                f"“{line[:40]}” is no anchor of {row.name}; write a line as “7: what it means”.", field="criteria"
            )
        anchors[int(point)] = text.strip()
    return anchors
