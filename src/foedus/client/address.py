"""The hub's address, and when a token may be sent to it."""

from urllib.parse import urlsplit

from foedus.core.base.errors import BadInput, Fault

PREFIX = "/api/v1"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def base_url(hub: str, *, plain: bool = False) -> str:
    """Return the URL that the API's paths are added to.

    Raises `BadInput` for what is no address of a hub, and for one without TLS that is not on this machine (unless
    `plain`): a token would travel readable.
    """
    try:
        parts = urlsplit(hub)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadInput(_fault(hub, str(error))) from error
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None or port == 0:
        raise BadInput(_fault(hub, "it has no scheme and host, or has a name in it"))
    if parts.query or parts.fragment:
        raise BadInput(_fault(hub, "it has a query or fragment"))
    if parts.scheme == "http" and host not in LOOPBACK and not plain:
        raise BadInput(
            Fault(
                path="hub",
                fault=f"{hub!r} has no TLS: your token would travel readable",
                remedy="use https://, or set FOEDUS_PLAIN_HTTP=1 on a network that you trust",
            )
        )
    return hub.rstrip("/") + PREFIX


def on_this_machine(hub: str) -> bool:
    """Say whether the hub is reached without leaving the machine; proxies have no part in that."""
    return urlsplit(hub).hostname in LOOPBACK


def _fault(hub: str, why: str) -> Fault:
    return Fault(
        path="hub",
        fault=f"{hub!r} is not the address of a hub: {why}",
        remedy="write it like https://hub.example.org, in FOEDUS_HUB or with `foedus login --hub`",
    )
