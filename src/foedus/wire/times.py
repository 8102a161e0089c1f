"""Instants on the wire: RFC 3339 text."""

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from foedus.core.base.instant import Instant, iso, parse_iso


def _read(value: object) -> object:
    return parse_iso(value) if isinstance(value, str) else value


Time = Annotated[
    Instant,
    BeforeValidator(_read),
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An instant, as RFC 3339 text in UTC."""
