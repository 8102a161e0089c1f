from dataclasses import replace

import pytest
from asked import REQUEST

from foedus.core.agreement.model import Clause
from foedus.core.agreement.request import Verdict
from foedus.core.base.errors import BadInput
from foedus.policy.cedar import CedarPolicy, clause_faults


def clause(name, policy):
    return Clause(id=name, text={"en": name}, policy=f'@id("{name}") {policy}')


OPEN = clause("open", "permit (principal, action, resource);")


def judge(*clauses, request=REQUEST):
    return CedarPolicy(clauses).judge([request])[0]


def test_a_permit_is_named():
    assert judge(OPEN) == Verdict(site="baku", allowed=True, clauses=("open",))


def test_nothing_permits_nothing():
    narrow = clause("narrow", "permit (principal, action, resource) when { context.gpus > 99 };")
    assert judge(narrow) == Verdict(site="baku", allowed=False)


def test_each_request_has_its_own_answer_however_often_it_is_asked():
    policy = CedarPolicy([clause("small", "permit (principal, action, resource) when { context.gpus < 3 };")])
    yes, no = Verdict(site="baku", allowed=True, clauses=("small",)), Verdict(site="baku", allowed=False)
    large = replace(REQUEST, gpus=3)
    assert policy.judge([large, REQUEST, large, REQUEST]) == (no, yes, no, yes)
    assert policy.judge([REQUEST, replace(REQUEST, gpus=4), large]) == (yes, no, no)


def test_every_forbid_that_holds_is_named():
    forbids = (
        clause("z-guests", "forbid (principal, action, resource) when { context.guest };"),
        clause("a-tax", 'forbid (principal, action, resource) when { context.dataset_labels.contains("il") };'),
        clause("idle", "forbid (principal, action, resource) when { context.gpus > 99 };"),
    )
    assert judge(OPEN, *forbids) == Verdict(site="baku", allowed=False, clauses=("a-tax", "z-guests"))


@pytest.mark.parametrize(
    "condition",
    [
        'principal == User::"ada"',
        'principal in Partner::"israel"',
        'principal.partner == Partner::"israel"',
        'context.project == Project::"rain"',
        'context.project.sector == "water"',
        'resource == Site::"baku"',
        'resource.partner == Partner::"azerbaijan"',
        "resource.partner != principal.partner",
        'resource.country == "AZ"',
        "context.guest",
        "context.nodes == 1",
        "context.cpus == 4",
        "context.gpus == 2",
        'context.gpu_model == "a100"',
        "context.memory_mib == 1024",
        "context.time_limit_s == 60",
        'context.purpose == "infer"',
        'context.datasets == ["il-tax"]',
        'context.dataset_labels == ["il", "il-tax"]',
        "context.array_tasks == 1",
    ],
)
def test_every_attribute_reaches_the_policies(condition):
    seen = clause("seen", f"permit (principal, action, resource) when {{ {condition} }};")
    assert judge(seen) == Verdict(site="baku", allowed=True, clauses=("seen",))


def test_an_error_in_any_policy_is_a_refusal():
    overflow = clause(
        "overflow", "forbid (principal, action, resource) when { context.gpus * 9223372036854775807 > 1 };"
    )
    found = judge(OPEN, overflow)
    assert (found.allowed, "overflow" in found.fault) == (False, True)


@pytest.mark.parametrize(
    "request_",
    [replace(REQUEST, gpus=2**63), replace(REQUEST, datasets=("\ud800",)), replace(REQUEST, site="\ud800")],
)
def test_a_question_that_cedar_does_not_take_is_a_refusal(request_):
    found = judge(OPEN, request=request_)
    assert (found.site, found.allowed, found.clauses, bool(found.fault)) == (request_.site, False, (), True)


def test_odd_names_are_names():
    odd = replace(REQUEST, applicant=replace(REQUEST.applicant, user='a"b\\\n\x00'), datasets=('"}; permit',))
    assert judge(OPEN, request=odd) == Verdict(site="baku", allowed=True, clauses=("open",))


def test_one_bad_question_does_not_spoil_the_others_by_allowing_them():
    bad = replace(REQUEST, gpus=2**63)
    verdicts = CedarPolicy([OPEN]).judge([REQUEST, bad])
    assert [found.allowed for found in verdicts][1] is False


def test_requests_are_answered_in_order_even_where_they_disagree_about_the_facts():
    at_home = clause("home", 'permit (principal, action, resource) when { resource.country == "IL" };')
    places = [replace(REQUEST, site_country=country) for country in ("AZ", "IL", "AZ", "IL")]
    places.append(replace(REQUEST, site="jerusalem", site_country="IL", site_partner="israel"))
    assert CedarPolicy([at_home]).judge(places) == (
        Verdict(site="baku", allowed=False),
        Verdict(site="baku", allowed=True, clauses=("home",)),
        Verdict(site="baku", allowed=False),
        Verdict(site="baku", allowed=True, clauses=("home",)),
        Verdict(site="jerusalem", allowed=True, clauses=("home",)),
    )
    assert CedarPolicy([at_home]).judge([]) == ()


@pytest.mark.parametrize(
    ("policy", "faults"),
    [
        (
            'permit (principal, action, resource) when { resource.contry == "IL" };',
            ["attribute `contry` on entity type `Site` not found"],
        ),
        (
            "permit (principal, action, resource) when { context.gpu > 1 };",
            ['attribute `gpu` in context for Action::"run" not found'],
        ),
        (
            'permit (principal, action == Action::"rum", resource);',
            [
                'unrecognized action `Action::"rum"`',
                "unable to find an applicable action given the policy scope constraints",
            ],
        ),
        ("permit (principal", ["is not Cedar: unexpected end of input"]),
        ("", ["is not Cedar: unexpected end of input"]),
        ("permit (principal == ?principal, action, resource);", ["is a template"]),
        (
            'permit (principal, action, resource); @id("y") forbid (principal, action, resource);',
            ["holds 2 policies"],
        ),
        (
            "permit (principal, action, resource); // \u202e",
            ["holds control characters, or such as let it read differently from what it says"],
        ),
    ],
)
def test_clauses_that_are_not_sound_are_told_all_at_once(policy, faults):
    found = clause_faults([OPEN, clause("x", policy)])
    assert [fault.path for fault in found] == ["clauses[1].policy"] * len(faults)
    assert [fault.fault for fault in found] == faults
    with pytest.raises(BadInput):
        CedarPolicy([OPEN, clause("x", policy)])


def test_the_id_is_what_cedar_reads():
    found = clause_faults([replace(OPEN, id="other")])
    assert [fault.fault for fault in found] == ["Cedar reads the @id 'open', but the clause is 'other'"]
