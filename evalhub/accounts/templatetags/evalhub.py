"""Small pieces that every template uses: icons, badges, charts, numbers as people read them."""

import re
from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()
ADDRESS = re.compile(r"(https?://[^\s<>()\"“”]*[^\s<>()\"“”.,;:!?])")


@register.simple_tag
def icon(name: str) -> SafeString:
    """One glyph of static/img/icons.svg, hidden from screen readers."""
    return format_html(
        '<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>', static("img/icons.svg"), name
    )


@register.simple_tag
def badge(text: object, tone: str = "") -> SafeString:
    """The state of a thing: dot and word. Tones: good, warn, bad, info."""
    if tone:
        return format_html('<span class="badge" data-tone="{}">{}</span>', tone, text)
    return format_html('<span class="badge">{}</span>', text)


@register.filter
def links(text: str) -> SafeString:
    """The text with its addresses as links; only what begins with http(s):// is one, so that owner/name.gov is not."""
    anchor = '<a href="{0}" rel="nofollow">{0}</a>'
    parts = enumerate(ADDRESS.split(text))  # every second one is an address
    return format_html_join("", "{}", ((format_html(anchor, part) if at % 2 else part,) for at, part in parts))


STATE_TONES = {
    "queued": "", "running": "info", "succeeded": "good", "failed": "bad", "cancelled": "warn",
    "draft": "", "open": "info", "paused": "warn", "closed": "good",
    "proposed": "info", "approved": "good", "rejected": "bad",
}  # fmt: skip


@register.simple_tag
def state_badge(thing: Any) -> SafeString:
    """The badge of anything with `state` and `get_state_display` (Run, Study, Example)."""
    return badge(thing.get_state_display(), STATE_TONES.get(str(thing.state), ""))


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: "40 s", "12 min", "1 h 5 min". None is "unknown"."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago, in words."""
    if moment is None:
        return "never"
    return f"{duration((timezone.now() - moment).total_seconds())} ago"


@register.filter
def decimals(value: float | None, places: int = 2) -> str:
    """A number with fixed decimals and a real minus sign; an en dash for none."""
    return "–" if value is None else f"{value:.{places}f}".replace("-", "−")


@register.filter
def signed(value: float | None, places: int = 2) -> str:
    """A difference with its sign."""
    return "–" if value is None else f"{value:+.{places}f}".replace("-", "−")


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """mapping[key], or None."""
    try:
        return mapping[key]
    except (KeyError, IndexError, TypeError):
        return None
