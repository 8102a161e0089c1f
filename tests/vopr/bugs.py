"""Bugs that are planted to see that the simulation finds them: each spoils one port, nothing in Foedus knows of it."""

from dataclasses import replace

from foedus.agent.hub import Hub
from foedus.drivers.base import Phase, Ref, Sighting, SiteDriver
from foedus.flow.ports import SiteRecord, Transaction


class Bug:
    """No bug: every port is handed on as it is."""

    name = "none"

    def driver(self, driver: SiteDriver) -> SiteDriver:
        return driver

    def hub(self, hub: Hub) -> Hub:
        return hub

    def record(self, record: SiteRecord, claimed: int) -> SiteRecord:
        return record

    def transaction(self, tx: Transaction, claimed: int) -> Transaction:
        return tx


class _Spoilt:
    """A port of which some parts are others."""

    def __init__(self, port: object, **parts: object) -> None:
        self._port = port
        for name, part in parts.items():
            setattr(self, name, part)

    def __getattr__(self, name: str) -> object:
        return getattr(self._port, name)


class DropTheFence(Bug):
    """The hub does not compare epochs."""

    name = "drop-the-fence"

    def record(self, record: SiteRecord, claimed: int) -> SiteRecord:
        return replace(record, epoch=claimed)

    def transaction(self, tx: Transaction, claimed: int) -> Transaction:
        if not claimed:
            return tx
        sites = tx.sites
        return _Spoilt(tx, sites=_Spoilt(sites, get=lambda site: replace(sites.get(site), epoch=claimed)))


class BookFirst(Bug):
    """The hub books in a transaction of its own, before anything that goes with it has changed."""

    name = "book-first"

    def transaction(self, tx: Transaction, claimed: int) -> Transaction:
        ledger, connection = tx.ledger, tx.session.connection

        def append_all(*given):
            entries = ledger.append_all(*given)
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            return entries

        return _Spoilt(tx, ledger=_Spoilt(ledger, append_all=append_all))


class ForgetTheMarker(Bug):
    """In doubt the agent does not search the cluster by the attempt's marker."""

    name = "forget-the-marker"

    def driver(self, driver: SiteDriver) -> SiteDriver:
        def look(refs: list[Ref]) -> dict:
            seen = driver.look(refs)
            unknown = Sighting(phase=Phase.UNKNOWN)
            return {ref.marker: seen[ref.marker] if ref.native_id else unknown for ref in refs}

        return _Spoilt(driver, look=look)


class TrustAnOldBoard(Bug):
    """The agent goes by its own journal, however old, and not by the hub's board of this moment."""

    name = "trust-an-old-board"

    def hub(self, hub: Hub) -> Hub:
        return _Spoilt(hub, hello=lambda *given: hub.hello(*given).model_copy(update={"board": []}))


BUGS: dict[str, type[Bug]] = {bug.name: bug for bug in (DropTheFence, BookFirst, ForgetTheMarker, TrustAnOldBoard)}
