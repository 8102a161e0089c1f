"""A site's own policy: a ``.cedar`` file of policies, each with an ``@id`` and, if it likes, a sentence.

::

    @id("baku-no-pretraining")
    @text("Guests do not pretrain models at Baku.")
    @text_de("Gäste trainieren in Baku keine Grundmodelle.")
    forbid (principal, action, resource)
    when { context.guest && context.purpose == "pretrain" };

The schema is that of the agreement's clauses, and the site's word is the last one. Nothing is allowed that no policy
permits, here as there.
"""

from foedus.core.agreement.clauses import Statement, declared_id, statements
from foedus.core.agreement.model import Clause, Texts
from foedus.core.base.errors import BadInput, Fault, TooLarge
from foedus.core.base.ids import ClauseId, name_fault
from foedus.policy.cedar import annotations, clause_faults

LARGEST = 1024 * 1024
"""Bytes."""


def read_local(data: bytes) -> tuple[Clause, ...]:
    """Read a local policy; raises `BadInput` with every fault, each with the line on which its policy begins."""
    if len(data) > LARGEST:
        raise TooLarge(f"the local policy has {len(data)} bytes; at most {LARGEST} are read")
    try:
        source = data.decode("utf-8")
    except UnicodeDecodeError as error:
        fault = Fault(path="policy", fault=f"is not UTF-8 at byte {error.start}", remedy="save the file as UTF-8")
        raise BadInput(fault) from error
    parts = statements(source)
    faults: list[Fault] = []
    if not parts:
        remedy = "write at least one permit; an empty policy lets no job run"
        faults.append(Fault(path="policy", fault="holds no policy", remedy=remedy))
    clauses: list[Clause] = []
    for part in parts:
        clause, found = _read(part, {clause.id for clause in clauses})
        clauses.append(clause)
        faults.extend(found)
    if faults:
        raise BadInput(*faults)
    return tuple(clauses)


def _read(part: Statement, taken: set[ClauseId]) -> tuple[Clause, list[Fault]]:
    path = f"line {part.line}"
    name = declared_id(part.text)
    faults: list[Fault] = []
    if name is None:
        fault = "a policy without an @id"
        faults.append(Fault(path=path, fault=fault, remedy='begin it with @id("some-name"), which refusals will name'))
    elif name in taken:
        faults.append(Fault(path=path, fault=f"@id({name!r}) is there twice", remedy="give each policy an id"))
    elif (fault := name_fault(name, path)) is not None:
        faults.append(fault)
    clause = Clause(id=ClauseId(name or ""), text={"en": name or "", **_texts(part.text)}, policy=part.text)
    if name is not None:
        found = clause_faults([clause])
        faults.extend(Fault(path=path, fault=fault.fault, remedy=fault.remedy) for fault in found)
    return clause, faults


def _texts(policy: str) -> Texts:
    try:
        found = annotations(policy) or {}
    except ValueError:
        return {}
    texts = {name: text for name, text in found.items() if text}
    named = {name.removeprefix("text_"): text for name, text in texts.items() if name.startswith("text_")}
    return {"en": texts["text"], **named} if "text" in texts else named
