"""What Prometheus reads of an agent: a text file, since an agent opens no port."""

import shutil

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from foedus import __version__
from foedus.agent.desk import DeskView
from foedus.agent.folder import StateFolder
from foedus.store.journal_rows import OVER, Step


def figures(folder: StateFolder, view: DeskView) -> bytes:
    """Return the page; each figure bears the site's name."""
    registry = CollectorRegistry()

    def put(name: str, text: str, value: float, **labels: str) -> None:
        if name not in gauges:
            gauges[name] = Gauge(name, text, ["site", *labels], registry=registry)
        gauges[name].labels(site=view.site, **labels).set(value)

    gauges: dict[str, Gauge] = {}
    put("foedus_agent_info", "Version of the agent's software; always 1.", 1, version=__version__)
    put("foedus_agent_up", "1 if the agent runs, 0 if not.", view.running)
    put("foedus_agent_talking", "1 if agent and hub have greeted each other, 0 if not.", view.talking)
    put("foedus_agent_draining", "1 if nothing new is taken by the operator's word.", view.draining)
    put("foedus_agent_severed", "1 if the site is cut off from the hub by the operator's word.", view.severed)
    if view.beat is not None:
        put("foedus_agent_last_beat_timestamp_seconds", "Last sign of life of the agent.", view.beat / 1000)
    for step in Step:
        if step not in OVER:
            put("foedus_agent_attempts", "Attempts that are not over.", view.steps.get(step, 0), step=step)
    put("foedus_agent_unheard_statuses", "Statuses that the hub has not heard.", view.unheard_statuses)
    put("foedus_agent_unheard_usage_records", "Usage records that the hub has not heard.", view.unheard_usages)
    put("foedus_agent_troubled_parts", "Parts of the agent whose last step failed.", len(view.trouble))
    put("foedus_agent_alarm", "1 if the hub did what it must not do; see `foedus agent status`.", bool(view.alarm))
    put("foedus_agent_refused_usage", "1 if the hub did not book a usage record.", bool(view.refused))
    free = shutil.disk_usage(folder.path).free
    put("foedus_agent_state_free_bytes", "Room left on the file system of the agent's folder.", free)
    return generate_latest(registry)
