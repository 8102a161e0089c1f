"""What the driver asks of the machine that its commands run on."""

import getpass
import subprocess
import sys

from foedus.drivers.slurm.run import is_running, login

MARK = "--comment=foedus:caspian/4711/1"


def test_a_command_that_outlived_its_agent_is_found_as_long_as_it_runs():
    me = login(getpass.getuser())
    assert not is_running(MARK, me)
    code = "import sys; sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, MARK], stdin=subprocess.PIPE) as orphan:
        assert is_running(MARK, me)
        assert not is_running(MARK[:-1], me)
        orphan.communicate()
    assert not is_running(MARK, me)
