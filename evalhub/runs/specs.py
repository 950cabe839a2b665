"""From rows to what a program is asked to do: the programs' specifications, filled in and checked."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from django.conf import settings

from evalhub.datasets.models import Split, Version
from evalhub.errors import Refused
from evalhub.runs.models import GenerationRun, Model, PromptTemplate, TrainingRun
from inference.spec import GenerationSpec, Sampling, ScoringSpec
from runkit.folder import RunRefused
from training.presets import ABOUT, DEFAULT_PRESET, PRESETS
from training.spec import TrainingSpec


def preset_notes() -> list[tuple[str, str, str]]:
    """(key, title, one sentence) of each preset."""
    return [(key, key.replace("-", " ").capitalize(), ABOUT.get(key, "")) for key in PRESETS]


def preset_settings(preset: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The preset's settings with what a person chose over them; raises Refused for an unknown preset."""
    if preset not in PRESETS:
        raise Refused(f"There is no preset “{preset}”; there are: {', '.join(PRESETS)}.", field="preset")
    check_kinds(chosen, TrainingSpec(base_model="any").to_dict())
    return {**PRESETS[preset], **chosen}


KINDS: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "a text"),
    list: ((list, tuple), "a list"),
    tuple: ((list, tuple), "a list"),
    dict: ((dict,), "an object"),
}


def check_kinds(chosen: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    """Raise Refused for a value of another kind than the setting has; an unknown setting is the specification's."""
    for name, value in chosen.items():
        if name not in known:
            continue
        kinds, said = KINDS[type(known[name])]
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise Refused(f"{name.replace('_', ' ').capitalize()} must be {said}, not {value!r}.", field=name)


def training_defaults(preset: str) -> dict[str, Any]:
    """Every setting of a training run as this preset has it."""
    known = preset if preset in PRESETS else DEFAULT_PRESET
    return {**TrainingSpec(base_model="any").to_dict(), **PRESETS[known]}


@contextmanager
def refusals() -> Iterator[None]:
    """A specification's own rules, said as a refusal."""
    try:
        yield
    except RunRefused as error:
        raise Refused(str(error)) from error
    except TypeError as error:
        raise Refused(f"A setting has the wrong kind of value: {error}.") from error


def training_spec(base: Model, version: Version, template: PromptTemplate, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The specification of a training run; raises Refused with the sentence of each rule that is broken."""
    facts = {"version": str(version), "data_hash": version.data_hash, "template": shape_of(template)}
    with refusals():
        spec = TrainingSpec.from_dict(
            {**chosen, "base_model": base.reference, "offline": settings.OFFLINE, "facts": facts}
        )
    return spec.to_dict()


def generation_spec(
    model: Model, version: Version, template: PromptTemplate, sampling: Mapping[str, Any], engine: str
) -> dict[str, Any]:
    """The specification of a generation run. `adapter` holds the artefact's key; a worker puts its folder there."""
    check_kinds(sampling, default_sampling())
    facts = {"version": str(version), "data_hash": version.data_hash, "template": shape_of(template)}
    known = model.facts if isinstance(model.facts, dict) else {}
    values: dict[str, Any] = {
        "base_model": model.base.reference if model.base else model.reference,
        "engine": engine,
        "engine_arguments": known.get("engine_arguments", {}),
        "sampling": dict(sampling),
        "offline": settings.OFFLINE,
        "facts": facts,
    }
    if model.kind == Model.Kind.ADAPTER:
        values |= {
            "adapter": model.reference,
            "adapter_facts": known.get("served", {}),
            "max_prompt_tokens": trained_length(model),
        }
    if model.kind == Model.Kind.ENDPOINT:
        values |= {
            "base_model": str(known.get("model", model.name)),
            "endpoint": model.reference,
            "endpoint_key_variable": str(known.get("key_variable", "")),
            "offline": False,
        }
    with refusals():
        return GenerationSpec.from_dict(values).to_dict()


def trained_length(adapter: Model) -> int:
    """Tokens of the longest example that `adapter` has learned from; 0 where no training of ours made it."""
    training = TrainingRun.objects.select_related("run").filter(adapter=adapter).first()
    return int(training.run.spec.get("max_length", 0)) if training else 0


def scoring_spec(generation: GenerationRun, metrics: tuple[str, ...] | None) -> dict[str, Any]:
    """The specification of a scoring run, in the language that most of the version's examples name."""
    values: dict[str, Any] = {
        "bertscore_model": settings.BERTSCORE_MODEL,
        "language": main_language(generation.version),
        "offline": settings.OFFLINE,
        "facts": {"generation": generation.run_id},
    }
    if metrics is not None:
        values["metrics"] = list(metrics)
    with refusals():
        return ScoringSpec.from_dict(values).to_dict()


def default_sampling() -> dict[str, Any]:
    return asdict(Sampling())


def shape_of(template: PromptTemplate) -> dict[str, str]:
    return {"name": template.name, "system": template.system, "user": template.user}


def main_language(version: Version) -> str:
    """The language code that most examples of `version` carry; English where none says."""
    named = version.entries.exclude(example__language="").values_list("example__language", flat=True)
    counted = Counter(named).most_common(1)
    return counted[0][0] if counted else "en"


def fingerprint(*parts: object) -> str:
    """sha256 over `parts` as canonical JSON: the same request has the same one."""
    material = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(material.encode()).hexdigest()


def has_split(version: Version, split: str) -> bool:
    return split in Split.values and version.entries.filter(split=split).exists()
