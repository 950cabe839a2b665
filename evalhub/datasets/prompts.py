"""What an example asks, as a number small enough for an index: it finds those that ask the same among a million."""

from typing import TYPE_CHECKING, Any

from django.db.models import BigIntegerField, Func, JSONField, Q, TextField, Value
from django.db.models.functions import Cast
from django.db.models.lookups import Exact

if TYPE_CHECKING:
    from evalhub.datasets.models import Example

PROMPT = ("instruction", "input", "system", "history")


class PromptNumber(Func):
    """Of texts put together: a hash by PostgreSQL; by SQLite, which has no hash of its own, their length."""

    output_field = BigIntegerField()
    template = "length(%(expressions)s)"
    arg_joiner = " || "

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="hashtextextended(%(expressions)s, 0)", **context)


def prompt_number() -> PromptNumber:
    """As in the index example_by_prompt."""
    return PromptNumber(*_texts())


def asks_as(example: "Example") -> Q:
    """Whether an example asks exactly what this one does: by number first, for the index, then by each text."""
    values = [Value(getattr(example, name), output_field=TextField()) for name in PROMPT[:-1]]
    asked = [*values, Cast(Value(example.history, output_field=JSONField()), TextField())]
    same = [Exact(text, value) for text, value in zip(_texts(), asked, strict=True)]
    return Q(Exact(prompt_number(), PromptNumber(*asked)), *same)


def _texts() -> list[Cast]:
    """Cast, also what is text: SQLite puts what a bare column equals into the expression, and misses its index."""
    return [Cast(name, TextField()) for name in PROMPT]
