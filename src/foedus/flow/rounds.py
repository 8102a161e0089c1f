"""Parts what comes together and concerns jobs, so that it can be loaded and done together."""

from collections import Counter
from collections.abc import Mapping

from foedus.core.base.ids import JobId


def rounds(jobs: Mapping[int, JobId]) -> list[list[int]]:
    """Part numbered things, each of a job, so that no part has two of one job, each part in order.

    What the first thing of a job changes, the second one has to find changed.
    """
    parts: list[list[int]] = []
    seen: Counter[JobId] = Counter()
    for number, job in jobs.items():
        if seen[job] == len(parts):
            parts.append([])
        parts[seen[job]].append(number)
        seen[job] += 1
    return parts
