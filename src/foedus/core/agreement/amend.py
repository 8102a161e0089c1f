"""Drafts the next version of an agreement, with its comments and layout as they are."""

import re
from dataclasses import replace

from foedus.core.agreement.read import read
from foedus.core.base.errors import BadInput, Fault

_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
_VERSION = re.compile(r"^([ \t]*version[ \t]*=[ \t]*)[0-9_]+", re.MULTILINE)
_PREVIOUS = re.compile(r"^[ \t]*previous[ \t]*=[^\n]*\n", re.MULTILINE)


def amend(data: bytes) -> bytes:
    """Return the file with the version counted up and ``previous`` set to the digest of `data`; nothing else changes.

    Raises `BadInput` if the file is unsound, or writes these two lines in a way that cannot be edited as text.
    """
    old = read(data)
    text = data.decode("utf-8")
    first = _TABLE.search(text)
    border = first.start() if first else len(text)
    head = _PREVIOUS.sub("", text[:border])
    head = _VERSION.sub(lambda match: f'previous = "{old.digest}"\n{match[1]}{old.version + 1}', head, count=1)
    draft = (head + text[border:]).encode("utf-8")
    remedy = f"write version = {old.version + 1} and previous = {old.digest!r} into a copy yourself"
    odd = BadInput(Fault(path="version", fault="is written in a way that cannot be edited as text", remedy=remedy))
    try:
        new = read(draft)
    except BadInput as error:
        raise odd from error
    if new != replace(old, version=old.version + 1, previous=old.digest, digest=new.digest):
        raise odd
    return draft
