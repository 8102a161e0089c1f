"""Versions of the agreement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from sqlalchemy import select

from foedus.core.base.canon import JsonObject
from foedus.core.base.errors import Conflict
from foedus.core.base.ids import Digest, PartnerId
from foedus.flow.ports import AgreementRecord
from foedus.store.agreement_tables import agreements
from foedus.store.codec import json_text, object_from
from foedus.store.session import AnyRow, Session

_VERSION: Final = select(agreements.c.version).order_by(agreements.c.version.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class SqlAgreements:
    """The port `Agreements`."""

    _session: Session

    def version(self) -> int | None:
        """Return the newest version's number."""
        return self._session.scalar(_VERSION)

    def current(self) -> AgreementRecord | None:
        """Load the newest version."""
        row = self._session.first(select(agreements).order_by(agreements.c.version.desc()).limit(1))
        return None if row is None else _record(row)

    def since(self, version: int) -> Sequence[AgreementRecord]:
        """Load that version and all after it, oldest first."""
        later = select(agreements).where(agreements.c.version >= version).order_by(agreements.c.version)
        return [_record(row) for row in self._session.rows(later)]

    def add(self, record: AgreementRecord) -> None:
        """Store a newer version."""
        newest = self.version()
        row = {
            "version": record.version,
            "digest": record.digest,
            "text": record.text,
            "envelopes": json_text({**record.envelopes}),
            "entry": record.entry,
        }
        older = newest is not None and newest >= record.version
        if older or not self._session.add_new(agreements, row):
            raise Conflict(
                f"version {newest or record.version} of the agreement is in force already",
                remedy="raise the version in the file and have it signed again",
            )


def _record(row: AnyRow) -> AgreementRecord:
    return AgreementRecord(
        version=row.version,
        digest=Digest(row.digest),
        text=row.text,
        envelopes=cast("Mapping[PartnerId, JsonObject]", object_from(row.envelopes)),
        entry=row.entry,
    )
