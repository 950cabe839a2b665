"""JSON from outside: what no answer could say again, and no database could keep, is refused before anybody reads it."""

import json
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

HALF = "The JSON holds half of a surrogate pair (such as \\ud800 alone), which is no character. Nothing was done."
DEEP = "The JSON is nested too deeply. Nothing was done."


class WholeJSONParser(JSONParser):
    """As Django REST framework reads it. Raises ParseError for lone surrogates, and for levels too many to be read."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            given = super().parse(stream, media_type, parser_context)
            json.dumps(given, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ParseError(HALF) from error
        except RecursionError as error:
            raise ParseError(DEEP) from error
        return given
