"""What the answers of an endpoint cost: its price table, and the tokens that it counted."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from evalhub.runs.models import Answer, Model

NO_TABLE = "no price table is set for this endpoint"
NO_TOKENS = "the endpoint did not count the tokens of every answer"


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens."""

    input_per_million: float
    output_per_million: float
    currency: str


@dataclass(frozen=True)
class Tokens:
    """Tokens of a generation run's answers; `answers` of them, all counted if `complete`."""

    answers: int
    input: int
    output: int
    complete: bool

    def cost(self, prices: Prices) -> float:
        """Of all the answers, in the table's currency."""
        return (self.input * prices.input_per_million + self.output * prices.output_per_million) / 1e6


def prices_of(model: Model, currency: str) -> Prices | None:
    """The table in the model's facts; `currency` where it names none. None without two usable numbers."""
    table = model.facts.get("prices")
    if not isinstance(table, dict):
        return None
    try:
        prices = Prices(
            float(table["input_per_million"]), float(table["output_per_million"]),
            str(table.get("currency") or currency).upper(),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return None
    return prices if prices.input_per_million >= 0 and prices.output_per_million >= 0 else None


def tokens_of(generations: Iterable[int]) -> dict[int, Tokens]:
    """By generation run the tokens of the answers it got, failures left out; one query for them all."""
    uncounted = Q(prompt_tokens__isnull=True) | Q(output_tokens__isnull=True)
    rows = (
        Answer.objects.filter(generation__in=list(generations), error="")
        .values("generation_id")
        .annotate(
            n=Count("pk"), into=Sum("prompt_tokens"), out=Sum("output_tokens"), gaps=Count("pk", filter=uncounted)
        )
        .order_by()
    )
    return {row["generation_id"]: Tokens(row["n"], row["into"] or 0, row["out"] or 0, not row["gaps"]) for row in rows}
