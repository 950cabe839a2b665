"""Studies: who rates which answers to which items, blind, on which criteria, and what they gave.

Blinding is enforced elsewhere (blinding.py); these rows know the arms.
"""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from evalhub.accounts.models import Project, User
from evalhub.datasets.models import VersionExample
from evalhub.runs.models import Answer, GenerationRun


class Study(models.Model):
    """A question put to experts. Its design freezes when it opens."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Open"
        PAUSED = "paused", "Paused"
        CLOSED = "closed", "Closed"

    class Origin(models.TextChoices):
        HERE = "here", "Rated here"
        IMPORTED = "imported", "Imported ratings"
        SIMULATED = "simulated", "Simulated ratings"

    project = models.ForeignKey(Project, models.CASCADE, related_name="studies")
    name = models.CharField(max_length=160)
    slug = models.SlugField(max_length=160)
    description = models.TextField(blank=True)
    credit = models.TextField(blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.HERE)
    scale_min = models.IntegerField(default=1)
    scale_max = models.IntegerField(default=10)
    overlap = models.PositiveIntegerField(default=2, help_text="Ratings wanted per item.")
    ask_preference = models.BooleanField(default=False)
    show_reference = models.BooleanField(default=False)
    guidelines = models.TextField(blank=True)
    guidelines_version = models.PositiveIntegerField(default=1)
    primary_criterion = models.CharField(max_length=40, default="overall", help_text="A criterion's key, or overall.")
    margin = models.FloatField(default=0.5, help_text="Points by which an arm may fall short and still be not worse.")
    lease_seconds = models.PositiveIntegerField(default=1200)
    facts = models.JSONField(
        default=dict, blank=True, help_text="What making it found: the version, the sample, entries left out and why."
    )
    seed = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    revealed_at = models.DateTimeField(null=True, blank=True)
    revealed_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "studies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="study_name_once"),
            models.UniqueConstraint(fields=["project", "slug"], name="study_slug_once"),
            models.CheckConstraint(condition=Q(scale_max__gt=F("scale_min")), name="scale_rises"),
            models.CheckConstraint(condition=Q(overlap__gte=1), name="overlap_at_least_one"),
            models.CheckConstraint(condition=Q(margin__gte=0), name="margin_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name


class Criterion(models.Model):
    """One question asked of every answer."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="criteria")
    key = models.SlugField(max_length=40)
    name = models.CharField(max_length=80)
    question = models.CharField(max_length=255, blank=True)
    anchors = models.JSONField(default=dict, blank=True, help_text="Scale point → what it means.")
    weight = models.FloatField(default=1.0)
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position"]
        verbose_name_plural = "criteria"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "key"], name="criterion_key_once"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="weight_positive"),
        ]

    def __str__(self) -> str:
        return self.name


class Arm(models.Model):
    """A system under test within a study. Position 1 is the baseline (grey in charts)."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="arms")
    name = models.CharField(max_length=120)
    position = models.PositiveIntegerField(default=1)
    is_baseline = models.BooleanField(default=False)
    generation = models.ForeignKey(GenerationRun, models.PROTECT, null=True, blank=True, related_name="arms")

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "name"], name="arm_name_once"),
            models.UniqueConstraint(fields=["study", "position"], name="arm_position_once"),
            models.UniqueConstraint(fields=["study"], condition=Q(is_baseline=True), name="one_baseline"),
        ]

    def __str__(self) -> str:
        return self.name


class Item(models.Model):
    """A task that every arm answered, with its texts as they stood when the study was made."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="items")
    key = models.CharField(max_length=200)
    position = models.PositiveIntegerField()
    entry = models.ForeignKey(VersionExample, models.PROTECT, null=True, blank=True, related_name="items")
    instruction = models.TextField(blank=True)
    input = models.TextField(blank=True)
    reference = models.TextField(blank=True)
    category = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering: ClassVar = ["position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "key"], name="item_key_once"),
            models.UniqueConstraint(fields=["study", "position"], name="item_position_once"),
        ]

    def __str__(self) -> str:
        return self.key


class ItemAnswer(models.Model):
    """What one arm answered to one item."""

    item = models.ForeignKey(Item, models.CASCADE, related_name="answers")
    arm = models.ForeignKey(Arm, models.CASCADE, related_name="answers")
    text = models.TextField(blank=True)
    answer = models.ForeignKey(Answer, models.PROTECT, null=True, blank=True, related_name="item_answers")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["item", "arm"], name="one_answer_per_arm")]

    def __str__(self) -> str:
        return f"{self.item} by {self.arm}"


class Rater(models.Model):
    """A person of a study, under a pseudonym. Imported raters have no account."""

    study = models.ForeignKey(Study, models.CASCADE, related_name="raters")
    user = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="rater_of")
    pseudonym = models.CharField(max_length=80)

    class Meta:
        ordering: ClassVar = ["pseudonym"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "user"], name="rater_once_per_study"),
            models.UniqueConstraint(fields=["study", "pseudonym"], name="pseudonym_once_per_study"),
        ]

    def __str__(self) -> str:
        return self.pseudonym


class Assignment(models.Model):
    """One slot of an item: free, leased or submitted. Made when the study opens (item × overlap).

    A skipped or lapsed row is history: it remembers who had the item and the draft, while a new row
    carries its slot on. So an item has exactly `overlap` live rows, and the database holds it.
    """

    class State(models.TextChoices):
        FREE = "free", "Free"
        LEASED = "leased", "Leased"
        SUBMITTED = "submitted", "Submitted"
        SKIPPED = "skipped", "Skipped"
        LAPSED = "lapsed", "Handed on"

    LIVE: ClassVar = (State.FREE, State.LEASED, State.SUBMITTED)

    token = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, help_text="The only id on the wire.")
    item = models.ForeignKey(Item, models.CASCADE, related_name="assignments")
    slot = models.PositiveIntegerField()
    rater = models.ForeignKey(Rater, models.PROTECT, null=True, blank=True, related_name="assignments")
    state = models.CharField(max_length=10, choices=State.choices, default=State.FREE)
    order = models.JSONField(default=list, blank=True, help_text="Arm ids from left to right, stored at the claim.")
    draft = models.JSONField(default=dict, blank=True)
    draft_number = models.BigIntegerField(default=0, help_text="The client's sequence number: an older draft loses.")
    draft_saved_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    skip_reason = models.CharField(max_length=40, blank=True)
    skip_text = models.TextField(blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["item", "slot"],
                condition=Q(state__in=["free", "leased", "submitted"]),
                name="one_live_row_per_slot",
            ),
            models.UniqueConstraint(fields=["item", "rater"], name="rater_once_per_item"),
            models.UniqueConstraint(fields=["rater"], condition=Q(state="leased"), name="one_lease_per_rater"),
            models.CheckConstraint(
                condition=Q(state="free", rater__isnull=True) | (~Q(state="free") & Q(rater__isnull=False)),
                name="taken_slots_have_a_rater",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["state", "leased_until"]), models.Index(fields=["rater", "state"])]

    def __str__(self) -> str:
        return f"{self.item} slot {self.slot}"


class Rating(models.Model):
    """What a rater submitted. An edit appends a revision; number 1 is the blind value, kept for good."""

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="ratings")
    number = models.PositiveIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    submit_key = models.UUIDField(unique=True, help_text="Idempotency key: a second click stores nothing new.")
    preference = models.CharField(max_length=20, blank=True, help_text="An arm's id, tie, or unacceptable.")
    comment = models.TextField(blank=True)
    guidelines_version = models.PositiveIntegerField(default=1)
    active_seconds = models.FloatField(null=True, blank=True)
    submitted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["assignment", "number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "number"], name="rating_number_once"),
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(is_current=True), name="one_current_rating_per_assignment"
            ),
        ]

    def __str__(self) -> str:
        return f"Rating {self.number} of {self.assignment}"


class RatingScore(models.Model):
    """One value: rater × item × arm × criterion, and where the answer stood on the screen (1 = left)."""

    rating = models.ForeignKey(Rating, models.CASCADE, related_name="scores")
    arm = models.ForeignKey(Arm, models.PROTECT, related_name="scores")
    criterion = models.ForeignKey(Criterion, models.PROTECT, related_name="scores")
    value = models.FloatField()
    position = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rating", "arm", "criterion"], name="one_value_per_cell")
        ]

    def __str__(self) -> str:
        return f"{self.criterion} {self.value:g}"


class Flag(models.Model):
    """A rater's remark that something about an item needs a look."""

    assignment = models.ForeignKey(Assignment, models.CASCADE, related_name="flags")
    text = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    resolved_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.text[:60]


class Correction(models.Model):
    """An answer as a rater would have written it, or a span marked on it with a note."""

    rating = models.ForeignKey(Rating, models.CASCADE, related_name="corrections")
    item_answer = models.ForeignKey(ItemAnswer, models.PROTECT, related_name="corrections")
    text = models.TextField(blank=True)
    selection = models.TextField(blank=True)
    note = models.TextField(blank=True)
    proposed_at = models.DateTimeField(null=True, blank=True, help_text="When it went back to curation.")

    def __str__(self) -> str:
        return (self.text or self.selection)[:60]
