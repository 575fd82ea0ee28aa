"""openapi.json is what it says, judged by tools that nobody here wrote."""

import json
import os
import pathlib
import subprocess
import sys

from akidb import ROOT, run_cli
from openapi_spec_validator import OpenAPIV31SpecValidator

ROUTES_WITHOUT_BODY = {"get", "delete"}


def test_the_document_is_valid_openapi_3_1(shared_server):
    document = shared_server.ok("GET", "/openapi.json")
    assert document["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(document).validate()


def test_every_path_of_the_document_is_routed(shared_server):
    document = shared_server.ok("GET", "/openapi.json")
    for path, operations in document["paths"].items():
        for method in operations.keys() & {"get", "post", "patch", "delete", "put"}:
            target = path.replace("{collection}", "c").replace("{id}", "1")
            _, headers, body = shared_server.raw(method.upper(), target, b"" if method in ROUTES_WITHOUT_BODY else b"{}")
            assert b'"route_not_found"' not in body and b'"method_not_allowed"' not in body, (method, path)
            assert "X-Request-Id" in headers


def test_version_says_from_which_commit_it_was_built(shared_server):
    commit = shared_server.ok("GET", "/version")["commit"]
    subprocess.run(["git", "cat-file", "-e", commit + "^{commit}"], cwd=ROOT, check=True)
    assert json.loads(run_cli("version", "--json").stdout)["commit"] == commit


def test_nothing_that_is_generated_from_it_breaks_the_server(server, tmp_path):
    """Statuses, content types and bodies of all answers match the document, and none is a 5xx."""
    server.create("c", 4)
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    result = subprocess.run(
        [str(pathlib.Path(sys.executable).with_name("schemathesis")), "run", server.url + "/openapi.json", "--checks", checks,
         "--phases", "examples,coverage,fuzzing", "--max-examples", "10", "--max-time", "60", "--seed", "1", "--no-color",
         "--suppress-health-check", "all", "--warnings", "off"],
        capture_output=True, text=True, timeout=300, cwd=tmp_path, env={**os.environ, "NO_PROXY": "*"})
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-1000:]
    assert server.request("GET", "/health/live").status_code == 200
    assert server.process.poll() is None
