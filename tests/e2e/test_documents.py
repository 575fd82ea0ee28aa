"""The commands of README.md and of the guide do what the text says.

A ```bash block under a line `<!-- test -->` is run, in order, in the repository, against a data directory and port of its
own; a ```json block that follows it directly is its expected output, where "..." stands for any value or for more text.
"""

import json
import os
import re
import socket
import subprocess

import pytest
from akidb import ROOT

BLOCK = re.compile(r"^<!-- test -->\n```bash\n(.*?)^```\n(?:\n```json\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def matches(expected, actual):
    if expected == "...":
        return True
    if isinstance(expected, dict):
        return isinstance(actual, dict) and expected.keys() == actual.keys() and all(matches(v, actual[k]) for k, v in expected.items())
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(matches, expected, actual))
    if isinstance(expected, float):
        return isinstance(actual, (int, float)) and abs(expected - actual) < 5e-4
    return expected == actual


# Pages that are read one after the other, of which later ones use what earlier ones made.
JOURNEYS = {
    "reference": ["README.md", *(f"docs/guide/{name}.md" for name in ("filters", "rest-api", "collections", "snapshots", "tuning"))],
    "guide": ["docs/guide/getting-started.md"],
}


@pytest.mark.parametrize("journey", JOURNEYS)
def test_commands_do_what_the_text_says(journey, tmp_path):
    port, data = str(free_port()), str(tmp_path / "akidb-data")
    environment = {**os.environ, "AKIDB_SERVER": f"http://127.0.0.1:{port}", "NO_PROXY": "*", "no_proxy": "*"}

    def run(script):
        script = re.sub(r"\./scripts/dev-init\.sh", f"./scripts/dev-init.sh --port {port} --data-dir {data}", script)
        script = script.replace("akidb-data/", data + "/").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True,
                              timeout=900, stdin=subprocess.DEVNULL)

    blocks = []
    for document in JOURNEYS[journey]:
        of_document = BLOCK.findall((ROOT / document).read_text())
        assert of_document, f"{document} has no tested blocks"
        blocks += of_document
    try:
        run("./scripts/dev-init.sh").check_returncode()
        for script, expected in blocks:
            result = run(script)
            assert result.returncode == 0, f"{script}\n{result.stdout}{result.stderr}"
            if expected:
                actual = json.loads(result.stdout)
                assert matches(json.loads(expected), actual), f"{script}\nanswered {json.dumps(actual, ensure_ascii=False, indent=1)}"
            else:
                assert '"type":"about:blank"' not in result.stdout, f"{script}\nwas refused: {result.stdout}"
    finally:
        run("./scripts/dev-init.sh --stop")
