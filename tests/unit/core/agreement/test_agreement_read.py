import hashlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foedus.core.agreement.model import (
    Agreement,
    Clause,
    GuestTerms,
    Partner,
    Period,
    Pledge,
    Pool,
    Sector,
    Site,
)
from foedus.core.agreement.read import LARGEST, read
from foedus.core.base.errors import BadInput, Fault, TooLarge


def faults(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        read(text.encode())
    return [f"{fault.path}: {fault.fault}" for fault in caught.value.faults]


def test_reads_every_part(text, north, south, hub):
    assert read(text.encode()) == Agreement(
        id="twins",
        version=1,
        previous=None,
        title={"en": "Two towns", "he": "שתי ערים"},
        starts=date(2026, 1, 1),
        ends=date(2026, 12, 31),
        hub_key=hub.key,
        partners=(
            Partner(id="north", title={"en": "North"}, key=north.key),
            Partner(id="south", title={"en": "South"}, key=south.key),
        ),
        sites=(
            Site(
                id="fir",
                partner="north",
                title={"en": "Fir"},
                country="IL",
                pools=(
                    Pool(id="gpu", nodes=2, cpus_per_node=16, memory_per_node=65536, gpus_per_node=4, gpu_model="a100"),
                    Pool(id="cpu", nodes=4, cpus_per_node=32, memory_per_node=131072),
                ),
                pledge=Pledge(amount=360_000, period=Period.MONTH),
                guests=GuestTerms(pools=("gpu",), preempted=True, time_limit=43200),
            ),
            Site(
                id="palm",
                partner="south",
                title={"en": "Palm"},
                country="AZ",
                pools=(
                    Pool(id="all", nodes=1, cpus_per_node=8, memory_per_node=32768, gpus_per_node=2, gpu_model="h100"),
                ),
                pledge=Pledge(amount=180_000, period=Period.QUARTER),
                guests=GuestTerms(pools=(), preempted=False),
            ),
        ),
        sectors=(Sector(id="water", title={"en": "Water"}),),
        clauses=(
            Clause(
                id="open",
                text={"en": "All may run."},
                policy='@id("open") permit (principal, action, resource);',
            ),
            Clause(
                id="small",
                text={"en": "Guests use at most 4 GPUs."},
                policy='@id("small") forbid (principal, action, resource) when { context.guest && context.gpus > 4 };',
            ),
        ),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def test_all_faults_come_out_at_once_with_path_and_remedy(text):
    broken = (
        text.replace('id = "twins"', 'id = "Twins!"')
        .replace("nodes = 2", 'nodes = "two"')
        .replace("cpus_per_node = 32", "cpus_per_nod = 32")
        .replace('country = "AZ"', 'country = "XX"')
        .replace('partner = "south"', 'partner = "soth"')
        .replace('title = { en = "Water" }', 'title = { he = "מים" }')
    )
    with pytest.raises(BadInput) as caught:
        read(broken.encode())
    assert caught.value.faults == (
        Fault(
            path="id",
            fault="'Twins!' is not a name",
            remedy="use 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning and ending with a letter or digit",
        ),
        Fault(path="sites[0].pools[0].nodes", fault="is a text", remedy="give a whole number"),
        Fault(path="sites[0].pools[1].cpus_per_node", fault="is missing", remedy="add a whole number"),
        Fault(path="sites[0].pools[1].cpus_per_nod", fault="is not known here", remedy="did you mean 'cpus_per_node'?"),
        Fault(
            path="sites[1].country",
            fault="'XX' is not a country",
            remedy="use the two capital letters of ISO 3166-1, such as IL",
        ),
        Fault(path="sectors[0].title.en", fault="is missing", remedy="every text is given in English too"),
        Fault(path="sites[1].partner", fault="'soth' is no partner", remedy="did you mean 'south'?"),
    )


EDITS = [
    ("version = 1", "version = 0", ["version: 0 is out of range"]),
    ("version = 1", "version = true", ["version: is true or false"]),
    ("version = 1", "version = 2", ["previous: is missing"]),
    ("version = 1", f'version = 1\nprevious = "{"a" * 64}"', ["previous: is given in version 1"]),
    ("version = 1", 'version = 2\nprevious = "abc"', ["previous: is not a SHA-256"]),
    ("ends = 2026-12-31", "ends = 2025-12-31", ["ends: 2025-12-31 is before starts, 2026-01-01"]),
    ("ends = 2026-12-31", 'ends = "2026-12-31"', ["ends: is a text"]),
    ("ends = 2026-12-31", "ends = 2026-12-31T00:00:00Z", ["ends: has a time of day"]),
    ("gpu_hours = 100", "gpu_hours = 0", ["sites[0].pledge.gpu_hours: 0 is out of range"]),
    ("gpu_hours = 100", "gpu_hours = 1.5", ["sites[0].pledge.gpu_hours: is a number with a fraction"]),
    ('"quarter"', '"week"', ["sites[1].pledge.period: 'week' is not one of the choices"]),
    ('"12:00:00"', '"12h"', ["sites[0].guests.time_limit: '12h' is not a time limit"]),
    ('"12:00:00"', '"00:00:00"', ["sites[0].guests.time_limit: lets no job run"]),
    ('"64G"', '"64 GB"', ["sites[0].pools[0].memory_per_node: '64 GB' is not a memory size"]),
    ('pools = ["gpu"]', 'pools = ["gp"]', ["sites[0].guests.pools[0]: 'gp' is no pool of this site"]),
    ('pools = ["gpu"]', 'pools = ["gpu", "gpu"]', ["sites[0].guests.pools[1]: 'gpu' is there twice"]),
    ('id = "palm"', 'id = "fir"', ["sites[1].id: 'fir' is there twice"]),
    ('id = "cpu"', 'id = "gpu"', ["sites[0].pools[1].id: 'gpu' is there twice"]),
    (
        'gpus_per_node = 2\ngpu_model = "h100"',
        'gpu_model = "h100"',
        ["sites[1].pools[0].gpu_model: is given for nodes without GPUs"],
    ),
    ('"Two towns"', '"Two \\u202etowns"', ["title.en: holds control characters"]),
    ("he = ", "HEB = ", ["title.HEB: 'HEB' is not a language tag"]),
    ('@id("open")', "", ["clauses[0].policy: has no @id, but the clause is 'open'"]),
    ('@id("open")', '@id("shut")', ["clauses[0].policy: says @id('shut'), but the clause is 'open'"]),
    ('"All may run."', '" "', ["clauses[0].text.en: is empty"]),
]
"""What is written in place of what, and what is wrong with it."""
APART = {old: (old, new, fault) for old, new, fault in EDITS}
"""One for each place: they can all be made together."""


@pytest.mark.parametrize(("old", "new", "fault"), EDITS)
def test_each_fault_alone(text, old, new, fault):
    assert old in text
    assert faults(text.replace(old, new, 1)) == fault


@given(st.sets(st.sampled_from(sorted(APART)), min_size=1))
def test_faults_of_several_places_come_out_together(text, places):
    wanted: list[str] = []
    for old, new, fault in map(APART.get, places):
        text = text.replace(old, new, 1)
        wanted += fault
    assert sorted(faults(text)) == sorted(wanted)


def test_two_parties_never_share_a_key(text, north, south, hub):
    assert faults(text.replace(south.key, north.key)) == ["partners[1].key: is the same key as partners[0].key"]
    assert faults(text.replace(south.key, hub.key)) == ["partners[1].key: is the same key as hub_key"]


def test_a_missing_table_is_one_fault_and_not_one_for_each_of_its_values(text):
    assert faults(text.replace('pledge = { gpu_hours = 100, period = "month" }\n', "")) == [
        "sites[0].pledge: is missing"
    ]


def test_an_empty_document_names_all_that_it_lacks():
    assert faults("") == [
        "version: is missing",
        "id: is missing",
        "title: is missing",
        "starts: is missing",
        "ends: is missing",
        "hub_key: is missing",
        "partners: is missing",
        "sites: is missing",
        "sectors: is missing",
        "clauses: is missing",
    ]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"id = \xff", "is not UTF-8 at byte 5"),
        (b"id = ", "is not TOML: Invalid value (at end of document)"),
        (b"a = " + b"[" * 100_000, "is not TOML"),
        (b"version = " + b"9" * 5000, "is not TOML"),
    ],
)
def test_what_is_no_toml_is_bad_input(data, fault):
    with pytest.raises(BadInput) as caught:
        read(data)
    assert [one.path for one in caught.value.faults] == ["agreement"]
    assert caught.value.faults[0].fault.startswith(fault)


def test_a_huge_file_is_not_read():
    with pytest.raises(TooLarge):
        read(b"#" * (LARGEST + 1))


@given(st.binary(max_size=300))
def test_any_bytes_give_bad_input_and_nothing_else(data):
    with pytest.raises(BadInput):
        read(data)


@given(data=st.data())
def test_a_damaged_agreement_never_breaks_the_reader(text, data):
    place = data.draw(st.integers(0, len(text) - 1))
    width = data.draw(st.integers(0, 20))
    junk = data.draw(st.text(max_size=10))
    damaged = (text[:place] + junk + text[place + width :]).encode("utf-8", "surrogatepass")
    found: tuple[Fault, ...] = ()
    try:
        read(damaged)
    except BadInput as error:
        found = error.faults
    assert all(fault.path and fault.fault and fault.remedy for fault in found)
