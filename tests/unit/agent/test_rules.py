import pytest

from foedus.agent.refusals import Refusal, by_scheduler, malformed
from foedus.agent.settings import AgentSettings, read_settings
from foedus.agent.starter import Policy
from foedus.agent.threads import pause
from foedus.agent.wiring import load_driver
from foedus.core.base.errors import BadInput

SETTINGS = """
hub = "https://hub.example.org"
policy = "site.cedar"
accounts = "/etc/foedus/accounts.toml"
work = "jobs"

[driver]
kind = "local"
state = "/var/lib/x"
"""


def test_what_passes_is_not_final():
    for words in ("Job violates accounting/QOS policy (job submit limit, ...)", "Resource temporarily unavailable"):
        assert by_scheduler(words) == Refusal(reason=words, final=False)
    for words in ("Requested node configuration is not available", "Invalid qos specification"):
        assert by_scheduler(words) == Refusal(reason=words, final=True)


@pytest.mark.parametrize(
    "more",
    [{"job": "../1"}, {"job": "0"}, {"project": ".."}, {"user": "a b"}, {"user_partner": ""}, {"attempt": 0}],
)
def test_names_that_are_none_are_refused(order, more):
    assert malformed(order(**more)).reason.startswith("the order is malformed")
    assert malformed(order()) is None


def test_settings_come_from_the_file_and_the_environment_wins(tmp_path, monkeypatch):
    file = tmp_path / "agent.toml"
    file.write_text(SETTINGS)
    monkeypatch.setenv("FOEDUS_AGENT_LOOK_S", "7")
    monkeypatch.setenv("FOEDUS_AGENT_HUB", "https://other.example.org")

    found = read_settings(file)

    assert (found.hub, found.look_s, found.poll_s) == ("https://other.example.org", 7, 20)
    assert (found.policy, found.work) == (tmp_path / "site.cedar", tmp_path / "jobs")
    assert (found.driver_kind, found.driver_settings) == ("local", {"state": "/var/lib/x"})


def test_faults_of_the_settings_come_all_at_once(tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text('look_s = 0\nhubb = "x"\npolicy = "p"\n')

    with pytest.raises(BadInput) as raised:
        read_settings(file)

    assert sorted(fault.path.split(": ")[1] for fault in raised.value.faults) == ["accounts", "hubb", "look_s", "work"]


def test_every_setting_is_explained():
    source = (__import__("inspect").getsource(AgentSettings)).splitlines()
    for name in AgentSettings.model_fields:
        at = next(number for number, line in enumerate(source) if line.startswith(f"    {name}: "))
        assert source[at + 1].startswith('    """'), name


def test_an_unknown_driver_is_named():
    with pytest.raises(BadInput, match="there is no driver 'abacus'"):
        load_driver("abacus", {})


def test_a_policy_file_is_read_again_when_it_changes(tmp_path):
    file = tmp_path / "site.cedar"
    file.write_text('@id("a") permit (principal, action, resource);')
    policy = Policy(file)
    first = policy.load()
    assert policy.load() is first
    file.write_text('@id("other") permit (principal, action, resource);')
    assert [clause.id for clause in policy.load().clauses] == ["other"]
    file.unlink()
    with pytest.raises(BadInput, match="cannot be read"):
        policy.load()


def test_pauses_double_up_to_a_limit_and_are_spread_by_chance():
    assert [pause(failures, 1.0) for failures in (1, 2, 3, 20)] == [0.5, 1.0, 2.0, 30.0]
    assert pause(1, 0.0) == 0.25
    assert pause(10_000, 0.5) == 22.5
