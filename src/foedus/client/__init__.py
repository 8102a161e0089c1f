"""The Python client: one core without I/O, with a synchronous and an asynchronous face.

::

    from foedus.client import Client

    with Client("https://hub.example.org", token) as foedus:
        job = foedus.submit(script, overrides=["--gpus=2"])
        foedus.wait([job.id])
        foedus.fetch(job.id, "results")

`foedus.client.executor.FoedusExecutor` runs Python functions as jobs.
"""

from foedus.client.aio import AsyncClient
from foedus.client.flows import Waited
from foedus.client.jobs import Filter, LogChunk
from foedus.client.retry import Means, Retry
from foedus.client.sync import Client
from foedus.client.transfers import Moved

__all__ = ["AsyncClient", "Client", "Filter", "LogChunk", "Means", "Moved", "Retry", "Waited"]
