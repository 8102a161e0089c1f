"""Asks the hub of this machine how it is, at the address that its settings name."""

import ssl
from dataclasses import dataclass

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from foedus.core.base.errors import Unreachable
from foedus.core.base.instant import Instant
from foedus.hub.settings import HubSettings

_PATIENCE_S = 10.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a hub may listen on


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a hub process says of itself."""

    address: str
    passed: Instant | None
    """The last whole pass of its broker, if it is the broker."""


def beat(settings: HubSettings) -> Beat:
    """Ask; raises `Unreachable` where nobody answers, or where the hub says that it fails."""
    host = _EVERYWHERE.get(settings.host, settings.host)
    scheme = "https" if settings.tls_certificate else "http"
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"
    try:
        with httpx2.Client(base_url=address, timeout=_PATIENCE_S, verify=_trust(settings), trust_env=False) as http:
            health = http.get("/healthz")
            page = http.get("/metrics")
    except httpx2.HTTPError as error:
        raise Unreachable(
            f"no hub answers at {address}: {error}",
            remedy="start it: `systemctl start foedus-hub`; why it ended: `journalctl -u foedus-hub`",
        ) from error
    if not health.is_success:
        raise Unreachable(f"{address} says that it fails: {health.text.strip()[:500]}", remedy="see its log")
    families = {one.name: one for one in text_string_to_metric_families(page.text)}
    leads = bool(families["foedus_broker_leader"].samples[0].value)
    last = families["foedus_broker_last_pass_timestamp_seconds"].samples[0].value
    return Beat(address=address, passed=Instant(round(last * 1000)) if leads and last else None)


def _trust(settings: HubSettings) -> ssl.SSLContext | bool:
    """Trust the hub's own certificate, for whatever name it is made out."""
    if settings.tls_certificate is None:
        return True
    context = ssl.create_default_context(cafile=str(settings.tls_certificate))
    context.check_hostname = False
    return context
