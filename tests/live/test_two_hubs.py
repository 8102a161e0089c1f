"""Two hub processes on one PostgreSQL: either takes jobs, and when the broker is killed the other one places them."""

import time

import pytest
from alliance_bed import alliance_on

from foedus.core.jobs.state import ENDED
from waiting import wait_for

pytestmark = pytest.mark.postgres

SCRIPT = "#!/bin/sh\n#SBATCH --time=5 --job-name={name}\n#FOEDUS project={project}\nsleep {seconds}; echo {name}\n"


def submit(client, project, *names, seconds=1):
    return {client.submit(SCRIPT.format(name=name, project=project, seconds=seconds)).id: name for name in names}


def test_jobs_go_on_through_the_death_of_either_hub(slurm_bed, postgres_server):
    database = postgres_server.create("two_hubs")
    with alliance_on(slurm_bed, "two-hubs", database=database, hub_settings={"fresh_s": "20"}) as alliance:
        second = alliance.add_hub()
        with alliance.client("dana") as one, alliance.client("dana", second) as two:
            jobs = submit(one, "phishing-watch", "a1", "a2") | submit(two, "phishing-watch", "b1", "b2", seconds=6)
            wait_for(lambda: all(job.state in {"running", *ENDED} for job in two.status(list(jobs)).jobs))

            alliance.hubs[1].kill()
            jobs |= submit(one, "phishing-watch", "c1", "c2")
            wait_for(lambda: all(job.state in ENDED for job in one.status(list(jobs)).jobs))
            alliance.hubs[1].start()
            alliance.wait_for_hub(alliance.hubs[1], second)

            # the agents speak to the first hub: the second one keeps what comes in, and places it when they are back
            alliance.hub.kill()
            jobs |= submit(two, "phishing-watch", "d1", "d2")
            time.sleep(2)
            alliance.start_hub()
            wait_for(lambda: all(job.state in ENDED for job in two.status(list(jobs)).jobs))
            wait_for(lambda: all(one.entry for job in jobs for one in two.why(job).attempts))
            stories = {job: two.why(job) for job in jobs}
            printed = {job: b"".join(chunk.data for chunk in two.logs(job)).decode() for job in jobs}
            book = list(two.iter_ledger())

    assert {job: (story.job.state, story.job.attempt) for job, story in stories.items()} == dict.fromkeys(
        jobs, ("completed", 1)
    )
    assert printed == {job: f"{name}\n" for job, name in jobs.items()}
    booked = sorted(entry["body"]["job"] for entry in book if entry["kind"] == "usage")
    assert booked == sorted(jobs)
    names = slurm_bed.run("jerusalem", "sacct", "-a", "-X", "-n", "-P", "-S", "1970-01-01", "--format=JobName").split()
    assert sorted(name for name in names if name in jobs.values()) == sorted(jobs.values())
