"""Keys are changed and taken back while jobs run: no report is lost, none counts twice, and the books stay sound."""

import re
from collections.abc import Iterator

import pytest
from trial_bed import BEGAN, Bed, bed, script, wait_for


@pytest.fixture
def alone(tmp_path) -> Iterator[Bed]:
    """An alliance whose keys are nobody else's: no test finds a key that another has changed."""
    with bed(tmp_path) as up:
        yield up


def test_a_site_changes_its_key_while_its_jobs_end(alone: Bed):
    quick = script(BEGAN.format(folder=alone.folder), "sleep 1")
    first = [alone.submit("dana", quick, f"a{number}") for number in range(4)]
    keys = [alone.operate("jerusalem", "key").out.strip()]
    for number in range(2):
        done = alone.operate(
            "jerusalem", "rotate", "--partner-key", str(alone.alliance.folder / "keys" / "israel.pem"), "--json"
        )
        assert done.code == 0, done
        keys.append(done.json["key"])
        first += [alone.submit("dana", quick, f"b{number}")]

    stories = alone.settled(first)

    book = exported(alone)
    usages = [entry for entry in book if entry["kind"] == "usage" and entry["body"]["job"] in first]
    assert sorted(entry["body"]["job"] for entry in usages) == sorted(first)
    assert len(set(keys)) == len(keys)
    revoked = [entry["body"]["key"] for entry in book if entry["kind"] == "site-key-revoked"]
    assert revoked == keys[:-1]
    assert {one.attempts[-1].outcome for one in stories} == {"completed"}
    assert alone.desk("jerusalem")["refused"] == ""


def test_an_amendment_changes_the_keys_of_the_hub_and_of_a_partner(alone: Bed):
    folder = alone.alliance.folder
    job = alone.submit("dana", script("sleep 1"))
    following = alone.foedus("", "hub", "rotate", "--state", folder / "hub").out.strip()
    assert alone.foedus("", "keys", "new", "israel2.pem", cwd=folder / "keys").code == 0
    partner = alone.foedus("", "keys", "show", "israel2.pem", cwd=folder / "keys").out.strip()
    assert alone.foedus("", "agreement", "amend", folder / "agreement.toml", "--out", folder / "v2.toml").code == 0
    draft = (folder / "v2.toml").read_text()
    old = alone.foedus("", "keys", "show", "israel.pem", cwd=folder / "keys").out.strip()
    draft = draft.replace(old, partner)
    draft = re.sub(r'(hub_key|key) = "' + re.escape(hub_key(alone)) + '"', rf'\1 = "{following}"', draft)
    (folder / "v2.toml").write_text(draft)
    for who, key in (("israel", "israel"), ("israel", "israel2"), ("azerbaijan", "azerbaijan")):
        words = ("agreement", "sign", folder / "v2.toml", "--as", who, "--key", folder / "keys" / f"{key}.pem")
        done = alone.foedus("", *words, "--previous", folder / "agreement.toml")
        assert done.code == 0, done

    done = alone.foedus("office", "agreement", "enforce", folder / "v2.toml")
    assert done.code == 0, done
    later = alone.submit("aysel", script("sleep 1", project="form-reader"))
    alone.settled([job, later])

    again = alone.foedus("", "hub", "rotate", "--state", folder / "hub", "--json").json
    assert again == {"key": following, "in_force": True}
    assert hub_key(alone) == following
    newest = max(entry["seq"] for entry in exported(alone))
    for site in ("jerusalem", "baku"):
        wait_for(lambda site=site: sealed(alone, site) >= newest, f"{site} seals what the new key has signed")
        assert alone.desk(site)["alarm"] == ""
    # the old key of the partner vouches for nothing any more, the new one does
    words = ("jerusalem", "rotate", "--partner-key")
    refused = alone.operate(*words, str(folder / "keys" / "israel.pem"))
    assert (refused.code, "is not made with the key of israel" in refused.err) == (2, True)
    assert alone.operate(*words, str(folder / "keys" / "israel2.pem")).code == 0


def test_one_command_takes_a_person_a_token_and_a_partners_key_back(alone: Bed):
    folder = alone.alliance.folder
    made = alone.foedus("eli", "token", "create", "--json").json
    assert alone.foedus("eli", "token", "revoke", made["id"]).code == 0
    refused = alone.foedus("eli", "whoami", FOEDUS_TOKEN=made["token"])
    assert (refused.code, "this token was revoked" in refused.err) == (6, True)

    done = alone.foedus("office", "user", "revoke", "eli", "--json").json
    assert (done["user"], done["tokens"]) == ("eli", 1)
    refused = alone.foedus("eli", "list")
    assert (refused.code, "this token was revoked" in refused.err) == (6, True)
    assert alone.foedus("office", "token", "create", "--user", "eli").code == 0
    fresh = alone.foedus("office", "token", "create", "--user", "eli", "--json").json["token"]
    refused = alone.foedus("eli", "whoami", FOEDUS_TOKEN=fresh)
    assert (refused.code, "nothing is taken from eli any more" in refused.err) == (6, True)
    assert alone.foedus("office", "user", "readmit", "eli").code == 0
    refused = alone.foedus("eli", "whoami", FOEDUS_TOKEN=fresh)
    assert (refused.code, "this token was revoked" in refused.err) == (6, True)
    fresh = alone.foedus("office", "token", "create", "--user", "eli", "--json").json["token"]
    assert alone.foedus("eli", "whoami", FOEDUS_TOKEN=fresh).code == 0

    assert alone.foedus("dana", "partner", "revoke", "azerbaijan").code == 6
    assert alone.foedus("office", "partner", "revoke", "azerbaijan").code == 0
    refused = alone.operate("baku", "rotate", "--partner-key", str(folder / "keys" / "azerbaijan.pem"))
    assert (refused.code, "was revoked by the office" in refused.err) == (2, True)
    job = alone.submit("aysel", script("true", project="form-reader"))
    alone.settled([job])


def exported(up: Bed) -> list[dict]:
    """Export the ledger, have it verified offline, and return its entries."""
    import json

    place = up.folder / "book.jsonl"
    place.unlink(missing_ok=True)
    done = up.foedus("office", "ledger", "export", "-o", place)
    assert done.code == 0, done
    done = up.foedus("", "ledger", "verify", place, "--agreement", up.alliance.agreement)
    assert done.code == 0, done
    lines = [json.loads(line) for line in place.read_text().splitlines()]
    return [line for line in lines if "prev" in line]


def sealed(up: Bed, site: str) -> int:
    done = up.foedus("", "ledger", "verify", up.folder / "book.jsonl", "--agreement", up.alliance.agreement, "--json")
    assert done.json["sound"], done
    exported(up)
    done = up.foedus("", "ledger", "verify", up.folder / "book.jsonl", "--agreement", up.alliance.agreement, "--json")
    return {one["site"]: one["seq"] for one in done.json["seals"]}.get(site, 0)


def hub_key(up: Bed) -> str:
    return up.foedus("", "hub", "key", "--state", up.alliance.folder / "hub").out.strip()
