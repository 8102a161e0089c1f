"""From the cluster's accounting to the signed usage record."""

from collections.abc import Callable
from dataclasses import dataclass

from foedus.agent.reconcile import NO_SOURCE, is_missing
from foedus.core.base.canon import JsonObject
from foedus.core.base.dsse import Signer
from foedus.core.base.ids import AllianceId, PartnerId, SiteId
from foedus.core.ledger.entry import Kind, sign_body
from foedus.core.ledger.usage import Usage
from foedus.core.ledger.usage_json import usage_body
from foedus.drivers.base import Record
from foedus.store.journal_rows import Row
from foedus.wire.agents import UsageItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """Measures for one site and signs with its key."""

    alliance: AllianceId
    site: SiteId
    partner: PartnerId
    source: str
    key: Callable[[], Signer]
    """The site's key as it is now."""

    def usage(self, row: Row, record: Record) -> Usage:
        """Say what one restart of an attempt used, and on whose account."""
        order = row.order
        return Usage(
            alliance=self.alliance,
            agreement_version=order.agreement_version,
            site=self.site,
            site_partner=self.partner,
            job=order.job,
            attempt=order.attempt + record.restart,
            user=order.user,
            user_partner=order.user_partner,
            project=order.project,
            sector=order.sector,
            purpose=order.spec.purpose,
            native_id=record.native_id,
            source=NO_SOURCE if is_missing(record) else self.source,
            outcome=record.outcome,
            exit_code=record.exit_code,
            signal=record.signal,
            submitted=record.submitted,
            started=record.started,
            ended=record.ended,
            elapsed=record.elapsed,
            nodes=record.nodes,
            cpus=record.cpus,
            gpus=record.gpus,
            cpu_seconds=record.cpu_seconds,
            gpu_seconds=record.gpu_seconds,
            memory=record.memory,
            energy=record.energy,
            energy_method=record.energy_method,
            requested_gpus=order.spec.resources.gpus,
            requested_time_limit=order.spec.resources.time_limit,
        )

    def item(self, row: Row, record: Record) -> UsageItem:
        """Return the same, signed, as it is sent."""
        return self._signed(usage_body(self.usage(row, record)))

    def signed(self, item: UsageItem) -> UsageItem:
        """Return a record under the site's present key: one that waited may carry the signature of an earlier key."""
        return item if item.keyid == self.key().key else self._signed(item.body)

    def _signed(self, body: JsonObject) -> UsageItem:
        signature = sign_body(self.key(), Kind.USAGE, body)
        return UsageItem(body=dict(body), keyid=signature.keyid, sig=signature.sig)
