# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The definition of the execution environment: ansible-builder takes it, and what an image would install is all there.
No image is built here.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import ssl
import subprocess
import sys
import tarfile
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
import yaml
from labs import network

REPOSITORY = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ansible-builder would hand to podman."""
    run("tests/tools/build")
    place = tmp_path_factory.mktemp("image") / "context"
    with (REPOSITORY / ".build" / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # or another worker writes the tarball that is being copied
        run(BIN / "ansible-builder", "create", "--context", place, "--output-filename", "Containerfile")
    return place


def test_the_context_holds_this_collection_as_it_is_built(context: Path) -> None:
    version = yaml.safe_load((REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"))["version"]
    [collection] = yaml.safe_load((context / "_build" / "requirements.yml").read_text(encoding="utf-8"))["collections"]
    assert collection == {"name": f"collections/opsmgr-recovery-{version}.tar.gz", "type": "file"}
    with tarfile.open(context / "_build" / collection["name"]) as archive:
        names = archive.getnames()
    assert {"meta/execution-environment.yml", "requirements.txt", "bindep.txt", "playbooks/awx_setup.yml"} <= set(names)
    assert "execution-environment.yml" not in names, "it is built from a checkout, and names a file of a checkout"


def test_what_the_collection_needs_is_added_to_what_the_image_names(context: Path, tmp_path: Path) -> None:
    [tarball] = (context / "_build" / "collections").iterdir()
    run(
        BIN / "ansible-galaxy",
        "collection",
        "install",
        "--offline",
        "--force",
        "--collections-path",
        tmp_path,
        tarball,
        HOME=str(tmp_path),
    )
    files = {"pip": tmp_path / "pip.txt", "bindep": tmp_path / "bindep.txt"}
    run(
        BIN / "ansible-builder", "introspect", tmp_path,
        "--user-pip", context / "_build" / "requirements.txt", "--user-bindep", context / "_build" / "bindep.txt",
        "--write-pip", files["pip"], "--write-bindep", files["bindep"],
    )  # fmt: skip
    libraries = files["pip"].read_text(encoding="utf-8")
    for library in ("pywinrm[kerberos]>=0.5.0", "pyodbc>=5.0.0", "cryptography>=45.0.0", "asn1crypto>=1.5.1"):
        assert library in libraries
    packages = files["bindep"].read_text(encoding="utf-8")
    for package in (
        "freetds-libs [platform:rpm]",
        "unixODBC [platform:rpm]",
        "krb5-workstation [platform:rpm]",
        "krb5-devel [compile platform:rpm]",
    ):
        assert package in packages


def test_the_driver_gets_its_name_after_the_packages_that_might_name_it_otherwise(context: Path) -> None:
    steps = (context / "Containerfile").read_text(encoding="utf-8").splitlines()
    [named] = [number for number, step in enumerate(steps) if "[FreeTDS]" in step]
    installed = max(number for number, step in enumerate(steps) if "/output/scripts/install-from-bindep" in step)
    assert installed < named


def steps_of(context: Path, word: str) -> list[str]:
    """The steps that mention a word, as a shell runs them."""
    lines = (context / "Containerfile").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("RUN ") for line in lines if word in line]


def test_the_image_opens_a_vault_beside_the_inventory_as_awx_asks_it_to(context: Path, tmp_path: Path) -> None:
    [step] = steps_of(context, "opsmgr-vault-password")
    subprocess.run(["sh", "-euc", step.replace("/usr/local/bin", str(tmp_path))], check=True)
    password, vault = tmp_path / "password", tmp_path / "group_vars" / "all" / "vault.yml"
    password.write_text("0123456701", encoding="utf-8")
    vault.parent.mkdir(parents=True)
    vault.write_text("rms_key_backup_password: Polyphemus 3\n", encoding="utf-8")
    (tmp_path / "inventory.yml").write_text("opsmgr_rms: {hosts: {hydra: {}}}\n", encoding="utf-8")
    run(BIN / "ansible-vault", "encrypt", "--vault-password-file", password, vault)
    # What the role has AWX give: the variable of the credential, and the one of the inventory source.
    said = (REPOSITORY / "roles" / "awx_setup" / "vars" / "main.yml").read_text(encoding="utf-8")
    [(setting, program)] = re.findall(r'__awx_setup_vault_program: "(\w+): (.*)"', said)
    given = {"OPSMGR_VAULT_PASSWORD_FILE": str(password), setting: program.replace("/usr/local/bin", str(tmp_path))}
    assert "Polyphemus 3" in run(
        BIN / "ansible-inventory", "-i", tmp_path / "inventory.yml", "--list", "--export", **given
    )


def test_openssl_lets_tls_1_0_pass(context: Path, tmp_path: Path) -> None:
    step = next(step for step in steps_of(context, "opsmgr-openssl.cnf") if step.startswith("printf"))
    told, key = tmp_path / "openssl.cnf", tmp_path / "key.pem"
    subprocess.run(["sh", "-euc", step.replace("/etc/opsmgr-openssl.cnf", str(told))], check=True)
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-subj", "/CN=sql1", "-keyout", key, "-out", key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(key)
    server.set_ciphers("DEFAULT:@SECLEVEL=0")
    server.minimum_version = server.maximum_version = ssl.TLSVersion.TLSv1
    with socket.create_server((f"{network()}.0.2", 0)) as listener:
        Thread(target=greet, args=(server, listener), daemon=True).start()
        place = ":".join(map(str, listener.getsockname()))
        said = subprocess.run(
            ["openssl", "s_client", "-connect", place],
            env={**os.environ, "OPENSSL_CONF": str(told)},
            input=b"",
            capture_output=True,
            timeout=60,
            check=False,
        ).stdout.decode()
    assert re.search(r"Protocol *: TLSv1$", said, re.M), said
    assert "OPSMGR_SQL_TLS_1_0=yes" in "".join(steps_of(context, "OPENSSL_CONF="))


def greet(server: ssl.SSLContext, listener: socket.socket) -> None:
    with suppress(OSError), server.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.recv(1)
