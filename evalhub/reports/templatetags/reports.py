"""Numbers of a report as its templates write them."""

from django import template

register = template.Library()


@register.filter
def p_short(p: float | None) -> str:
    """A p-value to three decimals; never 0."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
