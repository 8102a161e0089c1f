from dataclasses import replace

import pytest

from foedus.core.agreement.admit import Admitted, Budget, Limits, Reason, ReasonCode, Refused, admit, demand
from foedus.core.agreement.request import Applicant, Verdict
from foedus.core.base.instant import parse_iso
from foedus.core.jobs.spec import ArraySpec, JobSpec, Resources

NOW = parse_iso("2026-06-01T12:00:00Z")
NORTHERNER = Applicant(user="ada", partner="north", project="rain", sector="water")
SOUTHERNER = replace(NORTHERNER, partner="south")
ALLOWED = {site: Verdict(site=site, allowed=True, clauses=("open",)) for site in ("fir", "palm")}
PLENTY = Budget(granted=3_600_000, used=0, reserved=0)


def job(array=None, **asked):
    return JobSpec(script="#!/bin/sh\n", resources=Resources(**asked), array=array)


def decide(agreement, spec, applicant=SOUTHERNER, *, budget=PLENTY, verdicts=ALLOWED, limits=None, now=NOW):
    return admit(demand(spec), agreement, applicant, budget=budget, verdicts=verdicts, limits=limits or {}, now=now)


def codes(found):
    assert isinstance(found, Refused)
    return [(reason.code.value, reason.site) for reason in found.reasons]


NO_GUESTS = Reason(
    code=ReasonCode.NO_GUESTS,
    text="the site takes no guests",
    remedy="use a site of your own partner",
    site="palm",
)


def test_home_comes_first(agreement):
    assert decide(agreement, job()) == Admitted(sites=("palm", "fir"), refusals=(), cost=0)
    assert decide(agreement, job(), NORTHERNER) == Admitted(sites=("fir",), refusals=(NO_GUESTS,), cost=0)


def test_the_cost_is_the_worst_case_of_all_tasks(agreement):
    found = decide(agreement, job(gpus=2, time_limit=600, array=ArraySpec(indices=(0, 1, 2), at_once=1)))
    assert found == Admitted(sites=("palm", "fir"), refusals=(), cost=3600)


def test_a_cpu_job_costs_nothing_even_with_an_overdrawn_budget(agreement):
    overdrawn = Budget(granted=0, used=100, reserved=0)
    assert decide(agreement, job(tasks=4), budget=overdrawn) == Admitted(sites=("palm", "fir"), refusals=(), cost=0)


def test_an_exclusive_job_is_charged_for_its_whole_nodes(agreement):
    found = decide(agreement, job(gpus=1, time_limit=100, exclusive=True), NORTHERNER)
    assert found == Admitted(sites=("fir",), refusals=(NO_GUESTS,), cost=400)
    found = decide(agreement, job(nodes=2, time_limit=100, exclusive=True), NORTHERNER)
    assert found == Admitted(sites=("fir",), refusals=(NO_GUESTS,), cost=800)


def test_an_empty_budget_names_the_numbers(agreement):
    budget = Budget(granted=36_000, used=18_000, reserved=14_400)
    assert decide(agreement, job(gpus=2, time_limit=3600), budget=budget) == Refused(
        reasons=(
            Reason(
                code=ReasonCode.BUDGET,
                text="the job may use 2 GPU-hours, and project rain has 1 left "
                "(10 granted, 5 used, 4 held for other jobs)",
                remedy="ask for fewer GPUs, less time or fewer tasks, or ask the office for a larger allocation",
            ),
        )
    )
    assert isinstance(decide(agreement, job(gpus=1, time_limit=3600), budget=budget), Admitted)


def test_without_a_time_limit_a_gpu_job_counts_with_the_longest_that_the_site_gives(agreement):
    limits = {"palm": Limits(owner=7200, guest=60), "fir": Limits(owner=60, guest=36_000)}
    assert decide(agreement, job(gpus=1), limits=limits) == Admitted(sites=("palm", "fir"), refusals=(), cost=36_000)
    home_only = decide(agreement, job(gpus=1))
    assert home_only == Admitted(
        sites=("fir",),
        refusals=(
            Reason(
                code=ReasonCode.NO_TIME_LIMIT,
                text="the job has no time limit and the site sets none, so nobody can say what it may use",
                remedy="give the job a --time",
                site="palm",
            ),
        ),
        cost=43_200,
    )
    assert codes(decide(agreement, job(gpus=1), NORTHERNER)) == [
        ("no-time-limit", "fir"),
        ("no-guests", "palm"),
        ("no-time-limit", "palm"),
    ]


def test_a_job_too_large_for_every_site_says_which_limit_at_each(agreement):
    assert decide(agreement, job(gpus=9, time_limit=60)) == Refused(
        reasons=(
            Reason(
                code=ReasonCode.TOO_LARGE,
                text="pool all: needs 5 nodes, has 1",
                remedy="ask for less on a node or for fewer nodes",
                site="palm",
            ),
            Reason(
                code=ReasonCode.TOO_LARGE,
                text="pool gpu: needs 3 nodes, has 2",
                remedy="ask for less on a node or for fewer nodes",
                site="fir",
            ),
        )
    )


def test_guests_see_only_the_pools_for_guests(agreement):
    big = job(tasks=100)
    assert decide(agreement, big, NORTHERNER) == Admitted(sites=("fir",), refusals=(NO_GUESTS,), cost=0)
    assert codes(decide(agreement, big, SOUTHERNER)) == [("too-large", "palm"), ("too-large", "fir")]


def test_time_limits_of_guests_and_lanes(agreement):
    found = decide(agreement, job(time_limit=43_201))
    assert isinstance(found, Admitted)
    assert found.sites == ("palm",)
    assert found.refusals[0].text == "the job asks for 12:00:01, and the site gives guests at most 12:00:00"
    found = decide(agreement, job(time_limit=601), limits={"palm": Limits(owner=600)})
    assert isinstance(found, Admitted)
    assert found.sites == ("fir",)
    assert (
        found.refusals[0].text
        == "the job asks for 00:10:01, and the site gives its own partner's jobs at most 00:10:00"
    )


def test_a_clause_is_named_with_its_sentence(agreement):
    verdicts = ALLOWED | {"fir": Verdict(site="fir", allowed=False, clauses=("small",))}
    assert decide(agreement, job(), verdicts=verdicts) == Admitted(
        sites=("palm",),
        refusals=(
            Reason(
                code=ReasonCode.CLAUSE,
                text="clause small forbids it: Guests use at most 4 GPUs.",
                remedy="change what the clause speaks of, or take it up with the alliance's office",
                clause="small",
                site="fir",
            ),
        ),
        cost=0,
    )


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (None, "policy-fault"),
        (Verdict(site="fir", allowed=True, fault="an error"), "policy-fault"),
        (Verdict(site="fir", allowed=False), "no-permit"),
    ],
)
def test_whatever_is_not_a_clean_permission_is_a_refusal(agreement, verdict, code):
    verdicts = {site: found for site, found in (ALLOWED | {"fir": verdict}).items() if found}
    assert codes(decide(agreement, job(), NORTHERNER, verdicts=verdicts))[0] == (code, "fir")


def test_everything_in_the_way_is_named_at_once(agreement):
    applicant = Applicant(user="eve", partner="west", project="oil", sector="mining")
    budget = Budget(granted=0, used=0, reserved=0)
    spec = job(gpus=100, time_limit=3600)
    found = decide(agreement, spec, applicant, budget=budget, verdicts={}, now=parse_iso("2027-01-01T00:00:00Z"))
    assert codes(found) == [
        ("out-of-term", None),
        ("foreign-partner", None),
        ("unknown-sector", None),
        ("budget", None),
        ("policy-fault", "fir"),
        ("too-large", "fir"),
        ("policy-fault", "palm"),
        ("no-guests", "palm"),
    ]
    assert all(reason.text and reason.remedy for reason in found.reasons)


def test_a_reason_reads_as_one_line():
    assert str(NO_GUESTS) == "palm: the site takes no guests; use a site of your own partner"
