"""What the pages of this room ask for. Hints only: the specifications and the actions have the last word."""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from django import forms
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from evalhub.accounts.models import Project
from evalhub.datasets.models import Split, Version
from evalhub.runs import specs
from evalhub.runs.models import Model, PromptTemplate
from inference.spec import METRICS

TARGETS = (
    ("all-linear", "All linear layers"),
    ("q_proj,v_proj", "Query and value projections"),
    ("q_proj,k_proj,v_proj,o_proj", "All of attention"),
)
SCHEDULES = (("linear", "Linear"), ("cosine", "Cosine"), ("constant", "Constant"))
PRECISIONS = (("auto", "As the machine allows"), ("bf16", "bf16"), ("fp16", "fp16"), ("fp32", "fp32"))
QUANTIZATIONS = (("none", "As it is"), ("4bit", "4 bits"))
ENGINES = (("", "As this installation is set"), ("transformers", "transformers"), ("vllm", "vLLM"))

Data = QueryDict | None
Files = MultiValueDict[str, Any] | None
Initial = dict[str, Any] | None


def new_key() -> str:
    """A token for one form: sent twice, it still asks once."""
    return secrets.token_hex(16)


class AskingForm(forms.Form):
    """A form that asks for a run: its token, and a name that may be left out."""

    request_key = forms.CharField(widget=forms.HiddenInput, initial=new_key, max_length=64, required=False)
    name = forms.CharField(
        max_length=160, required=False, help_text="Left empty, it is made of the model and the data."
    )
    knobs: ClassVar[tuple[tuple[str, tuple[str, ...]], ...]] = ()

    def groups(self) -> Iterator[tuple[str, list[forms.BoundField]]]:
        """The settings under their headings."""
        return ((title, [self[name] for name in names]) for title, names in self.knobs)

    def chosen(self) -> dict[str, Any]:
        """The settings by name, as the specification wants them."""
        names = [name for _, group in self.knobs for name in group]
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name) not in (None, "")}


def number(low: float, high: float, step: float, help_text: str, **more: Any) -> forms.FloatField:
    field = forms.FloatField(min_value=low, max_value=high, help_text=help_text, **more)
    field.widget.attrs["step"] = step or "any"
    return field


def whole(low: int, high: int, help_text: str, **more: Any) -> forms.IntegerField:
    return forms.IntegerField(min_value=low, max_value=high, help_text=help_text, **more)


class TrainingData(forms.ModelChoiceField[Version]):
    """Versions to train on; one that was frozen in spite of leaks says so."""

    def label_from_instance(self, obj: Version) -> str:
        count = obj.settings.get("leaks", {}).get("count", 0)
        return f"{obj}, frozen in spite of {count:,} leak{'' if count == 1 else 's'}" if count else str(obj)


class TrainingForm(AskingForm):
    """A base, a version, a preset, and every setting the preset filled in."""

    base = forms.ModelChoiceField(Model.objects.none(), label="Base model", empty_label="Choose a base model")
    version = TrainingData(Version.objects.none(), label="Training data", empty_label="Choose a version")
    template = forms.ModelChoiceField(
        PromptTemplate.objects.none(), label="Prompt template", required=False, empty_label="Instruction and input",
        help_text="How an example becomes a message; answers are later asked for in the same shape.",
    )  # fmt: skip
    rank = whole(1, 256, "Size of the adapter: more can learn more, and forget more.")
    alpha = whole(1, 1024, "Strength of the adapter; twice the rank is usual.")
    dropout = number(0, 0.9, 0.01, "Share of the adapter that is left out at random, against overfitting.")
    targets = forms.ChoiceField(choices=TARGETS, label="Layers", help_text="Which layers get an adapter.")
    learning_rate = number(1e-7, 0.5, 0, "Size of a step. 2e-4 suits models of billions; very small ones need more.")
    epochs = number(0.01, 100, 0, "How often each example is seen.")
    batch_size = whole(1, 1024, "Examples in memory at once; halve it where memory runs out.")
    accumulation = whole(1, 1024, "Batches per optimizer step; batch times accumulation is what counts.")
    schedule = forms.ChoiceField(choices=SCHEDULES, help_text="How the learning rate falls.")
    warmup_share = number(0, 0.9, 0.01, "Share of the run in which the learning rate rises.", label="Warm-up share")
    weight_decay = number(0, 1, 0.001, "Pull of the weights towards zero.")
    max_length = whole(16, 131072, "Tokens of an example; a longer prompt is cut, an answer never.", label="Length")
    precision = forms.ChoiceField(choices=PRECISIONS, help_text="The run says which one was really used.")
    gradient_checkpointing = forms.BooleanField(
        required=False, label="Save memory", help_text="Checkpointing: a third slower, much less memory."
    )
    quantization = forms.ChoiceField(
        choices=QUANTIZATIONS, required=False, label="Base in memory", help_text="4 bits need an NVIDIA GPU."
    )
    evaluations = whole(1, 1000, "How often the validation examples are looked at, the last step included.")
    patience = whole(0, 1000, "Evaluations without a gain before it stops; 0 is never. The best step is kept anyway.")
    seed = whole(0, 2**31 - 1, "The same seed and settings give the same run on the same machine.")

    knobs = (
        ("Adapter", ("rank", "alpha", "dropout", "targets")),
        ("Learning", ("learning_rate", "epochs", "batch_size", "accumulation", "schedule", "warmup_share",
                      "weight_decay", "max_length")),
        ("Machine", ("precision", "quantization", "gradient_checkpointing")),
        ("Watching", ("evaluations", "patience", "seed")),
    )  # fmt: skip

    def __init__(self, project: Project, preset: str, data: Data = None, *, initial: Initial = None) -> None:
        filled = specs.training_defaults(preset)
        filled["targets"] = ",".join(filled["targets"])
        super().__init__(data, initial={**filled, **newest(project), **(initial or {})})
        self.preset, self.filled = preset, filled
        choose(self.fields["base"], Model.objects.filter(project=project, kind=Model.Kind.BASE))
        choose(self.fields["version"], versions_of(project))
        choose(self.fields["template"], PromptTemplate.objects.filter(project=project))
        if filled["targets"] not in dict(TARGETS):
            offer(self.fields["targets"], [*TARGETS, (filled["targets"], filled["targets"])])

    def chosen(self) -> dict[str, Any]:
        """What differs from the preset."""
        chosen = {name: value for name, value in super().chosen().items() if value != self.filled[name]}
        if "targets" in chosen:
            chosen["targets"] = tuple(chosen["targets"].split(","))
        return chosen


class GenerationForm(AskingForm):
    """A model, a split of a version, and how tokens are chosen."""

    model = forms.ModelChoiceField(Model.objects.none(), empty_label="Choose a model")
    version = forms.ModelChoiceField(Version.objects.none(), label="Data", empty_label="Choose a version")
    split = forms.ChoiceField(choices=Split.choices, initial=Split.TEST, help_text="A decision rests on the test side.")
    engine = forms.ChoiceField(choices=ENGINES, required=False, help_text="vLLM needs its own part; see the docs.")
    temperature = number(0, 5, 0.05, "0 always takes the likeliest token, and repeats itself exactly.")
    top_p = number(0.01, 1, 0.01, "Only the likeliest tokens that together reach this share.", label="Top p")
    top_k = whole(0, 100000, "Only so many of the likeliest tokens; 0 is all.", label="Top k")
    max_tokens = whole(1, 32768, "An answer ends here at the latest.", label="Longest answer")
    repetition_penalty = number(0.1, 10, 0.05, "More than 1 makes repeated words less likely.")
    no_repeat_ngram = whole(
        0, 100, "No run of so many tokens comes twice; 0 is off. Only with transformers.", label="No repeat of"
    )
    seed = whole(0, 2**31 - 1, "Stored with the answers.")

    knobs = (
        ("Choosing tokens", ("temperature", "top_p", "top_k", "max_tokens")),
        ("Repetition and chance", ("repetition_penalty", "no_repeat_ngram", "seed")),
    )

    def __init__(self, project: Project, data: Data = None, *, initial: Initial = None) -> None:
        super().__init__(data, initial={**specs.default_sampling(), **newest(project), **(initial or {})})
        choose(self.fields["model"], Model.objects.filter(project=project).exclude(kind=Model.Kind.EXTERNAL))
        choose(self.fields["version"], versions_of(project))


class AnswersForm(forms.Form):
    """A file of answers made elsewhere, and what to call the model that made them."""

    name = forms.CharField(max_length=120, help_text="What the arm is called in reports; raters never see it.")
    version = forms.ModelChoiceField(Version.objects.none(), label="Data", empty_label="Choose a version")
    split = forms.ChoiceField(choices=Split.choices, initial=Split.TEST, help_text="The side that was answered.")
    file = forms.FileField(
        help_text="AlpacaEval's model_outputs.json, JSONL or CSV: a key, id or position (or instruction and input) "
        "and an output.",
        widget=forms.ClearableFileInput(attrs={"accept": ".json,.jsonl,.csv,.tsv"}),
    )

    def __init__(self, project: Project, data: Data = None, files: Files = None, *, initial: Initial = None) -> None:
        super().__init__(data, files, initial={**newest(project), **(initial or {})})
        choose(self.fields["version"], versions_of(project))


class ModelForm(forms.Form):
    """A base model or an endpoint for the registry."""

    KINDS = ((Model.Kind.BASE, "Base model"), (Model.Kind.ENDPOINT, "OpenAI-compatible endpoint"))

    kind = forms.ChoiceField(choices=KINDS, widget=forms.RadioSelect, initial=Model.Kind.BASE)
    name = forms.CharField(max_length=120, help_text="How the model is called in this project.")
    reference = forms.CharField(
        max_length=500, help_text="Hub id (Qwen/Qwen3-0.6B), a folder on the server with safetensors, or https://…/v1."
    )
    model = forms.CharField(
        max_length=200, required=False, label="Model at the endpoint", help_text="Only for an endpoint: its model's id."
    )
    key_variable = forms.CharField(
        max_length=80, required=False, label="Variable with the key",
        help_text="Only for an endpoint: the worker's environment variable with its key, like EVALHUB_KEY_OPENAI.",
    )  # fmt: skip

    def facts(self) -> dict[str, str]:
        names = ("model", "key_variable")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name)}


class ScoringForm(forms.Form):
    """Which metrics; none chosen means the usual ones."""

    metrics = forms.MultipleChoiceField(choices=[(metric, metric) for metric in METRICS], required=False)
    request_key = forms.CharField(required=False, max_length=64)


def choose(field: forms.Field, queryset: Any) -> None:
    """Let a model choice offer `queryset`."""
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = queryset


def offer(field: forms.Field, choices: Sequence[tuple[str, str]]) -> None:
    """Let a choice offer `choices`."""
    assert isinstance(field, forms.ChoiceField)
    field.choices = list(choices)


def versions_of(project: Project) -> Any:
    return Version.objects.filter(dataset__project=project).select_related("dataset").order_by("-frozen_at")


def newest(project: Project) -> dict[str, Any]:
    """The version that was frozen last stands in the form from the start."""
    version = versions_of(project).first()
    return {"version": version.pk} if version else {}
