"""The run itself, from rows to adapter: load, encode, train, keep the best. Imports everything heavy."""

import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import PrinterCallback, Trainer, TrainingArguments

from runkit.folder import RunFolder, RunRefused, read_jsonl
from runkit.prompts import template_fingerprint
from training import checkpoints, environment, keeping, lora, measure, memory, model
from training.batches import PADDING, Collator, Layout, packed
from training.checks import TRAIN, VALIDATION
from training.data import Encoded, Example, encode_rows, training_order
from training.spec import TrainingSpec
from training.watcher import Material, Watcher


class Ordered(Dataset[Example]):
    """The examples in the order in which the whole run learns them."""

    def __init__(self, material: Material) -> None:
        self.material = material

    def __len__(self) -> int:
        return len(self.material.order)

    def __getitem__(self, place: int) -> Example:
        return self.material.train[self.material.order[place]]


@dataclass(frozen=True)
class Data:
    """Both splits, encoded."""

    train: Encoded
    validation: Encoded

    def counts(self) -> dict[str, int]:
        return {
            "train": len(self.train.examples),
            "validation": len(self.validation.examples),
            "truncated": self.train.truncated + self.validation.truncated,
            "without_label": self.train.without_label + self.validation.without_label,
        }


def fine_tune(folder: RunFolder, spec: TrainingSpec) -> None:
    """Do the folder's run, or go on with it; leaves adapter/ and result.json."""
    torch.manual_seed(spec.seed)
    machine = model.machine(spec, folder)
    tokenizer = model.load_tokenizer(spec, folder)
    data = read_data(folder, spec, tokenizer)
    folder.check()
    base = model.load_base(spec, machine)
    refuse_too_long(base, spec)
    layout = model.layout_for(base)
    adapted = lora.attach(base, spec)
    say_what_is_trained(folder, adapted, layout)
    say_memory(folder, spec, data, machine)
    material = make_material(folder, spec, data, tokenizer=tokenizer, layout=layout, machine=machine)
    watcher = train(folder, spec, material, adapted, machine)
    if environment.rank() == 0:
        keep(watcher, adapted, data, machine)


def read_data(folder: RunFolder, spec: TrainingSpec, tokenizer: Any) -> Data:
    """Encode both files; says what was cut or left out. Raises RunRefused if nothing is left to learn."""
    folder.log("Reading the examples.")
    encode = partial(encode_rows, tokenizer, max_length=spec.max_length, each=folder.check)
    data = Data(encode(read_jsonl(folder.path / TRAIN)), encode(read_jsonl(folder.path / VALIDATION)))
    counts = data.counts()
    if not counts["train"]:
        raise RunRefused(
            f"No training example can be learned: all {counts['without_label']} have an empty answer, or one that "
            f"leaves no room for its prompt within {spec.max_length} tokens."
        )
    folder.log(
        f"{counts['train']:,} training and {counts['validation']:,} validation examples, "
        f"{data.train.tokens:,} training tokens per epoch."
    )
    if counts["truncated"]:
        folder.log(f"{counts['truncated']:,} prompts were cut to fit {spec.max_length} tokens; no answer was.")
    if counts["without_label"]:
        folder.emit(
            "warning",
            text=f"{counts['without_label']:,} examples were left out: their answer is empty, or leaves no room for "
            f"its prompt within {spec.max_length} tokens.",
        )
    if not counts["validation"]:
        folder.emit("warning", text="There are no validation examples: the last step's adapter will be kept, unjudged.")
    return data


def refuse_too_long(base: Any, spec: TrainingSpec) -> None:
    context = model.context_length(base)
    if context and spec.max_length > context:
        raise RunRefused(
            f"The maximum length of {spec.max_length:,} tokens is more than the {context:,} the base model reads."
        )


def say_what_is_trained(folder: RunFolder, adapted: Any, layout: Layout) -> None:
    trained, every = lora.trained_parameters(adapted)
    folder.log(f"Training {trained:,} of {every:,} parameters ({trained / every:.2%}); batches are {layout}.")


def say_memory(folder: RunFolder, spec: TrainingSpec, data: Data, machine: model.Machine) -> None:
    shape = memory.model_shape(Path(spec.base_model))
    if shape:
        labelled = spec.batch_size * max(len(example.answer) for example in data.train.examples)
        folder.log(memory.estimate(shape, spec, half=machine.half, labelled_tokens=labelled).sentence())


def make_material(
    folder: RunFolder, spec: TrainingSpec, data: Data, *, tokenizer: Any, layout: Layout, machine: model.Machine
) -> Material:
    train = data.train.examples
    order = training_order(
        [example.length for example in train],
        epochs=spec.epochs,
        batch=spec.batch_size,
        accumulation=spec.accumulation,
        seed=spec.seed,
    )
    return Material(
        train=train,
        validation=data.validation.examples,
        order=order,
        collate=collator(layout, tokenizer),
        tokenizer=tokenizer,
        precision=machine.precision,
        fingerprint=keeping.fingerprint(folder.path, spec.to_dict()),
    )


def collator(layout: Layout, tokenizer: Any) -> Collator:
    """Which token pads does not matter: it is masked, and labels come from lengths."""
    return packed if layout == "packed" else partial(PADDING[layout], pad=tokenizer.pad_token_id or 0)


def train(folder: RunFolder, spec: TrainingSpec, material: Material, adapted: Any, machine: model.Machine) -> Watcher:
    """Run Trainer from the last finished checkpoint, if one of this very run is there."""
    found = last_checkpoint(folder, material)
    watcher = Watcher(folder, spec, material, found[1] if found else None)
    if found and found[1]["over"]:
        folder.emit("resumed", done=found[1]["step"])
        return watcher
    trainer = Trainer(
        model=adapted,
        args=arguments(folder.path, spec, machine),
        data_collator=material.collate,
        train_dataset=Ordered(material),
        callbacks=[watcher],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=str(found[0]) if found else None)
    trainer.accelerator.unwrap_model(adapted, keep_fp32_wrapper=False)
    return watcher


def last_checkpoint(folder: RunFolder, material: Material) -> tuple[Path, dict[str, Any]] | None:
    """The newest finished checkpoint of these very settings and data, on every rank; rank 0 tidies up."""
    owner = environment.rank() == 0
    if owner:
        checkpoints.remove_unfinished(folder.path)
    found = checkpoints.last(folder.path)
    if found and found[1].get("fingerprint") != material.fingerprint:
        folder.log("The settings or the data have changed since the last checkpoint; training starts anew.")
        if owner:
            shutil.rmtree(folder.path / checkpoints.FOLDER)
        return None
    return found


def arguments(folder: Path, spec: TrainingSpec, machine: model.Machine) -> TrainingArguments:
    """Trainer's settings. One pass over `Ordered`, which already holds all epochs; evaluation and saving are ours."""
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    return TrainingArguments(
        output_dir=str(folder / checkpoints.FOLDER),
        num_train_epochs=1,
        per_device_train_batch_size=spec.batch_size,
        gradient_accumulation_steps=max(1, spec.accumulation // processes),
        learning_rate=spec.learning_rate,
        lr_scheduler_type=spec.schedule if not spec.warmup_share else f"{spec.schedule}{WITH_WARMUP[spec.schedule]}",
        warmup_steps=spec.warmup_share,
        weight_decay=spec.weight_decay,
        max_grad_norm=1.0,
        bf16=machine.precision == "bf16",
        fp16=machine.precision == "fp16",
        gradient_checkpointing=spec.gradient_checkpointing,
        use_cpu=machine.device == "cpu",
        seed=spec.seed,
        train_sampling_strategy="sequential",
        ddp_find_unused_parameters=False,
        remove_unused_columns=False,
        dataloader_pin_memory=machine.device == "cuda",
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


WITH_WARMUP = {"linear": "", "cosine": "", "constant": "_with_warmup"}


def keep(watcher: Watcher, adapted: Any, data: Data, machine: model.Machine) -> None:
    """Put the best step's adapter and the result into the folder; checkpoints are not needed after that."""
    folder, spec, judge = watcher.folder, watcher.spec, watcher.judge
    best = checkpoints.path_of(folder.path, judge.best_step)
    keeping.load_adapter(adapted, best)
    proof = measure.probe(adapted, data.validation.examples or data.train.examples)
    if abs(proof["adapter_logprob"] - proof["base_logprob"]) < 1e-5 * len(proof["token_ids"]):
        folder.emit("warning", text="The adapter changes next to nothing; a higher learning rate would help.")
    steps = len(watcher.losses)
    tokens = watcher.tokens[steps]
    facts = {
        "spec": spec.to_dict(),
        "counts": data.counts(),
        "precision": machine.precision,
        "template": template_fingerprint(watcher.material.tokenizer),
        "probe": proof,
        "best_step": judge.best_step,
        "best_validation_loss": judge.best_loss,
        "base_validation_loss": judge.base_loss,
        "versions": environment.versions(),
    }
    digest = keeping.keep_adapter(folder.path, best, spec.base_model, facts)
    result = {
        "adapter": keeping.ADAPTER,
        "adapter_hash": digest,
        **{name: value for name, value in facts.items() if name != "spec"},
        "steps": steps,
        "seconds": round(watcher.seconds, 1),
        "tokens": tokens,
        "tokens_per_second": round(tokens / max(1e-6, watcher.seconds)),
        "device": machine.name,
        "history": judge.history,
    }
    folder.log(f"Kept the adapter of step {judge.best_step}.")
    folder.finish(result)
    shutil.rmtree(folder.path / checkpoints.FOLDER, ignore_errors=True)
