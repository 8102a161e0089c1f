import os
import tempfile
from pathlib import Path

import pytest

from foedus.client.bundle import pack, read_manifest, read_piece
from foedus.core.jobs.state import Outcome

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run jobs as another account")


@pytest.fixture
def site():
    """Where nobody may pass through: pytest's own folders are closed to other accounts."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "accounts.toml").write_text('[[account]]\naccount = "nobody"\n')
        (folder / "secret").write_text("the agent's own secret\n")
        (folder / "secret").chmod(0o600)
        yield folder


@pytest.fixture
def agent(run, site):
    table = {"kind": "local", "state": str(site / "driver"), "grace": 1}
    return run(table=table, accounts=site / "accounts.toml", work=site / "work", allow_root=False)


def test_a_job_runs_as_its_account_with_bundle_logs_and_outputs(hub, agent, order, tmp_path):
    (tmp_path / "in.txt").write_text("in")
    packed = pack(tmp_path, ["in.txt"])
    hub.pieces = {piece: read_piece(packed, piece) for piece in packed.pieces}
    script = "#!/bin/sh\n#FOEDUS --output=out.txt\numask 077\nid -un\ncat in.txt > out.txt\nstat -c %U in.txt out.txt\n"
    hub.order(order("1", script, bundle=packed.manifest.digest))

    item = hub.wait_state("1", "ended")

    assert (item.outcome, item.reason) == (Outcome.COMPLETED, "")
    assert hub.log("1") == b"nobody\nnobody\nnobody\n"
    assert [file.path for file in read_manifest(hub.pieces[item.outputs], item.outputs).files] == ["out.txt"]


def test_a_job_cannot_make_the_agent_read_what_its_account_may_not(hub, agent, order, site):
    script = f"""#!/bin/sh
#FOEDUS --output=stolen
#FOEDUS --output=linked
#FOEDUS --output=way
#SBATCH --output=log
rm log
ln -s {site}/secret log
ln -s {site}/secret stolen
ln {site}/secret linked 2>/dev/null
ln -s {site} way
sleep 1
"""
    hub.order(order("1", script))

    item = hub.wait_state("1", "ended")

    assert hub.log("1") == b""
    assert read_manifest(hub.pieces[item.outputs], item.outputs).files == []
    assert not any(b"secret" in data for data in hub.pieces.values() if data != b"")
