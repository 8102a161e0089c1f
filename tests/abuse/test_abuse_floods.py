"""More than there is room for: bombs in bundles and answers, endless output, floods of jobs and requests."""

import contextlib
import gzip
import socket
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from alliance import RULES, Alliance, capacity, script
from served import SCRIPT, Served, a_hub
from whole import Whole
from whole import script as small_script

from foedus.agent.post import connect, send
from foedus.agent.tails import CHUNK, Tailer, Turn
from foedus.client.bundle import Caps, read_manifest, unpack
from foedus.core.base.canon import sha256
from foedus.core.base.errors import BadInput, Broken, TooLarge, TooMany
from foedus.core.base.instant import Instant
from foedus.core.jobs.state import JobState
from foedus.flow.logs import append_log
from foedus.hub.shares import Queue, Rate
from foedus.store.journal_rows import Step, Tail
from foedus.wire.agents import LogPiece
from foedus.wire.files import FileEntry, Manifest

MIB = 1024 * 1024


def test_a_bundle_that_grows_a_thousandfold_is_refused_unwritten(tmp_path: Path):
    """Abuse 19: one piece of 8 MiB, listed for a thousand files: a bomb of 8 GB in a manifest of 200 kB."""
    piece = sha256(b"x")
    entries = [FileEntry(path=f"{number:04}", mode=0o644, size=8 * MIB, pieces=[piece]) for number in range(1000)]
    with pytest.raises(TooLarge, match="8388608000 bytes or more, over the cap of 1073741824"):
        unpack(Manifest(files=entries), lambda _: pytest.fail("it is not even read"), tmp_path, caps=Caps())
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_of_a_million_files_is_no_bundle():
    """Abuse 19: a list with more entries than anybody may have."""
    entry = b'{"path":"%07d","mode":420,"size":0,"pieces":[]}'
    data = b'{"files":[' + b",".join(entry % number for number in range(100_001)) + b"]}"
    with pytest.raises(BadInput, match="should have at most 100000 items"):
        read_manifest(data, sha256(data))


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"files":' * 50_000, b'{"files":' + b"[" * 100_000])
def test_a_manifest_of_brackets_is_no_manifest(data: bytes):
    """Abuse 19: nested so deep that who reads it runs out of stack."""
    with pytest.raises(BadInput, match="is not a manifest"):
        read_manifest(data, sha256(data))


def test_a_body_of_brackets_is_refused_by_the_hub(served: Served):
    """Abuse 19: the same, sent to the hub as a submission and as an agent's statement."""
    with served.http("lead") as http:
        json = {"headers": {"content-type": "application/json"}}
        for path in ("/jobs", "/agents/enrol"):
            answer = http.post(path, content=b"[" * 200_000, **json)
            assert (answer.status_code in {400, 422}, answer.json()["code"]) == (True, "bad-input")
        packed = {"content-type": "application/json", "content-encoding": "gzip"}
        answer = http.post("/jobs", content=gzip.compress(b" " * 50 * MIB), headers=packed)
        assert (answer.status_code in {400, 422}, answer.json()["code"]) == (True, "bad-input")  # nobody unpacks it


@contextlib.contextmanager
def answering(head: bytes, part: bytes):
    """A hub that answers one request with a head, and then parts without end."""
    bound = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with contextlib.suppress(OSError):
            line, _ = bound.accept()
            with line:
                line.recv(65536)
                line.sendall(head)
                while True:
                    line.sendall(part)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    finally:
        bound.close()
        thread.join()


def test_an_agent_unpacks_nothing_and_reads_no_answer_without_end():
    """Abuse 19: a hub that is out for its agents' memory: a packed answer, and one that never ends."""
    packed = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n"
    words = r"the hub's answer is packed \(gzip\), and nobody asked for that"
    bomb = answering(packed, gzip.compress(b"x" * MIB))
    with bomb as url, connect(url, None) as http, pytest.raises(Broken, match=words):
        send(http, "GET", "/", body=b"", headers={})
    endless = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
    words = "the hub's answer has more than 1048576 bytes"
    with answering(endless, b"x" * 65536) as url, connect(url, None) as http, pytest.raises(Broken, match=words):
        send(http, "GET", "/", body=b"", headers={}, most=MIB)


def test_a_script_beyond_all_measure(served: Served):
    """Abuse 20: 413, and no job."""
    with served.http("lead") as http:
        before = http.get("/jobs").json()
        answer = http.post("/jobs", json={"jobs": [{"script": SCRIPT + "#" * 4 * MIB}]})
        assert (answer.status_code, answer.json()["code"], answer.json()["message"]) == (
            413,
            "too-large",
            f"the script is larger than {4 * MIB} bytes",
        )
        assert http.get("/jobs").json() == before


class FreeTailer(Tailer):
    """Reads with the rights that it has."""

    def _guard(self, row):
        return contextlib.nullcontext


def test_one_line_of_a_gigabyte_is_passed_on_in_small_pieces_up_to_the_cap(tmp_path: Path):
    """Abuse 20: a line without end; nobody waits for its end, and what is left out is marked."""
    file = tmp_path / "out"
    with file.open("wb") as stream:
        stream.truncate(1024 * MIB)
    passed = 0
    tail = Tail(job="1", attempt=1, stream="stdout", path=str(file))
    last = False
    while not last:
        (stretch,) = stretches(tail, Step.ENDED, rate_kib=1)
        assert len(stretch.data) <= CHUNK
        passed, last = passed + len(stretch.data), stretch.last
        tail = stretch.acknowledged(passed)
    assert (passed, tail.done, stretch.piece().truncated) == (2 * MIB, True, True)


def stretches(tail: Tail, step: Step, *, rate_kib: int, tailer: Tailer | None = None, at: int = 10**12):
    context = SimpleNamespace(
        settings=SimpleNamespace(log_cap_mib=2, log_rate_kib=rate_kib),
        clock=SimpleNamespace(now=lambda: Instant(at)),
        journal=SimpleNamespace(tails=lambda _: [tail]),
    )
    reader = tailer or FreeTailer(context=context)
    reader.context = context
    row = SimpleNamespace(step=step, order=SimpleNamespace(job="1"), key=("1", 1), account="")
    return reader._new(row, Turn(attempt=1, since=None))


def test_a_job_that_floods_its_output_gets_its_share_and_no_more(tmp_path: Path):
    """Abuse 20: at 64 KiB a second, whatever it writes; and all the rest at once when it is over."""
    file = tmp_path / "out"
    file.write_bytes(b"x" * MIB)
    tail, passed, at = Tail(job="1", attempt=1, stream="stdout", path=str(file)), 0, 10**12
    tailer = FreeTailer(context=SimpleNamespace())
    seen = []
    for tick in range(60):
        for stretch in stretches(tail, Step.RUNNING, rate_kib=64, tailer=tailer, at=at + tick * 100):
            passed += len(stretch.data)
            tail = stretch.acknowledged(passed)
        seen.append(passed)
    assert all(count <= (1 + tick / 10) * 64 * 1024 for tick, count in enumerate(seen))
    assert seen[-1] >= 6 * 64 * 1024
    (rest,) = stretches(tail, Step.ENDED, rate_kib=64, tailer=tailer, at=at + 6000)
    assert len(rest.data) == CHUNK


def test_the_hub_keeps_so_much_of_an_attempts_output_and_no_more(alliance: Alliance):
    """Abuse 20: a site that does not cap what it sends."""
    alliance.submit()
    alliance.says("jerusalem", 8)
    alliance.place()
    data = "QUJDREVGR0hJSktMTU5PUA=="  # 16 letters

    def send_piece(offset: int) -> int:
        piece = LogPiece(job="1", attempt=1, stream="stdout", offset=offset, data=data)
        return alliance.do(lambda tx: append_log(tx, "jerusalem", piece, 20))

    assert [send_piece(0), send_piece(16)] == [16, 20]
    with pytest.raises(TooLarge, match="the hub keeps 20 bytes of the stdout of job 1, and no more"):
        send_piece(20)
    with alliance.store.read() as tx:
        assert tx.logs.read("1", 1, "stdout", 0, 100) == (b"ABCDEFGHIJKLMNOPABCD", 20, True)


def test_output_without_end_from_a_real_job(whole: Whole):
    """Abuse 20: the real agent passes on what the cap allows, marks the cut, and the job ends as it should."""
    assert whole.sites["jerusalem"].agent.context.settings.log_rate_kib == 1024
    job, state, output = whole.run(small_script("head -c 1500000 /dev/zero | tr '\\0' x"))
    assert (state, output) == ("completed", b"x" * 1_500_000)
    assert job


def test_too_many_requests_are_put_off(tmp_path: Path):
    """Abuse 21: a flood from one token: 429 with Retry-After, and the others are served."""
    with a_hub(tmp_path) as served:
        served.hub.rate = Rate(2, clock=lambda: 0.0)
        with served.http("lead") as http:
            answers = [http.get("/whoami") for _ in range(21)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        body = answers[-1].json()
        assert (body["code"], body["retryable"], body["message"], answers[-1].headers["retry-after"]) == (
            "too-many",
            True,
            "you make more than 2 requests a second",
            "1",
        )
        with served.http("member") as http:
            assert http.get("/whoami").status_code == 200


def test_a_queue_that_is_full_puts_off_and_tells_only_of_oneself(tmp_path: Path):
    """Abuse 21: a project stuffs the queue. It is told how many wait of its own, and nothing of others'."""
    with a_hub(tmp_path) as served:
        served.hub.queue = Queue(3)
        asked = {"jobs": [{"script": SCRIPT}] * 2}
        array = {"jobs": [{"script": SCRIPT.replace("--time=10", "--time=10 --array=0-99")}]}
        other = {"jobs": [{"script": SCRIPT.replace("shield", "other")}]}
        with served.http("lead") as http:
            first, second, many = (http.post("/jobs", json=one) for one in (asked, asked, array))
            assert (first.status_code, second.status_code, many.status_code) == (201, 429, 429)
            assert http.post("/jobs", json=other).status_code == 201
            assert len(http.get("/jobs").json()["jobs"]) == 3
        assert (second.json()["message"], second.headers["retry-after"]) == (
            "project shield has 2 jobs waiting, and the hub takes at most 3",
            "30",
        )
        assert second.json()["remedy"] == "submit more once some of them have started"
        with served.http("lead") as http:
            again = http.post("/jobs", json=asked, headers={"Idempotency-Key": "later"})
            assert again.status_code == 429
            served.hub.queue = Queue(100)
            assert http.post("/jobs", json=asked, headers={"Idempotency-Key": "later"}).status_code == 201


def test_shares_come_back_with_time():
    """Abuse 21: whoever waits as they are told is served."""
    now = [0.0]
    rate = Rate(2, clock=lambda: now[0])
    for _ in range(20):
        rate.take("noa")
    with pytest.raises(TooMany) as caught:
        rate.take("noa")
    now[0] += caught.value.after_s
    rate.take("noa")


def test_a_stuffed_queue_starves_nobody(alliance: Alliance):
    """Abuse 21: thousands of jobs that cannot start now stand before a partner's small one, which can."""
    alliance.says("jerusalem", 2)
    alliance.says("baku", 0)
    alliance.submit_all("noa", [script(gpus=8)] * 40)
    small = alliance.submit("aysel", script(project="metro")).id
    alliance.says("jerusalem", capacity(2, "h100"))
    assert alliance.place(replace(RULES, window=10, windows=3, share=100)) == 0
    assert alliance.place(replace(RULES, window=10, windows=3, share=10)) == 1
    assert alliance.job(small).state is JobState.BOUND


def test_a_refusal_tells_only_ones_own(alliance: Alliance):
    """Abuse 21: somebody probes for others' projects, budgets and people by what is refused."""
    words = []
    for text in (script(gpus=5000), script(gpus=64, time="300:00:00"), script(purpose=None)):
        view = alliance.submit(text=text)
        assert view.state is JobState.REFUSED
        words += [f"{reason.text} {reason.remedy}" for reason in view.reasons]
    for project in ("metro", "absent"):
        with pytest.raises(BadInput) as caught:
            alliance.submit(text=script(project=project))
        words.append(str(caught.value))
    assert words[-2].replace("metro", "absent") == words[-1]
    for foreign in ("aysel", "Metro", "urban-mobility", "olga", "dan ", "eve"):
        assert not [one for one in words if foreign in one]
