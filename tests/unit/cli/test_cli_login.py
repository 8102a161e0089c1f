import json

import pytest
from wire_hub import NOW

from foedus.cli.exits import Exit
from foedus.cli.session import Login, read_logins
from foedus.wire.alliance import UserView, WhoView

ME = WhoView(
    user=UserView(id="dana", partner="israel", name="", role="office", created=NOW),
    scope="manage",
    project="traffic",
    projects=[{"project": "traffic", "role": "member"}],
)


@pytest.fixture
def file(foedus, tmp_path):
    foedus.environment.pop("FOEDUS_TOKEN")
    foedus.environment.pop("FOEDUS_HUB")
    return tmp_path / "config" / "foedus" / "config.toml"


def bearer(hub):
    return hub.asked[-1].headers["authorization"], str(hub.asked[-1].url.copy_with(path="/"))


def test_login_checks_and_keeps_the_token_for_its_owner_alone(foedus, hub, file):
    hub.routes["GET /whoami"] = ME
    done = foedus("login", "--hub", "https://hub.example.org", given="fdt_one\n")
    assert done.exit_code == 0
    assert done.stdout == (
        "dana (no name given) of israel, office\ntoken: may manage, in project traffic only\nproject traffic: member\n"
    )
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]
    assert read_logins(file) == {"default": Login(hub="https://hub.example.org", token="fdt_one")}
    assert foedus("whoami").exit_code == 0
    assert bearer(hub) == ("Bearer fdt_one", "https://hub.example.org/")


def test_profiles_stand_side_by_side(foedus, hub, file):
    hub.routes["GET /whoami"] = ME
    foedus("login", "--hub", "https://a.example", given="one\n")
    foedus("login", "--hub", "https://b.example", "--profile", "lab", given="two\n")
    foedus("--profile", "lab", "whoami")
    assert bearer(hub) == ("Bearer two", "https://b.example/")
    foedus("whoami")
    assert bearer(hub) == ("Bearer one", "https://a.example/")


def test_a_kept_token_goes_to_its_own_hub_only(foedus, hub, file):
    hub.routes["GET /whoami"] = ME
    foedus("login", "--hub", "https://a.example", given="one\n")
    hub.asked.clear()
    done = foedus("--hub", "https://evil.example", "whoami")
    assert (done.exit_code, hub.asked) == (Exit.NOT_ALLOWED, [])
    assert done.stderr.startswith("error: no token for https://evil.example\n")


def test_the_environments_token_wins(foedus, hub, file):
    hub.routes["GET /whoami"] = ME
    foedus("login", "--hub", "https://a.example", given="one\n")
    foedus.environment["FOEDUS_TOKEN"] = "other"
    foedus("whoami")
    assert bearer(hub) == ("Bearer other", "https://a.example/")


def test_a_token_that_the_hub_does_not_know_is_not_kept(foedus, hub, file):
    done = foedus("login", "--hub", "https://hub.example.org", given="bad\n")
    assert done.exit_code == Exit.NOT_FOUND
    assert not file.exists()


@pytest.mark.parametrize("given", ["", "\n", "two words\n", "tökèn\n"])
def test_what_is_no_token_is_refused(foedus, hub, file, given):
    done = foedus("login", "--hub", "https://hub.example.org", given=given)
    assert (done.exit_code, hub.asked) == (Exit.USAGE, [])


def test_a_hub_without_tls_gets_no_token(foedus, hub, file):
    done = foedus("login", "--hub", "http://hub.example.org", given="secret\n")
    assert (done.exit_code, hub.asked) == (Exit.USAGE, [])
    assert "your token would travel readable" in done.stderr
    hub.routes["GET /whoami"] = ME
    foedus.environment["FOEDUS_PLAIN_HTTP"] = "1"
    assert foedus("login", "--hub", "http://hub.example.org", given="secret\n").exit_code == 0


def test_a_file_that_others_can_read_is_refused(foedus, file):
    file.parent.mkdir(parents=True)
    file.write_text('[profiles.default]\nhub = "https://a.example"\ntoken = "t"\n')
    file.chmod(0o640)
    done = foedus("whoami")
    assert done.exit_code == Exit.USAGE
    assert f"chmod 600 {file}" in done.stderr


@pytest.mark.parametrize("text", ["[profiles", "profiles = 5", "[profiles.default]\nhub = 'x'\n"])
def test_a_malformed_file_is_said_so(foedus, file, text):
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(0o600)
    done = foedus("whoami")
    assert done.exit_code == Exit.USAGE
    assert "is malformed" in done.stderr


def test_without_anything_the_way_in_is_named(foedus, file):
    done = foedus("whoami")
    assert done.exit_code == Exit.NOT_ALLOWED
    assert done.stderr == (
        "error: no hub is named\n       foedus login --hub URL, or set FOEDUS_HUB and FOEDUS_TOKEN\n"
    )
    assert "there is no login 'x'" in foedus("--profile", "x", "whoami").stderr


def test_whoami_as_json_is_the_wire_model(foedus, hub):
    hub.routes["GET /whoami"] = ME
    assert json.loads(foedus("whoami", "--json").stdout) == ME.model_dump(mode="json")


def test_patience_is_a_setting(foedus, hub, monkeypatch):
    import httpx2

    from foedus.cli.session import Session

    hub.routes["GET /whoami"] = httpx2.ConnectError("refused")
    session = Session(environment={"FOEDUS_DEADLINE_S": "0"}, transport=httpx2.MockTransport(hub))
    with (
        pytest.raises(Exception, match="refused"),
        session.client_for(Login(hub="http://127.0.0.1:1", token="t")) as one,
    ):
        one.whoami()
    assert len(hub.asked) == 1
    with pytest.raises(Exception, match="'soon' is no number of seconds"):
        _ = Session(environment={"FOEDUS_DEADLINE_S": "soon"}).patience_s
