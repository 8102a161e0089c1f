"""The clauses of the example agreement, each shown to bite and to spare; then the sites' own policies."""

from dataclasses import replace
from importlib.resources import files

import pytest

from foedus.core.agreement.read import read
from foedus.core.agreement.request import Applicant, RunRequest, run_request
from foedus.core.jobs.spec import ArraySpec, JobSpec, Purpose, Resources
from foedus.keys.examples import lay_out
from foedus.policy.cedar import CedarPolicy
from foedus.policy.local import read_local

ISRAELI = Applicant(user="noa", partner="israel", project="shield", sector="cybersecurity")
AZERBAIJANI = Applicant(user="aysel", partner="azerbaijan", project="metro", sector="urban-mobility")
JOB = JobSpec(script="#!/bin/sh\n", resources=Resources(gpus=1, time_limit=60), purpose=Purpose.FINETUNE)


@pytest.fixture(scope="module")
def agreement(tmp_path_factory):
    return read(lay_out("caspian", tmp_path_factory.mktemp("caspian"), sign=False).agreement.read_bytes())


@pytest.fixture(scope="module")
def clauses(agreement):
    return CedarPolicy(agreement.clauses)


@pytest.fixture(scope="module")
def ask(agreement):
    def request(applicant: Applicant, site: str, spec: JobSpec) -> RunRequest:
        return run_request(applicant, spec, agreement.site(site))

    return request


def spec(**changes):
    asked = {name: changes.pop(name) for name in ("gpus", "time_limit", "tasks") if name in changes}
    return replace(JOB, resources=replace(JOB.resources, **asked), **changes)


@pytest.mark.parametrize(
    ("applicant", "site", "job", "answer"),
    [
        (ISRAELI, "jerusalem", spec(), (True, ("joint-work",))),
        (ISRAELI, "baku", spec(), (True, ("joint-work",))),
        (AZERBAIJANI, "baku", spec(gpus=64, time_limit=86401), (True, ("joint-work",))),
        (AZERBAIJANI, "jerusalem", spec(gpus=17, time_limit=86401), (False, ("guest-gpus", "guest-time"))),
        (AZERBAIJANI, "jerusalem", spec(gpus=16, time_limit=86400), (True, ("joint-work",))),
        (AZERBAIJANI, "jerusalem", spec(array=ArraySpec(indices=tuple(range(1001)))), (False, ("guest-arrays",))),
        (AZERBAIJANI, "baku", spec(array=ArraySpec(indices=tuple(range(1001)))), (True, ("joint-work",))),
        (ISRAELI, "jerusalem", spec(purpose=None), (False, ("declared-purpose",))),
        (ISRAELI, "jerusalem", spec(purpose=None, gpus=0), (True, ("joint-work",))),
        (ISRAELI, "jerusalem", spec(datasets=("il-personal-register",)), (False, ("personal-registers",))),
        (ISRAELI, "jerusalem", spec(datasets=("Personal/2024",)), (False, ("personal-registers",))),
        (ISRAELI, "baku", spec(datasets=("il-personal",)), (False, ("personal-registers", "residency-il"))),
        (ISRAELI, "jerusalem", spec(datasets=("il-traffic",)), (True, ("joint-work",))),
        (ISRAELI, "baku", spec(datasets=("open-data", "IL_traffic")), (False, ("residency-il",))),
        (AZERBAIJANI, "jerusalem", spec(datasets=("az-forms", "il-forms")), (False, ("residency-az",))),
        (AZERBAIJANI, "baku", spec(datasets=("az-forms",)), (True, ("joint-work",))),
        (replace(ISRAELI, sector="mining"), "jerusalem", spec(), (False, ())),
        (replace(ISRAELI, partner="france"), "jerusalem", spec(), (False, ())),
    ],
)
def test_the_clauses(clauses, ask, *, applicant, site, job, answer):
    (found,) = clauses.judge([ask(applicant, site, job)])
    assert (found.allowed, found.clauses, found.fault) == (*answer, "")


@pytest.mark.parametrize(
    ("policy", "applicant", "site", "job", "answer"),
    [
        ("baku", ISRAELI, "baku", spec(), (True, ("baku-open",))),
        ("baku", ISRAELI, "baku", spec(purpose=Purpose.PRETRAIN), (False, ("baku-no-guest-pretraining",))),
        ("baku", AZERBAIJANI, "baku", spec(purpose=Purpose.PRETRAIN), (True, ("baku-open",))),
        ("jerusalem", AZERBAIJANI, "jerusalem", spec(tasks=1025), (False, ("jerusalem-guest-cpus",))),
        ("jerusalem", ISRAELI, "jerusalem", spec(tasks=1025), (True, ("jerusalem-open",))),
    ],
)
def test_the_sites_own_policies(ask, *, policy, applicant, site, job, answer):
    source = files("foedus").joinpath("agreements", "caspian", f"{policy}.cedar").read_bytes()
    (found,) = CedarPolicy(read_local(source)).judge([ask(applicant, site, job)])
    assert (found.allowed, found.clauses, found.fault) == (*answer, "")
