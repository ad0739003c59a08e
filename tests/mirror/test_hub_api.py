"""What huggingface_hub's API asks about what a mirror holds (issue 12, B24; issue 20)."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.mirror.conftest import MODEL_COMMIT, fill
from tests.support.clients import make_environment, run_client
from tests.support.mirror_server import Answer, RunningMirror, ask, read_answer, send, serving
from tests.support.thorough import few_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.mirror_places import Places

LARGE = 300_000
OLD_VERSIONS = ("0.20.3", "0.25.2")
QUESTIONS = """
import json, huggingface_hub
from huggingface_hub import HfApi
api = HfApi()
info = api.model_info("org/tiny", files_metadata=True)
infos = api.get_paths_info("org/tiny", ["config.json", "sub folder", "nothing"], expand=True)
tree = list(api.list_repo_tree("org/tiny", recursive=True, expand=True))
refs = api.list_repo_refs("org/tiny")
print(json.dumps({
    "sizes": {s.rfilename: s.size for s in info.siblings},
    "lfs": [s.rfilename for s in info.siblings if s.lfs],
    "paths": sorted(p.path for p in infos),
    "last commit": infos[0].last_commit and infos[0].last_commit["oid"],
    "tree": sorted(e.path for e in tree),
    "branches": [(b.name, b.target_commit) for b in refs.branches],
    "commits": [c.commit_id for c in api.list_repo_commits("org/tiny")],
    "found": [m.id for m in api.list_models(search="TIN")],
    "exists": [api.file_exists("org/tiny", "config.json"), api.file_exists("org/tiny", "x")],
}))
"""
FILE_SYSTEM = """
import json
from huggingface_hub import HfFileSystem
fs = HfFileSystem()
with fs.open("org/tiny/model.safetensors", "rb") as file:
    file.seek(100)
    part = file.read(5)
fs.get("org/tiny/sub folder/notes.txt", "{folder}/notes.txt")
print(json.dumps({{
    "glob": sorted(fs.glob("org/tiny/*.json")),
    "everything": sorted(fs.glob("org/tiny/**")),
    "listed": sorted(entry["name"] for entry in fs.ls("org/tiny")),
    "size": fs.info("org/tiny/model.safetensors")["size"],
    "part": part.hex(),
    "text": open("{folder}/notes.txt").read(),
    "is there": [fs.exists("org/tiny/README.md"), fs.exists("org/tiny/nothing")],
}}))
"""
WORDS = """
import json
from huggingface_hub import HfApi
api = HfApi(token="hf_x")
def words(call, *arguments, **options):
    try:
        call(*arguments, **options)
    except Exception as error:
        return type(error).__name__ + ": " + str(error)
print(json.dumps([
    words(api.whoami),
    words(api.dataset_info, "org/tiny"),
    words(api.space_info, "org/tiny"),
    words(api.model_info, "org/none"),
]))
"""


@pytest.fixture(scope="module")
def mirror(places: Places) -> Iterator[RunningMirror]:
    """Serve a mirror of one model."""
    with serving(fill(places.new(), {}, "hf:org/tiny", "someone/nets")) as running:
        yield running


def _json(answer: Answer) -> Any:
    assert answer.status == 200, answer
    return json.loads(answer.body)


def _post(mirror: RunningMirror, target: str, body: str, kind: str) -> Answer:
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
    return read_answer(send(mirror, request.encode()))


def test_model_facts_have_sizes_and_digests_where_they_are_asked_for(mirror: RunningMirror) -> None:
    """``files_metadata=True`` asks for ``blobs``."""
    plain = _json(ask(mirror, "/api/models/org/tiny"))
    assert {"rfilename": "config.json"} in plain["siblings"]
    facts = _json(ask(mirror, "/api/models/org/tiny/revision/main?blobs=True"))
    by_name = {entry["rfilename"]: entry for entry in facts["siblings"]}
    assert by_name["config.json"]["size"] == 25
    assert len(by_name["config.json"]["blobId"]) == 40
    assert by_name["model.safetensors"]["lfs"]["size"] == LARGE
    assert "lfs" not in by_name["config.json"]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", "paths=config.json&paths=sub+folder&expand=True"),
        ("application/json", '{"paths": ["config.json", "sub folder"], "expand": true}'),
    ],
)
def test_paths_info_is_a_question_although_it_is_posted(
    mirror: RunningMirror, kind: str, body: str
) -> None:
    """Form or JSON; a path that does not exist is left out."""
    target = "/api/models/org/tiny/paths-info/main"
    entries = _json(_post(mirror, target, body, kind))
    assert {entry["path"]: entry["type"] for entry in entries} == {
        "config.json": "file",
        "sub folder": "directory",
    }
    assert {entry["lastCommit"]["id"] for entry in entries} == {MODEL_COMMIT}
    assert _json(_post(mirror, target, "", kind)) == []
    assert _json(_post(mirror, target, '{"paths": 5}', "application/json")) == []


def test_posting_anywhere_else_is_refused(mirror: RunningMirror) -> None:
    """One line in the log, no traceback, nothing read that is longer than a form."""
    form = "application/x-www-form-urlencoded"
    assert _post(mirror, "/api/models/org/tiny/tree/main", "x=y", form).status == 405
    assert _post(mirror, "/api/models/org/tiny/commit/main", "x=y", form).status == 405
    long = "paths=" + "x" * (2 << 20)
    assert _post(mirror, "/api/models/org/tiny/paths-info/main", long, form).status == 413
    assert "POST /api/models/org/tiny/commit/main" in mirror.log
    assert "Traceback" not in mirror.log


def test_refs_commits_and_search(mirror: RunningMirror) -> None:
    """What is held, in the Hub's words."""
    refs = _json(ask(mirror, "/api/models/org/tiny/refs"))
    assert refs["branches"] == [
        {"name": "main", "ref": "refs/heads/main", "targetCommit": MODEL_COMMIT}
    ]
    (commit,) = _json(ask(mirror, "/api/models/org/tiny/commits/main"))
    assert commit["id"] == MODEL_COMMIT
    assert [model["id"] for model in _json(ask(mirror, "/api/models?search=tin"))] == ["org/tiny"]
    assert _json(ask(mirror, "/api/models?search=other")) == []
    assert _json(ask(mirror, "/api/models?author=org&limit=0")) == []
    assert _json(ask(mirror, "/api/datasets?search=x")) == []


def test_raw_is_what_git_holds(mirror: RunningMirror) -> None:
    """A small file itself, the pointer of a large one."""
    assert ask(mirror, "/org/tiny/raw/main/config.json").body == b'{"architecture": "tiny"}\n'
    pointer = ask(mirror, "/org/tiny/raw/main/model.safetensors").body.decode()
    assert pointer.startswith("version https://git-lfs.github.com/spec/v1\noid sha256:")
    assert pointer.endswith(f"\nsize {LARGE}\n")
    assert ask(mirror, "/org/tiny/raw/main/nothing").status == 404


def test_names_do_not_look_at_the_case_of_letters(mirror: RunningMirror) -> None:
    """As on GitHub and on the Hub."""
    assert ask(mirror, "/Org/TINY/resolve/main/config.json").status == 200
    assert _json(ask(mirror, "/api/models/ORG/tiny"))["id"] == "org/tiny"
    assert ask(mirror, "/Someone/Nets/zipball/main").status == 200
    assert _json(ask(mirror, "/repos/SOMEONE/nets/branches?page=1")) != []


def test_git_is_told_what_to_use_instead(mirror: RunningMirror, tmp_path: Path) -> None:
    """``git clone`` prints the mirror's words."""
    command = ["git", "clone", f"{mirror.base}/org/tiny", str(tmp_path / "clone")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "this mirror serves files, not git: use hf download" in done.stderr


def _check_questions(answer: dict[str, Any]) -> None:
    names = [".gitattributes", "README.md", "config.json", "model.safetensors"]
    assert sorted(answer["sizes"]) == [*names, "sub folder/notes.txt"]
    assert answer["sizes"]["model.safetensors"] == LARGE
    assert answer["lfs"] == ["model.safetensors"]
    assert answer["paths"] == ["config.json", "sub folder"]
    assert answer["last commit"] == MODEL_COMMIT
    assert answer["tree"] == sorted([*names, "sub folder", "sub folder/notes.txt"])
    assert answer["branches"] == [["main", MODEL_COMMIT]]
    assert answer["commits"] == [MODEL_COMMIT]
    assert answer["found"] == ["org/tiny"]
    assert answer["exists"] == [True, False]


def _check_files(answer: dict[str, Any], large: bytes) -> None:
    assert answer["glob"] == ["org/tiny/config.json"]
    assert "org/tiny/sub folder/notes.txt" in answer["everything"]
    assert "org/tiny/model.safetensors" in answer["listed"]
    assert answer["size"] == LARGE
    assert answer["part"] == large[100:105].hex()
    assert answer["text"] == "a name with a space\n"
    assert answer["is there"] == [True, False]


def _large(mirror: RunningMirror) -> bytes:
    return ask(mirror, "/org/tiny/resolve/main/model.safetensors").body


def test_api_of_the_installed_client(mirror: RunningMirror, tmp_path: Path) -> None:
    """B24: every question by the real client, and HfFileSystem: glob, get, open."""
    _check_questions(run_client(QUESTIONS, mirror=mirror.base, kind="hf"))
    script = FILE_SYSTEM.format(folder=tmp_path)
    _check_files(run_client(script, mirror=mirror.base, kind="hf"), _large(mirror))


@pytest.mark.slow
@pytest.mark.parametrize("version", few_of(OLD_VERSIONS, OLD_VERSIONS[0]))
def test_api_of_old_clients(
    mirror: RunningMirror, request: pytest.FixtureRequest, tmp_path: Path, version: str
) -> None:
    """The same with versions that people still have."""
    folder = request.config.cache.mkdir("client-environments")
    python = make_environment(folder, f"huggingface_hub=={version}")
    _check_questions(run_client(QUESTIONS, mirror=mirror.base, kind="hf", python=python))
    script = FILE_SYSTEM.format(folder=tmp_path)
    answer = run_client(script, mirror=mirror.base, kind="hf", python=python)
    _check_files(answer, _large(mirror))


def test_refusals_are_printed_by_the_client(mirror: RunningMirror) -> None:
    """What the mirror is not for is said in its own words."""
    whoami, dataset, space, model = run_client(
        WORDS, mirror=mirror.base, kind="hf", python=sys.executable
    )
    assert "this mirror has no accounts" in whoami
    assert dataset.startswith("RepositoryNotFoundError")
    assert "this mirror holds models only, no datasets" in dataset
    assert "this mirror holds models only, no spaces" in space
    assert model.startswith("RepositoryNotFoundError")
    assert "the mirror does not hold this model" in model
