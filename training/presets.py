"""Settings to start from, one sentence each. Light to import: the web form shows them."""

from typing import Any

DEFAULT_PRESET = "recommended"

PRESETS: dict[str, dict[str, Any]] = {
    "article": {
        "rank": 16,
        "alpha": 32,
        "dropout": 0.05,
        "targets": ("q_proj", "v_proj"),
        "learning_rate": 2e-4,
        "epochs": 3.0,
        "batch_size": 4,
        "accumulation": 4,
        "schedule": "linear",
    },
    "recommended": {
        "rank": 16,
        "alpha": 32,
        "dropout": 0.0,
        "targets": ("all-linear",),
        "learning_rate": 2e-4,
        "epochs": 3.0,
        "batch_size": 4,
        "accumulation": 4,
        "schedule": "cosine",
        "warmup_share": 0.03,
    },
    "low-memory": {
        "rank": 16,
        "alpha": 32,
        "dropout": 0.0,
        "targets": ("all-linear",),
        "learning_rate": 2e-4,
        "epochs": 3.0,
        "batch_size": 1,
        "accumulation": 16,
        "schedule": "cosine",
        "warmup_share": 0.03,
        "quantization": "4bit",
        "gradient_checkpointing": True,
    },
    "demo": {
        "rank": 16,
        "alpha": 32,
        "dropout": 0.0,
        "targets": ("q_proj", "v_proj"),
        "learning_rate": 5e-3,
        "epochs": 3.0,
        "batch_size": 16,
        "accumulation": 1,
        "schedule": "cosine",
        "warmup_share": 0.05,
        "max_length": 288,
        "evaluations": 4,
    },
}

ABOUT: dict[str, str] = {
    "article": "The settings of the article most teams start from: rank 16 on the attention's query and value layers.",
    "recommended": "Every linear layer, no dropout, a warm-up and a cosine schedule: the best start for most data.",
    "low-memory": "The base in 4 bits, activations recomputed: slower, but fits a small NVIDIA GPU with bitsandbytes.",
    "demo": "For the small demo model on a CPU: a high learning rate and short texts, done in a few minutes.",
}
