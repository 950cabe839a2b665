"""Numbers of a report as its templates write them."""

import re
from collections.abc import Iterable, Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def p_short(p: float | None) -> str:
    """A p-value to three decimals; never 0."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


@register.filter
def whole(text: str, names: Iterable[str]) -> SafeString:
    """The text, in which none of the names is broken over two lines as long as it fits on one."""
    longest_first = sorted(filter(None, names), key=len, reverse=True)
    if not longest_first:
        return format_html("{}", text)
    parts = re.split(rf"(?<!\w)({'|'.join(map(re.escape, longest_first))})(?!\w)", text)
    span = '<span class="whole">{}</span>'
    return format_html_join("", "{}", ((format_html(span if n % 2 else "{}", part),) for n, part in enumerate(parts)))


@register.filter
def note_mark(reason: str, reasons: Sequence[str]) -> SafeString:
    """The number under which the note below the table tells this reason; nothing where it has none."""
    if reason not in reasons:
        return format_html("")
    return format_html('<sup><span class="sr">, note </span>{}</sup>', list(reasons).index(reason) + 1)
