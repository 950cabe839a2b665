"""Three ways to run a model behind one interface (base.py): transformers, vLLM, any OpenAI-compatible endpoint."""

import importlib
import importlib.util
import os

from inference import models
from inference.engines.base import Engine
from inference.spec import GenerationSpec
from runkit.folder import RunFolder, RunRefused

MODULES = {
    "transformers": "inference.engines.transformers",
    "vllm": "inference.engines.vllm",
    "openai": "inference.engines.openai",
}
NEEDS = {"transformers": ("torch", "transformers"), "vllm": ("vllm",), "openai": ("openai",)}


def check(spec: GenerationSpec) -> None:
    """Refuse at once what cannot be run, before anything heavy is imported."""
    if spec.engine not in MODULES:
        raise RunRefused(f"Unknown engine: {spec.engine}. Known: {', '.join(MODULES)}.")
    missing = [name for name in NEEDS[spec.engine] if importlib.util.find_spec(name) is None]
    if missing:
        raise RunRefused(f"The engine {spec.engine} is not installed here ({', '.join(missing)} is missing).")
    if spec.engine != "transformers" and spec.sampling.no_repeat_ngram:
        raise RunRefused("“No repeated n-gram” works with the transformers engine only; set it to 0.")
    if spec.engine == "openai":
        _check_endpoint(spec)
    else:
        models.check_base(spec.base_model)
        models.check_adapter(spec.adapter, str(spec.adapter_facts.get("adapter_hash") or ""))


def _check_endpoint(spec: GenerationSpec) -> None:
    if not spec.endpoint.startswith(("http://", "https://")):
        raise RunRefused("The endpoint needs an address that starts with http:// or https://.")
    if spec.adapter:
        raise RunRefused("An endpoint serves its own models; an adapter folder cannot be sent to it.")
    variable = spec.endpoint_key_variable
    if variable and not os.environ.get(variable):
        raise RunRefused(f"The environment variable {variable}, which should hold the endpoint's key, is not set.")


def open_engine(spec: GenerationSpec, folder: RunFolder) -> Engine:
    """Load the engine named in the spec. Raises RunRefused with one sentence if the model cannot be had."""
    engine: Engine = importlib.import_module(MODULES[spec.engine]).open_engine(spec, folder)
    return engine
