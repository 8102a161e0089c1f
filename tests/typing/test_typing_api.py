import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_code_of_users_is_typed(tmp_path):
    code = (HERE / "api.py").read_text()
    (tmp_path / "api.py").write_text(code)
    settings = {
        "include": ["api.py"],
        "pythonVersion": "3.11",
        "typeCheckingMode": "strict",
        "extraPaths": [str(HERE.parent.parent / "src")],
    }
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [Path(sys.executable).parent / "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", tmp_path],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    report = json.loads(done.stdout)
    assert [one["message"] for one in report["generalDiagnostics"]] == []
    assert report["summary"]["filesAnalyzed"] == 1
