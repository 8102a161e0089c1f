"""A scenario's file: what it says, and all that can be wrong with it."""

from pathlib import Path

import pytest

from foedus.core.base.errors import BadInput
from foedus.sim.alliance import Terms
from foedus.sim.scenario import Case, Drain, Scenario, Site, Variant
from foedus.sim.scenario_file import read_scenario
from foedus.sim.schedules import SCHEDULES

SOUND = """
schedules = ["together"]
seeds = 2

[[sites]]
name = "kth"
log = "kth.swf"
units = 4

[[sites]]
name = "ctc"
log = "ctc.swf"

[terms]
restart = 60
seed = 7

[[variants]]
name = "twice"
pledge = { kth = 2 }
keep = 0.5

[[variants]]
name = "drained"
drain = [{ site = "ctc", from_day = 2.5 }, { site = "kth", from_day = 1, days = 0.5 }]

[sweep]
bound = [0, 1]
shake = [60]
"""


def written(folder: Path, text: str) -> Path:
    for name in ("kth.swf", "ctc.swf"):
        (folder / name).touch()
    file = folder / "scenario.toml"
    file.write_text(text)
    return file


def test_what_it_says(tmp_path):
    scenario = read_scenario(written(tmp_path, SOUND))
    assert scenario == Scenario(
        sites=(
            Site(name="kth", log=tmp_path / "kth.swf", units=4),
            Site(name="ctc", log=tmp_path / "ctc.swf"),
        ),
        terms=Terms(restart=60, seed=7),
        variants=(
            Variant(name="as-it-is", seeds=2),
            Variant(name="twice", pledge={"kth": 2}, keep={"kth": 0.5, "ctc": 0.5}, seeds=2),
            Variant(
                name="drained",
                drains=(
                    Drain(site="ctc", begin=216_000, end=820_800),
                    Drain(site="kth", begin=86_400, end=129_600),
                ),
                seeds=2,
            ),
            Variant(name="bound-0_shake-60", bound=0, shake=60, seeds=2),
            Variant(name="bound-1_shake-60", bound=1, shake=60, seeds=2),
        ),
        schedules=("alone", "together"),
    )


def test_only_what_is_drawn_has_several_seeds(tmp_path):
    scenario = read_scenario(written(tmp_path, SOUND))
    assert [(case.variant.name, case.seed) for case in scenario.cases] == [
        ("as-it-is", 7),
        ("twice", 7),
        ("twice", 8),
        ("drained", 7),
        ("bound-0_shake-60", 7),
        ("bound-0_shake-60", 8),
        ("bound-1_shake-60", 7),
        ("bound-1_shake-60", 8),
    ]
    assert scenario.cases[2] == Case(number=2, variant=scenario.variants[1], seed=8)


FAULTY = """
schedules = ["togehter"]
sedes = 3

[[sites]]
name = "kth"
log = "none.swf"

[[sites]]
name = "kth"
log = "ctc.swf"
units = -4

[terms]
preemptible = 1.5
restart = -1

[[variants]]
name = "as-it-is"
pledge = { kht = 2 }
shake = "much"
drain = [{ site = "ctv", from_day = 1 }, { site = "kth", from_day = 1 }, { site = "kth", from_day = 3 }]

[sweep]
bound = [0.5, 2]
restrat = [1]
"""


def test_all_faults_at_once(tmp_path):
    with pytest.raises(BadInput) as caught:
        read_scenario(written(tmp_path, FAULTY))
    assert [str(fault) for fault in caught.value.faults] == [
        "sites[0].log: none.swf is not there; name a job log",
        "sites[1].units: -4 is out of range; use a whole number of at least 1 and at most 2^53 - 1",
        "sites[1].name: 'kth' is there twice; give each site one log",
        "terms.preemptible: 1.5 is out of range; use a number from 0 to 1",
        "terms.restart: -1 is out of range; use a whole number of at least 0 and at most 2^53 - 1",
        "variants[0].pledge.kht: is not known here; did you mean 'kth'?",
        "variants[0].shake: is a text; give a whole number",
        "variants[0].drain[0].site: 'ctv' is no site here; use one of: kth, kth",
        "variants[0].drain[2].from_day: kth is drained then already; give one longer drain",
        "sweep.bound[1]: 2 is out of range; use a number from 0 to 1",
        "sweep.restrat: is not known here; did you mean 'restart'?",
        "variants: 'as-it-is' is there twice; give each variant a name of its own, other than as-it-is",
        f"schedules: togehter: not a schedule; one of {', '.join(SCHEDULES)}, or all",
        "sedes: is not known here; did you mean 'seeds'?",
    ]


def test_sites_and_recalls_from_an_agreement(tmp_path):
    example = Path(__file__).parents[3] / "src" / "foedus" / "agreements" / "caspian" / "agreement.toml"
    text = example.read_text().replace("preempted = true", "preempted = false")
    for place, name in enumerate(("hub", "israel", "azerbaijan"), 1):
        text = text.replace(f"{{key of {name}}}", f"ed25519:{place:064x}")
    (tmp_path / "agreement.toml").write_text(text)
    head = 'agreement = "agreement.toml"\n'
    body = '[[sites]]\nname = "SITE"\nlog = "kth.swf"\n'
    scenario = read_scenario(written(tmp_path, head + body.replace("SITE", "baku")))
    assert scenario.terms == Terms(preemptible=0.0)
    with pytest.raises(BadInput) as caught:
        read_scenario(written(tmp_path, head + body.replace("SITE", "bakku")))
    assert [str(fault) for fault in caught.value.faults] == [
        "sites[0].name: 'bakku' is no site of the agreement; did you mean 'baku'?"
    ]
