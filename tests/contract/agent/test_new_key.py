"""A site whose key was revoked joins again with a new one, and what it had not reported is signed anew."""

import httpx2
from typer.testing import CliRunner

from foedus.agent.enrol import join
from foedus.cli.agent import app
from foedus.core.base.dsse import Signature
from foedus.core.ledger.entry import Kind, matching
from foedus.keys import ed25519
from foedus.process.clock import SystemClock
from waiting import until_there


def test_records_that_wait_are_signed_with_the_new_key(hub, run, order, until, enrolled, tmp_path):  # noqa: PLR0917
    old = enrolled.key().key
    agent = run()
    hub.order(order("1", until_there(tmp_path / "go")))
    hub.wait_state("1", "running")
    hub.refuse_code = "not-authenticated"  # its key is revoked
    (tmp_path / "go").touch()
    until(lambda: agent.journal.due(9, 9).usages)
    (waiting,) = agent.journal.due(9, 9).usages
    assert (waiting.keyid, hub.usages) == (old, {})
    agent.stop()
    run.release()

    shown = CliRunner().invoke(app, ["key", "--new", "--state", str(enrolled.path)], catch_exceptions=False)
    new = enrolled.key().key
    assert (shown.output.strip(), new == old) == (new, False)
    assert (enrolled.path / "site.key").stat().st_mode & 0o777 == 0o600
    hub.code, hub.refuse_code = "again", ""
    with httpx2.Client(base_url=hub.url) as http:
        said = hub.statement(new)
        join(enrolled, http, hub_url=hub.url, site="jerusalem", code="again", envelope=said, clock=SystemClock())
    run()

    hub.wait(lambda: hub.usages)
    usage = hub.usages["1", 1]
    assert (usage.keyid, usage.body) == (new, waiting.body)
    signature = Signature(keyid=usage.keyid, sig=usage.sig)
    assert matching(Kind.USAGE, usage.body, [signature], ed25519.verify) == (signature,)
