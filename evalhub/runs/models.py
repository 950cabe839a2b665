"""Models under test, the jobs that train, generate and score, and what they left behind."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from evalhub.accounts.models import Project, User
from evalhub.datasets.models import Split, Version, VersionExample


class Model(models.Model):
    """A language model of the registry: a base, an adapter of ours, an endpoint, or texts made elsewhere."""

    class Kind(models.TextChoices):
        BASE = "base", "Base model"
        ADAPTER = "adapter", "LoRA adapter"
        ENDPOINT = "endpoint", "OpenAI-compatible endpoint"
        EXTERNAL = "external", "Answers made elsewhere"

    project = models.ForeignKey(Project, models.CASCADE, related_name="models")
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reference = models.CharField(
        max_length=500, blank=True, help_text="Hub id, local folder, or address of the endpoint."
    )
    base = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="adapters")
    content_hash = models.CharField(max_length=64, blank=True)
    template_hash = models.CharField(max_length=64, blank=True)
    facts = models.JSONField(default=dict, blank=True, help_text="Parameters, probes, prices, engine arguments.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="model_name_once"),
            models.CheckConstraint(
                condition=Q(kind="adapter", base__isnull=False) | ~Q(kind="adapter"), name="adapter_has_base"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_of_hub(self) -> bool:
        """Known by its name on a hub, where nobody may have looked."""
        return self.kind == self.Kind.BASE and self.facts.get("source") == "hub"


class PromptTemplate(models.Model):
    """How an example becomes a chat message. The model's own chat template does the rest."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="prompt_templates")
    name = models.CharField(max_length=120)
    system = models.TextField(blank=True)
    user = models.TextField(default="{instruction}\n\n{input}")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "name"], name="template_name_once")]

    def __str__(self) -> str:
        return self.name


class Run(models.Model):
    """The life of a job. The row is the truth; a queue message only says that it is worth a look.

    State moves queued → running → succeeded | failed | cancelled by conditional UPDATE (runs/actions.py).
    """

    class Kind(models.TextChoices):
        TRAINING = "training", "Training"
        GENERATION = "generation", "Generation"
        SCORING = "scoring", "Scoring"

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    FINAL: ClassVar = (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    project = models.ForeignKey(Project, models.CASCADE, related_name="runs")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    name = models.CharField(max_length=160)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    queue = models.CharField(max_length=20, default="gpu")
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the queue was last told.")
    attempt = models.PositiveIntegerField(default=0, help_text="Fencing number: only its holder may write.")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    unit = models.CharField(max_length=20, default="steps")
    eta_seconds = models.FloatField(null=True, blank=True)
    message = models.TextField(blank=True, help_text="One sentence: what it does now, or why it failed.")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    losses = models.PositiveIntegerField(default=0, help_text="Processes lost since a person last asked for this run.")
    request_key = models.CharField(
        max_length=64, null=True, blank=True, help_text="Token of the form that asked: a second click finds the run."
    )
    fingerprint = models.CharField(
        max_length=64, blank=True, help_text="Hash of what is asked for; only one live run may have it."
    )
    retry_of = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="retries")
    spec = models.JSONField(default=dict, blank=True)
    result = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["state", "heartbeat_at"])]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "request_key"], name="one_run_per_request"),
            models.UniqueConstraint(
                fields=["project", "fingerprint"],
                condition=Q(state__in=["queued", "running"]) & ~Q(fingerprint=""),
                name="one_live_run_per_fingerprint",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_live(self) -> bool:
        return self.state in (self.State.QUEUED, self.State.RUNNING)

    @property
    def took(self) -> float | None:
        """Seconds from its first start to its end, or until now; None before it starts."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()


class Journal(models.Model):
    """What a run's process has told so far, thinned for the page: the web need not see the worker's disk."""

    run = models.OneToOneField(Run, models.CASCADE, related_name="journal")
    metrics = models.JSONField(default=list)
    samples = models.JSONField(default=list)
    warnings = models.JSONField(default=list)
    log = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"Journal of {self.run}"


class TrainingRun(models.Model):
    """What a training run learns from, with which settings, and the adapter it left."""

    run = models.OneToOneField(Run, models.CASCADE, related_name="training")
    base = models.ForeignKey(Model, models.PROTECT, related_name="training_runs")
    version = models.ForeignKey(Version, models.PROTECT, related_name="training_runs")
    template = models.ForeignKey(PromptTemplate, models.PROTECT, related_name="+")
    settings = models.JSONField(default=dict)
    adapter = models.OneToOneField(Model, models.PROTECT, null=True, blank=True, related_name="training")

    def __str__(self) -> str:
        return str(self.run)


class GenerationRun(models.Model):
    """One model's answers to the prompts of one split of one version."""

    run = models.OneToOneField(Run, models.CASCADE, related_name="generation")
    model = models.ForeignKey(Model, models.PROTECT, related_name="generation_runs")
    version = models.ForeignKey(Version, models.PROTECT, related_name="generation_runs")
    split = models.CharField(max_length=12, choices=Split.choices, default=Split.TEST)
    template = models.ForeignKey(PromptTemplate, models.PROTECT, null=True, blank=True, related_name="+")
    sampling = models.JSONField(default=dict)
    engine = models.CharField(max_length=20, blank=True)

    def __str__(self) -> str:
        return str(self.run)


class Answer(models.Model):
    """One answer to one prompt, with what it took to make it."""

    generation = models.ForeignKey(GenerationRun, models.CASCADE, related_name="answers")
    entry = models.ForeignKey(VersionExample, models.PROTECT, related_name="answers")
    text = models.TextField(blank=True)
    error = models.TextField(blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    output_tokens = models.PositiveIntegerField(null=True, blank=True)
    finish_reason = models.CharField(max_length=20, blank=True)
    latency_seconds = models.FloatField(null=True, blank=True, help_text="One request at a time; null in a batch.")
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering: ClassVar = ["entry__position"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["generation", "entry"], name="one_answer_per_prompt")]

    def __str__(self) -> str:
        return f"Answer {self.pk}"


class ScoringRun(models.Model):
    """Automated metrics over the answers of one generation run, against the version's own outputs."""

    run = models.OneToOneField(Run, models.CASCADE, related_name="scoring")
    generation = models.ForeignKey(GenerationRun, models.PROTECT, related_name="scoring_runs")
    metrics = models.JSONField(default=list)

    def __str__(self) -> str:
        return str(self.run)


class Score(models.Model):
    """One metric of one answer. `scorer` names the exact implementation, since versions must not be mixed."""

    answer = models.ForeignKey(Answer, models.CASCADE, related_name="scores")
    scoring = models.ForeignKey(ScoringRun, models.CASCADE, related_name="scores")
    metric = models.CharField(max_length=40)
    value = models.FloatField()
    scorer = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["answer", "metric", "scorer"], name="one_score_per_metric_and_scorer")
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.value:.3f}"
