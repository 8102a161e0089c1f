from dataclasses import replace

from foedus.core.agreement.request import Applicant, RunRequest, run_request
from foedus.core.jobs.spec import ArraySpec, JobSpec, Purpose, Resources

APPLICANT = Applicant(user="ada", partner="south", project="rain", sector="water")


def test_every_attribute_has_a_value(agreement):
    assert run_request(APPLICANT, JobSpec(script="#!/bin/sh\n"), agreement.sites[0]) == RunRequest(
        applicant=APPLICANT,
        site="fir",
        site_partner="north",
        site_country="IL",
        guest=True,
        nodes=1,
        cpus=1,
        gpus=0,
        gpu_model="",
        memory_mib=0,
        time_limit_s=0,
        purpose="",
        datasets=(),
        array_tasks=1,
    )


def test_a_full_request(agreement):
    spec = JobSpec(
        script="#!/bin/sh\n",
        resources=Resources(nodes=2, tasks=4, gpus=4, gpu_model="h100", time_limit=60, memory_per_node=10),
        array=ArraySpec(indices=(1, 2, 5)),
        purpose=Purpose.RL,
        datasets=("rain-2025",),
    )
    found = run_request(APPLICANT, spec, agreement.sites[1])
    assert (found.guest, found.nodes, found.cpus, found.gpus, found.memory_mib) == (False, 2, 4, 4, 20)
    assert (found.time_limit_s, found.purpose, found.array_tasks) == (60, "rl", 3)


def test_labels_are_what_names_begin_with_however_they_are_spelled(agreement):
    found = run_request(APPLICANT, JobSpec(script=""), agreement.sites[0])

    def labels(*datasets):
        return replace(found, datasets=datasets).dataset_labels

    assert labels("il-tax-2025") == ("il", "il-tax", "il-tax-2025")
    assert labels("IL_Tax/2025", "il.tax") == ("il", "il-tax", "il-tax-2025")
    assert labels("oil-tax", "--il") == ("il", "oil", "oil-tax")
    assert labels("", "-") == ()
