"""How the log of a process looks: one event a line, to standard error, as text for people or as JSON for collectors."""

import logging
import sys
from typing import cast

import structlog


def open_log(*, as_json: bool, level: str = "info") -> structlog.stdlib.BoundLogger:
    """Set up logging for this process. Nothing secret is ever handed to it."""
    renderer = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger())
