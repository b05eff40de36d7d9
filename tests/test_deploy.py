"""The examples in docs/deploy: checked against the schemas of their tools, and against what they deploy."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from acousticsense.settings import Settings
from tests.conftest import needed_program
from tests.test_start import REPOSITORY

DEPLOY = REPOSITORY / "docs/deploy"
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
COMPOSE_SCHEMA = json.loads(files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text())
#: Checked against the oldest release that is still maintained somewhere, and the newest that is known here.
KUBERNETES = ("1.31", kubernetes_validate.latest_version())

SETTINGS = {f"ACOUSTICSENSE_{name.upper()}" for name in Settings.model_fields}
CONTAINER_PATHS = ("/tmp", "/home/acousticsense/.cache/acousticsense")


def compose(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / name).read_text()))


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yml").read_text()))


def container() -> dict[str, Any]:
    (found,) = manifests()[0]["spec"]["template"]["spec"]["containers"]
    return dict(found)


class TestCompose:
    @pytest.mark.parametrize("name", ["compose.yml", "compose.gpu.yml"])
    def test_fits_the_compose_specification(self, name: str) -> None:
        jsonschema.validate(compose(name), COMPOSE_SCHEMA)

    def test_a_misspelt_key_does_not(self) -> None:
        wrong = compose("compose.yml")
        wrong["services"]["acousticsense"]["read_onyl"] = True
        with pytest.raises(jsonschema.ValidationError, match="read_onyl"):
            jsonschema.validate(wrong, COMPOSE_SCHEMA)

    def test_sets_what_there_is(self) -> None:
        service = compose("compose.yml")["services"]["acousticsense"]
        assert {name for name in service["environment"] if name.startswith("ACOUSTICSENSE_")} <= SETTINGS
        assert all(port.endswith(":8000") for port in service["ports"])
        mounted = [volume.split(":")[1] for volume in service["volumes"]] + [
            entry.split(":")[0] for entry in service["tmpfs"]
        ]
        assert set(mounted) == set(CONTAINER_PATHS)
        assert (DEPLOY / service["build"]["context"] / "Dockerfile").exists()

    def test_is_locked_down(self) -> None:
        service = compose("compose.yml")["services"]["acousticsense"]
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]

    def test_gpu_variant_uses_the_build_argument(self) -> None:
        arguments = compose("compose.gpu.yml")["services"]["acousticsense"]["build"]["args"]
        assert all(f"ARG {name}=" in DOCKERFILE for name in arguments)


class TestKubernetes:
    @pytest.mark.parametrize("version", KUBERNETES)
    def test_fits_the_schema(self, version: str) -> None:
        for manifest in manifests():
            kubernetes_validate.validate(manifest, version, strict=True)

    def test_a_misspelt_key_does_not(self) -> None:
        wrong = copy.deepcopy(manifests()[0])
        wrong["spec"]["template"]["spec"]["containers"][0]["livenessProb"] = {}
        with pytest.raises(kubernetes_validate.ValidationError, match="livenessProb"):
            kubernetes_validate.validate(wrong, KUBERNETES[-1], strict=True)

    def test_probes_ask_what_is_meant(self) -> None:
        asked = {
            probe: container()[probe]["httpGet"]["path"]
            for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        }
        assert asked == {"livenessProbe": "/healthz", "readinessProbe": "/readyz", "startupProbe": "/readyz"}

    def test_sets_what_there_is(self) -> None:
        assert {entry["name"] for entry in container()["env"]} <= SETTINGS
        assert {mount["mountPath"] for mount in container()["volumeMounts"]} <= set(CONTAINER_PATHS)

    def test_is_locked_down(self) -> None:
        pod = manifests()[0]["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert f"USER {pod['securityContext']['runAsUser']}" in DOCKERFILE
        security = container()["securityContext"]
        assert security["readOnlyRootFilesystem"]
        assert not security["allowPrivilegeEscalation"]
        assert security["capabilities"] == {"drop": ["ALL"]}
        (policy,) = [manifest for manifest in manifests() if manifest["kind"] == "NetworkPolicy"]
        assert policy["spec"]["egress"] == []
        assert "Egress" in policy["spec"]["policyTypes"]

    def test_names_agree(self) -> None:
        deployment, service, policy = manifests()
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels
        assert service["spec"]["selector"] == policy["spec"]["podSelector"]["matchLabels"] == labels
        assert service["spec"]["ports"][0]["targetPort"] == container()["ports"][0]["name"]


@pytest.fixture(scope="module")
def nginx() -> str:
    """Debian's nginx; without it these tests are skipped, but not in continuous integration."""
    return needed_program(["nginx"], "nginx")


class TestNginx:
    @pytest.mark.parametrize("name", ["nginx.conf", "nginx-subpath.conf"])
    def test_nginx_takes_it(self, nginx: str, name: str, tmp_path: Path) -> None:
        text = (DEPLOY / name).read_text()
        if name == "nginx.conf":
            make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout key.pem -out c.pem"
            subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True, timeout=300)
            text = text.replace("/etc/ssl/certs/music.example.org.pem", f"{tmp_path}/c.pem")
            text = text.replace("/etc/ssl/private/music.example.org.key", f"{tmp_path}/key.pem")
            text = re.sub(r"listen (80|443)", r"listen 127.0.0.1:1\1", text)
        else:
            text = f"server {{ listen 127.0.0.1:1080; {text} }}"
        whole = tmp_path / "nginx.conf"
        whole.write_text(f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; {text} }}")
        checked = subprocess.run(
            [nginx, "-t", "-p", tmp_path, "-c", whole], capture_output=True, text=True, timeout=300, check=False
        )
        assert checked.returncode == 0, checked.stderr
        assert "[warn]" not in checked.stderr

    @pytest.mark.parametrize("name", ["nginx.conf", "nginx-subpath.conf"])
    def test_uploads_as_large_as_the_servers_pass(self, name: str) -> None:
        (limit,) = re.findall(r"client_max_body_size (\d+)m;", (DEPLOY / name).read_text())
        assert int(limit) >= 1.4 * Settings.model_fields["max_upload_mb"].default


def test_every_example_is_named_where_deployment_is_explained() -> None:
    text = (REPOSITORY / "docs/operate.md").read_text()
    assert all(f"(deploy/{file.name})" in text for file in DEPLOY.iterdir())
