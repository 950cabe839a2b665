"""What people type into the pages of the datasets room."""

import hashlib
import json
import secrets
from typing import Any

from django import forms
from django.db.models import Max
from django.http import QueryDict

from evalhub.datasets.freezing import Plan
from evalhub.datasets.importing import FIELDS
from evalhub.datasets.models import Dataset, ImportBatch, Split
from evalhub.datasets.replaying import Replay

LABELS = {
    "instruction": "Instruction", "input": "Input", "output": "Output", "system": "System text", "category": "Category",
    "source": "Source document", "language": "Language", "tags": "Tags", "wanted_split": "Split", "key": "Id",
    "history": "Earlier turns",
}  # fmt: skip


class DatasetForm(forms.ModelForm[Dataset]):
    file = forms.FileField(required=False, max_length=200)

    class Meta:
        model = Dataset
        fields = ("name", "description", "credit")


class UploadForm(forms.Form):
    file = forms.FileField(
        max_length=200, error_messages={"required": "Choose a file.", "empty": "This file is empty."}
    )


class ImportForm(forms.Form):
    """The policy, and one select per field of an example: "" lets the name decide, a column takes that column."""

    policy = forms.ChoiceField(
        choices=ImportBatch.Policy.choices,
        widget=forms.RadioSelect,
        initial=ImportBatch.Policy.SET_ASIDE,
        required=False,
    )

    def __init__(self, *args: Any, columns: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "By its name"), *((name, name) for name in columns)]
        for field in FIELDS:
            self.fields[f"map-{field}"] = forms.ChoiceField(choices=choices, required=False, label=LABELS[field])

    def mapping(self) -> dict[str, str]:
        """{field: column} as chosen; fields left alone go by their name."""
        return {field: column for field in FIELDS if (column := self.cleaned_data.get(f"map-{field}"))}

    def selects(self) -> list[forms.BoundField]:
        return [self[f"map-{field}"] for field in FIELDS]


class FreezeForm(forms.Form):
    """How a version is wanted. Per cent for people; `plan` has shares."""

    note = forms.CharField(max_length=255, required=False)
    train = forms.IntegerField(min_value=1, max_value=100, initial=90)
    validation = forms.IntegerField(min_value=0, max_value=99, initial=10)
    test = forms.IntegerField(min_value=0, max_value=99, initial=0)
    min_test = forms.IntegerField(min_value=0, max_value=10**6, initial=0, required=False)
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=7)
    keep_test = forms.BooleanField(required=False, initial=True)
    replay = forms.ChoiceField(required=False)
    replay_percent = forms.IntegerField(min_value=1, max_value=50, initial=10, required=False)
    leak_reason = forms.CharField(max_length=1000, required=False)
    request_key = forms.CharField(max_length=64, required=False)

    def __init__(self, *args: Any, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dataset = dataset
        self.fields["replay"].choices = [("", "None"), *_replayable(dataset)]  # type: ignore[attr-defined]  # a choice field
        self.fields["request_key"].initial = secrets.token_hex(16)
        if dataset.is_benchmark:
            for name in ("train", "validation", "test", "seed"):
                self.fields[name].required = False

    @classmethod
    def asked_before(cls, query: QueryDict, dataset: Dataset) -> "FreezeForm":
        """The form as somebody filled it in before: ?train=90&…; with no word of it in the address, as it starts."""
        given = {name: query[name] for name in cls.base_fields if name in query and name != "request_key"}
        if given:
            given["keep_test"] = query.get("keep_test", "")
        return cls(initial=given, dataset=dataset)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        parts = [cleaned.get(name) for name in ("train", "validation", "test")]
        if None not in parts and sum(part or 0 for part in parts) != 100:
            raise forms.ValidationError("Train, validation and test add up to 100 per cent.")
        return cleaned

    def asked(self) -> dict[str, Any]:
        """What actions.freeze_version and actions.request_freeze want to know."""
        names = ("note", "leak_reason")
        return {**{name: self.cleaned_data[name] for name in names}, "plan": self.plan(), "request_key": self.key()}

    def plan(self) -> Plan:
        given = self.cleaned_data
        if self.dataset.is_benchmark:
            return Plan(shares=(0, 0, 1))
        train, validation, test = (given[name] / 100 for name in ("train", "validation", "test"))
        name, _, number = given["replay"].rpartition("@")
        replay = Replay(name, (given["replay_percent"] or 10) / 100, int(number)) if name else None
        return Plan((train, validation, test), given["seed"], given["keep_test"], given["min_test"] or 0, replay)

    def key(self) -> str | None:
        """Names this very request: the form that was opened, and what was filled in."""
        token = self.cleaned_data["request_key"]
        filled = json.dumps(self.cleaned_data, sort_keys=True, default=str)
        return hashlib.sha256(filled.encode()).hexdigest() if token else None

    def settings(self) -> list[tuple[str, Any]]:
        """(name, value) of all that was chosen, for hidden fields and addresses; the reason for leaks is no setting."""
        chosen = ((field.html_name, field.value()) for field in self if field.name != "leak_reason")
        return [(name, "on" if value is True else value) for name, value in chosen if not _is_left_out(value)]


def _is_left_out(value: Any) -> bool:
    """Whether a form that is sent would not name it; 0 is a value."""
    return value is None or value is False or value == ""


def _replayable(dataset: Dataset) -> list[tuple[str, str]]:
    """(value, label) of the last version of each other dataset of the project that may be trained on."""
    others = dataset.project.datasets.exclude(pk=dataset.pk).filter(is_benchmark=False)
    last = others.annotate(last=Max("versions__number")).filter(last__isnull=False).order_by("name")
    return [(f"{other.slug}@{other.last}", f"{other.name} v{other.last}") for other in last]


class ExampleForm(forms.Form):
    """Texts are limited by the action, which says why; here only what a browser can check."""

    instruction = forms.CharField(strip=False)
    input = forms.CharField(required=False, strip=False)
    output = forms.CharField(strip=False)
    system = forms.CharField(required=False, strip=False)
    category = forms.CharField(required=False, max_length=120)
    source = forms.CharField(required=False, max_length=255)
    wanted_split = forms.ChoiceField(required=False, choices=[("", "Not split yet"), *Split.choices])
    reason = forms.CharField(required=False, max_length=255)
    revision = forms.IntegerField()

    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name not in ("reason", "revision")}
