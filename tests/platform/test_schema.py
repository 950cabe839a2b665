"""The description of the API is complete: every door is told without a warning, and valid as OpenAPI."""

from io import StringIO

from django.core.management import call_command


def test_the_schema_is_valid_and_written_without_a_warning() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    schema = out.getvalue()
    assert "/review/{id}/hold/" in schema
    assert "    Tally:" in schema  # to which the pages of examples refer
