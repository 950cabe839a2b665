"""What people type into the pages of the datasets room."""

from typing import Any

from django import forms

from evalhub.datasets.importing import FIELDS
from evalhub.datasets.models import Dataset, ImportBatch, Split

LABELS = {
    "instruction": "Instruction", "input": "Input", "output": "Output", "system": "System text", "category": "Category",
    "source": "Source document", "language": "Language", "tags": "Tags", "wanted_split": "Split", "key": "Id",
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
    note = forms.CharField(max_length=255, required=False)
    train = forms.IntegerField(min_value=1, max_value=100, initial=80)
    validation = forms.IntegerField(min_value=0, max_value=100, initial=10)
    test = forms.IntegerField(min_value=0, max_value=100, initial=10)
    seed = forms.IntegerField(min_value=0, max_value=2**31 - 1, initial=7)
    keep_test = forms.BooleanField(required=False, initial=True)
    leak_reason = forms.CharField(max_length=1000, required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        parts = [cleaned.get(name) for name in ("train", "validation", "test")]
        if None not in parts and sum(part or 0 for part in parts) != 100:
            raise forms.ValidationError("Train, validation and test add up to 100 per cent.")
        return cleaned

    def shares(self) -> tuple[float, float, float]:
        train, validation, test = (self.cleaned_data[name] / 100 for name in ("train", "validation", "test"))
        return train, validation, test


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
