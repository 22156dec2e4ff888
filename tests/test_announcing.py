"""The end of a run is told to a URL and to Prometheus, whatever the end; that nobody listens changes nothing."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.harness import environment, existing, write_list
from tests.here import command

from kvk_enrich import ExitCode, flow, metrics, notifying
from kvk_enrich.config import Job, config_sha256, load, load_settings, show
from kvk_enrich.errors import ConfigError, InputRefused, Terminated
from kvk_enrich.model import Secret
from kvk_enrich.progress import Progress

TOKEN = "T0ken-of-a-hook"


class Heard(Progress):
    """Keeps what is said once."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@dataclass
class Receiver:
    """An HTTP server of somebody who wants to know; answers with *statuses* in turn, the last one again and again."""

    url: str
    statuses: list[int]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    agents: list[str | None] = field(default_factory=list)


@contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    """Yield a receiver on a port of this machine."""
    heard = Receiver("", list(statuses or (204,)))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.bodies.append(json.loads(body))
            heard.paths.append(self.path)
            heard.agents.append(self.headers["User-Agent"])
            self.send_response(heard.statuses[min(len(heard.bodies), len(heard.statuses)) - 1])
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - the name that the server looks for

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    heard.url = f"http://127.0.0.1:{server.server_port}/{TOKEN}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between tries."""
    monkeypatch.setattr(notifying, "WAITS", (0.0, 0.0))
    monkeypatch.setattr(notifying.notify, "__kwdefaults__", {"ca_bundle": None, "waits": (0.0, 0.0), "seconds": 10})


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """A run on the practice register over three numbers."""

    def made(numbers: list[str | None] | None = None, **flags: object) -> Job:
        listed = write_list(tmp_path / "list.csv", existing(3) if numbers is None else numbers)
        given = {"input": listed, "home": tmp_path / "home", "output": tmp_path / "out.parquet", "source": "practice"}
        return load(given | flags, environ={"KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS": "0"})

    return made


def test_the_record_is_posted_at_the_end(job: Callable[..., Job]):
    """The record as it stands in the file, with what the process says."""
    with receiving() as heard:
        finished = flow.run(job(notify_url=heard.url))
    (body,) = heard.bodies
    assert finished.record_path is not None
    assert body == json.loads(finished.record_path.read_bytes()) | {"exit_code": 0, "message": None}
    assert (heard.paths, heard.agents) == ([f"/{TOKEN}"], ["kvk-enrich"])


def test_a_refused_list_is_told_too(job: Callable[..., Job]):
    """A night without a run must not look like a night without news."""
    with receiving() as heard, pytest.raises(InputRefused) as refused:
        flow.run(job([], notify_url=heard.url, column=["telefoon"]))
    (body,) = heard.bodies
    assert (body["schema"], body["state"], body["exit_code"]) == (1, "failed", 9)
    assert body["message"] == str(refused.value)
    assert body["input"]["path"].endswith("list.csv")


@pytest.mark.parametrize(
    ("error", "state", "code", "message"),
    [
        (KeyboardInterrupt(), "stopped", 130, "stopped before it was done"),
        (Terminated(), "stopped", 143, "stopped before it was done"),
        (RuntimeError("row 17: J. Jansen"), "failed", 1, "a bug: RuntimeError"),
    ],
)
def test_every_other_end_is_told(
    job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch, error: BaseException, state: str, code: int, message: str
):
    """A signal outside the asking, and a bug: of that only the kind, as its text may hold anything."""

    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(flow, "_carried_out", broken)
    with receiving() as heard, pytest.raises(type(error)):
        flow.run(job(notify_url=heard.url))
    (body,) = heard.bodies
    assert (body["state"], body["exit_code"], body["message"]) == (state, code, message)


def test_a_run_that_a_register_ended_is_told_as_stopped(job: Callable[..., Job], tmp_path: Path):
    """Its record stands in the journal; the outputs of the night before keep theirs."""
    older = flow.run(job()).record_path
    assert older is not None
    before = older.read_bytes()
    config = tmp_path / "faults.toml"
    config.write_text('[source.practice]\nlatency_seconds = 0.0\nfaults = ["status=403"]\n')
    with receiving() as heard:
        told = load(
            {
                "input": tmp_path / "list.csv",
                "home": tmp_path / "home",
                "output": tmp_path / "out.parquet",
                "source": "practice",
                "refresh": True,
                "notify_url": heard.url,
                "metrics": tmp_path / "kvk.prom",
            },
            config_file=config,
            environ={},
        )
        finished = flow.run(told)
    (body,) = heard.bodies
    assert (finished.exit_code, body["state"], body["exit_code"]) == (ExitCode.ACCESS_REFUSED, "stopped", 5)
    assert (body["outputs"], body["message"]) == (None, finished.cause)
    assert older.read_bytes() == before
    assert figures(tmp_path / "kvk.prom")["kvk_enrich_run_state", "stopped"] == 1


@pytest.mark.parametrize(
    ("statuses", "tries", "said"),
    [
        ((503, 429, 204), 3, None),
        ((500,), 3, "answered with status 500"),
        ((302,), 1, "answered with status 302"),
        ((404,), 1, "answered with status 404"),
    ],
)
def test_what_may_fare_better_is_tried_again(
    job: Callable[..., Job], statuses: tuple[int, ...], tries: int, said: str | None
):
    """Three tries; where a redirect leads to is not followed; the run ends as it did, and no word holds the token."""
    told = Heard()
    with receiving(*statuses) as heard:
        finished = flow.run(job(notify_url=heard.url), progress=told)
    assert finished.exit_code == ExitCode.COMPLETE
    assert heard.paths == [f"/{TOKEN}"] * tries
    notes = [note for note in told.notes if "notify_url" in note]
    assert len(notes) == bool(said)
    assert all(said is not None and said in note and TOKEN not in note for note in notes)


def test_nobody_there_is_a_note():
    """A port that is closed, and one that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{TOKEN}"
        with pytest.raises(notifying.NotTold, match=r"^no (answer in 0.1 s|connection \(\w+\))$"):
            notifying.notify(Secret(url), b"{}", waits=(), seconds=0.1)
    with pytest.raises(notifying.NotTold, match=r"^no connection \(ConnectError\)$"):
        notifying.notify(Secret(url), b"{}", waits=(0.0,))


def test_the_url_is_shown_nowhere(tmp_path: Path, job: Callable[..., Job]):
    """Neither by config show, nor in a repr, nor in what a change of it would ask anew, nor in a refusal."""
    url = f"https://hooks.example.org/{TOKEN}"
    settings = load_settings({"notify_url": url}, environ={})
    assert TOKEN not in str(show(settings, environ={})) + repr(settings)
    told = job(notify_url=url)
    assert TOKEN not in repr(told)
    assert config_sha256(told) == config_sha256(job())
    for wrong in (f"http://example.org/{TOKEN}", f"ftp://{TOKEN}", f"https://h/{TOKEN} x", f"https://h:x/{TOKEN}"):
        with pytest.raises(ConfigError, match=r"run\.notify_url: must be") as refused:
            load_settings({"notify_url": wrong}, environ={})
        assert TOKEN not in str(refused.value)


def test_the_url_is_in_no_line_of_the_command(tmp_path: Path):
    """Logs are read by others; the exit code is that of the run, whoever listened."""
    listed = write_list(tmp_path / "list.csv", existing(1))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    env = environment(
        KVK_ENRICH_RUN_NOTIFY_URL=f"http://127.0.0.1:{port}/{TOKEN}", KVK_ENRICH_SOURCE_PRACTICE_LATENCY_SECONDS="0"
    )
    done = command("run", listed, "--source", "practice", "--home", tmp_path / "home", "--json", env=env)
    assert done.returncode == 0
    assert "run.notify_url: the end of the run was told to nobody" in done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_a_key_that_is_gone_is_told(tmp_path: Path):
    """A variable that a nightly job has lost ends every run before it begins; plan needs none, and is no run."""
    listed = write_list(tmp_path / "list.csv", existing(1))
    with receiving() as heard:
        env = environment(KVK_ENRICH_RUN_NOTIFY_URL=heard.url)
        run = command("run", listed, "--home", tmp_path / "home", "--metrics", tmp_path / "kvk.prom", env=env)
        assert command("plan", listed, "--home", tmp_path / "home", env=env).returncode == 0
    (body,) = heard.bodies
    assert (run.returncode, body["state"], body["exit_code"]) == (2, "failed", 2)
    assert "No KVK API key" in body["message"]
    assert run.stderr.count("No KVK API key") == 1
    assert figures(tmp_path / "kvk.prom")["kvk_enrich_run_exit_code", ""] == 2


def figures(file: Path) -> dict[tuple[str, str], float]:
    """Return the samples of *file* by name and the label that is not the same everywhere, read by the real parser."""
    return {
        (sample.name, next((v for k, v in sample.labels.items() if k not in {"source", "account", "list"}), "")): (
            sample.value
        )
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }


def test_the_figures_follow_no_link(job: Callable[..., Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Others may write in the exporter's folder, and guess what a draft will be called."""
    (folder := tmp_path / "metrics").mkdir()
    (victim := tmp_path / "key").write_text("secret")
    victim.chmod(0o600)
    monkeypatch.setattr("kvk_enrich.metrics.secrets.token_hex", lambda _: "0000")
    (folder / ".kvk.prom.0000.draft").symlink_to(victim)
    flow.run(job(existing(1), metrics=folder / "kvk.prom"))
    assert (victim.read_text(), victim.stat().st_mode & 0o777) == ("secret", 0o600)


def test_the_figures_of_a_run_are_those_of_its_record(job: Callable[..., Job], tmp_path: Path):
    """Rows, calls, money, budget, time and state; readable by the exporter, and nothing is left beside."""
    (folder := tmp_path / "metrics").mkdir()
    file = folder / "kvk.prom"
    told = job([*existing(3), "12345678", "n.v.t."], metrics=file)
    record = flow.run(told).record
    found = figures(file)
    assert [found["kvk_enrich_run_state", state] for state in metrics.STATES] == [1, 0, 0, 0]
    assert found["kvk_enrich_run_exit_code", ""] == 0
    assert found["kvk_enrich_run_end_timestamp_seconds", ""] == pytest.approx(record.finished_at.timestamp())
    assert [found["kvk_enrich_run_rows", each] for each in ("found", "not_found", "invalid", "failed")] == [3, 1, 1, 0]
    assert found["kvk_enrich_run_calls", "paid"] == record.calls.paid == 4
    assert found["kvk_enrich_run_cost_euros", ""] == float(record.cost_eur)
    assert found["kvk_enrich_budget_left_units", ""] == record.budget.left
    assert found["kvk_enrich_budget_limit_units", ""] == 300_000
    (family, *_) = text_string_to_metric_families(file.read_text())
    assert {k: v for k, v in family.samples[0].labels.items() if k != "state"} == {
        "source": "practice",
        "account": "default",
        "list": "list.csv",
    }
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in folder.iterdir()] == ["kvk.prom"]


def test_figures_of_a_run_that_counted_nothing_hold_no_counts(job: Callable[..., Job], tmp_path: Path):
    """Those of the run before would pass for its own."""
    file = tmp_path / "kvk.prom"
    flow.run(job(metrics=file))
    with pytest.raises(InputRefused):
        flow.run(job([], metrics=file, column=["telefoon"]))
    found = figures(file)
    assert found["kvk_enrich_run_state", "failed"] == 1
    assert found["kvk_enrich_run_exit_code", ""] == 9
    assert not [name for name, _ in found if name.startswith(("kvk_enrich_run_rows", "kvk_enrich_budget"))]


def test_figures_that_cannot_be_written_are_a_note(job: Callable[..., Job], tmp_path: Path):
    """The run is done all the same, and the older file is as it was."""
    (tmp_path / "kvk.prom").mkdir()
    told = Heard()
    assert flow.run(job(metrics=tmp_path / "kvk.prom"), progress=told).exit_code == ExitCode.COMPLETE
    assert [
        note
        for note in told.notes
        if note.startswith("output.metrics: the figures of the run cannot be written: there is a folder")
    ]
    assert not list(tmp_path.glob(".kvk.prom*"))


@pytest.mark.parametrize("name", ["kvk.txt", "gone/kvk.prom"])
def test_where_figures_cannot_go_is_said_before(job: Callable[..., Job], tmp_path: Path, name: str):
    """Not at the end of a night."""
    with pytest.raises(ConfigError, match=r"output\.metrics: "):
        job(metrics=tmp_path / name)
