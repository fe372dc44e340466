# Copyright (c) 2026, opsmgr.recovery contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clustered root management server: its services, its registry, and how the role leaves and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from unit.lab.cluster_prompt import ALL_RUN, NONE_RUNS, cluster, settled, where
from unit.lab.opsmgr_prompt import (
    DIRECTORY,
    Ended,
    carry_key,
    group_of,
    provide_tools,
    quick_lab,
    run,
    settings,
    states,
)

from lab.faults import Fault
from lab.lab import Lab
from lab.opsmgr.installation import CLUSTER, GROUPS
from lab.opsmgr.key import new_key

TOOL = "ManagementServerConfigTool"
VIRTUAL, DEATHSTING, CASTOR = "RMSVS.odyssey.com", "deathsting.odyssey.com", "castor.odyssey.com"
GROUP_KEY = f"{GROUPS}\\ODYSSEY"
FIRST = f"{TOOL} InstallCluster /vs:rmsvs /disk:X:"
FURTHER = f"{TOOL} AddRMSNode /vs:rmsvs /disk:X:"
SETUP = (
    "start /wait msiexec /i D:\\Server\\amd64\\MOM.msi /qn ADDLOCAL=MOMServer MANAGEMENT_GROUP=ODYSSEY "
    "MOM_DB_SERVER=thunder.odyssey.com ACTIONS_USE_COMPUTER_ACCOUNT=1 SDK_USE_COMPUTER_ACCOUNT=1"
)


@pytest.fixture
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """odyssey-cluster, where deathsting has tools and key; a parameter is a topology's overrides."""
    with quick_lab("odyssey-cluster", **getattr(request, "param", {})) as made:
        provide_tools(made, "castor", "pollux", "deathsting")
        carry_key(made, "castor", "deathsting")
        yield made


def promote(lab: Lab, host: str, *, delete: bool = False) -> Ended:
    return run(lab, host, f"{TOOL} PromoteRMS /DeleteExistingRMS:{str(delete).lower()}", "Y\r")


def events(lab: Lab, host: str) -> set[int]:
    return {event["id"] for event in lab.hosts[host].event_log}


# Who is the root


def test_the_root_is_the_virtual_server_and_every_node_says_root(lab: Lab) -> None:
    group = group_of(lab)
    assert group["rms"] == VIRTUAL
    assert group["servers"] == [VIRTUAL, CASTOR, DEATHSTING, "jupiter.odyssey.com", "pollux.odyssey.com"]
    assert (group["roles"]["castor"], group["roles"]["pollux"]) == ("rms", "rms")
    assert group["key"] == {"castor": "right", "pollux": "right", "deathsting": "right", "jupiter": "none"}
    assert group["cluster_damaged"] is False
    assert lab.hosts["castor"].fs.is_dir("X:\\Health Service State")


@pytest.mark.parametrize("wrong", ["no_root", "parent"])
def test_a_node_whose_registry_is_wrong_cannot_be_active(lab: Lab, wrong: str) -> None:
    if wrong == "no_root":
        lab.hosts["pollux"].registry.set(GROUP_KEY, "IsRootHealthService", 0)
    else:
        lab.installation("pollux").set_parent(VIRTUAL)
    cluster(lab, "group RMS /moveto:POLLUX")
    assert where(lab) == ("CASTOR", "Online")
    assert 29104 in events(lab, "pollux")
    assert states(lab, "pollux") == NONE_RUNS


def test_nor_can_a_node_with_another_key(lab: Lab) -> None:
    lab.installation("pollux").store_key(new_key())
    cluster(lab, "group RMS /moveto:POLLUX")
    assert where(lab) == ("CASTOR", "Online")
    assert 26380 in events(lab, "pollux")


def test_with_no_right_key_anywhere_the_group_fails(lab: Lab) -> None:
    cluster(lab, "group RMS /offline")
    for node in ("castor", "pollux"):
        lab.installation(node).store_key(new_key())
    cluster(lab, "group RMS /online")
    group = settled(lab)
    assert (group["node"], group["state"]) == ("POLLUX", "Failed")
    assert group["resources"]["OMSDK"]["state"] == "Failed"
    assert group["resources"]["HealthService"]["state"] == "Online"


# The role leaves


def test_the_role_leaves_for_a_while_and_comes_back(lab: Lab) -> None:
    cluster(lab, "group RMS /offline")
    assert promote(lab, "deathsting").exit_code == 0
    assert group_of(lab)["rms"] == DEATHSTING
    assert VIRTUAL in group_of(lab)["servers"]
    assert "disk 'X:' is not online" in promote(lab, "castor").out
    for resource in ("RMS Disk", "RMS Name"):
        assert cluster(lab, f'resource "{resource}" /online').exit_code == 0
    assert promote(lab, "castor").exit_code == 0
    assert states(lab, "castor") == NONE_RUNS
    assert cluster(lab, "group RMS /online").exit_code == 0
    assert where(lab) == ("CASTOR", "Online")
    group = group_of(lab)
    assert (group["rms"], group["cluster_damaged"]) == (VIRTUAL, False)
    assert states(lab, "castor") == ALL_RUN


def test_the_health_service_of_a_node_meanwhile_is_damage(lab: Lab) -> None:
    cluster(lab, "group RMS /offline")
    promote(lab, "deathsting")
    assert group_of(lab)["cluster_damaged"] is False
    cluster(lab, "group RMS /online")
    assert where(lab) == ("POLLUX", "Failed")
    assert group_of(lab)["cluster_damaged"] is True


def test_the_virtual_server_is_the_root_and_is_not_promoted(lab: Lab) -> None:
    assert "already the Root Management Server" in promote(lab, "castor").out


def deleted_and_castor_root(lab: Lab) -> None:
    """The clustered root is deleted, and castor, set up again, is a root by itself."""
    cluster(lab, "group RMS /offline")
    promote(lab, "deathsting", delete=True)
    lab.hosts["castor"].registry.delete(CLUSTER)
    castor = lab.installation("castor")
    castor.set_root(False)
    castor.set_parent(DEATHSTING)
    promote(lab, "castor")
    for resource in ("RMS Disk", "RMS Name"):
        cluster(lab, f'resource "{resource}" /online')


def test_a_deleted_virtual_server_is_gone_for_good(lab: Lab) -> None:
    cluster(lab, "group RMS /offline")
    assert promote(lab, "deathsting", delete=True).exit_code == 0
    assert VIRTUAL not in group_of(lab)["servers"]
    cluster(lab, 'resource "RMS Disk" /online')
    assert "not listed" in promote(lab, "castor").out


def test_sp1_cannot_create_it_again(lab: Lab) -> None:
    deleted_and_castor_root(lab)
    ended = run(lab, "castor", FIRST, "Y\r")
    assert (ended.exit_code, "cannot create it again" in ended.out) == (1, True)


@pytest.mark.parametrize("lab", [{"defaults": {"version": "R2"}}], indirect=True)
def test_r2_can(lab: Lab) -> None:
    deleted_and_castor_root(lab)
    assert run(lab, "castor", FIRST, "Y\r").exit_code == 0
    assert group_of(lab)["rms"] == VIRTUAL


# The clustered root is made


@pytest.fixture
def new(request: pytest.FixtureRequest) -> Iterator[Lab]:
    """odyssey-cluster-new with Operations Manager on both nodes: castor is the root of a group that is as new, and the
    services are resources.
    """
    quick = {"setup_seconds": 0.02, **getattr(request, "param", {})}
    with quick_lab("odyssey-cluster-new", **settings(**quick)) as made:
        for node in ("castor", "pollux"):
            assert run(made, node, SETUP, cwd="C:\\").exit_code == 0
        provide_tools(made, "castor", "pollux")
        carry_key(made, "castor", "pollux")
        add_resources(made)
        # A service that was started looks around for a moment before it has its session.
        made.settle()
        yield made


def add_resources(lab: Lab) -> None:
    for name in ("HealthService", "OMSDK", "OMCFG"):
        lines = [
            f'resource {name} /create /group:RMS /type:"Generic Service"',
            f"resource {name} /priv ServiceName={name} UseNetworkName=1",
            f'resource {name} /adddep:"RMS Disk"',
            f'resource {name} /adddep:"RMS Name"',
            *([] if name == "HealthService" else [f"resource {name} /adddep:HealthService"]),
        ]
        for line in lines:
            assert cluster(lab, line).exit_code == 0, line


def test_a_cluster_without_operations_manager_waits_for_it() -> None:
    with quick_lab("odyssey-cluster-new") as lab:
        assert where(lab) == ("CASTOR", "Online")
        group = group_of(lab)
        assert (group["rms"], group["servers"], group["run_as"]) == (None, [], {"deathsting": {}, "jupiter": {}})
        assert not lab.installation("castor").is_management_server
        assert set(lab.hosts["thunder"].fs.listdir(lab.sql["thunder"].folder + "\\Backup")) == {
            "OperationsManager.bak",
            "RMS-key.bin",
        }


def test_the_first_server_that_is_set_up_is_the_root(new: Lab) -> None:
    group = group_of(new)
    assert (group["rms"], group["servers"]) == (CASTOR, [CASTOR, "pollux.odyssey.com"])
    assert (group["roles"]["castor"], group["roles"]["pollux"]) == ("rms", "management_server")
    assert states(new, "castor")["OMSDK"] == ("running", "auto")


@pytest.mark.parametrize("missing", ["HealthService", "OMSDK", "OMCFG"])
def test_the_services_are_resources_before(new: Lab, missing: str) -> None:
    new.clusters["gemini"].resource("OMSDK").depends.remove("HealthService")
    new.clusters["gemini"].resource("OMCFG").depends.remove("HealthService")
    assert cluster(new, f"resource {missing} /delete").exit_code == 0
    before = new.dump()
    ended = run(new, "castor", FIRST, "Y\r")
    assert (ended.exit_code, missing in ended.out, "Type Y" in ended.out) == (1, True, False)
    assert new.dump() == before


def test_a_resource_of_another_kind_or_for_another_service_will_not_do(new: Lab) -> None:
    assert cluster(new, "resource OMCFG /priv ServiceName=W3SVC").exit_code == 0
    assert "service OMCFG" in run(new, "castor", FIRST, "Y\r").out


@pytest.mark.parametrize(("version", "exit_code"), [("SP1", 1), ("R2", 0)])
def test_only_r2_clusters_a_group_that_exists(version: str, exit_code: int) -> None:
    overrides = {"defaults": {"version": version}}
    with quick_lab("odyssey-cluster", **overrides) as made:
        provide_tools(made, "castor")
        cluster(made, "group RMS /offline")
        made.hosts["castor"].registry.delete(CLUSTER)
        made.installation("castor").set_root(False)
        made.installation("castor").set_parent(VIRTUAL)
        promote(made, "castor")
        for resource in ("RMS Disk", "RMS Name"):
            cluster(made, f'resource "{resource}" /online')
        ended = run(made, "castor", FIRST, "Y\r")
        assert (ended.exit_code, "only when" in ended.out) == (exit_code, version == "SP1")


def test_a_clustered_root_is_made_and_the_old_group_comes_back(new: Lab) -> None:
    ended = run(new, "castor", FIRST, "Y\r")
    assert (ended.exit_code, "irreversible damage" in ended.out) == (0, True)
    assert new.hosts["castor"].fs.is_dir("X:\\Health Service State")
    assert run(new, "pollux", FURTHER, "Y\r").exit_code == 0
    assert cluster(new, "group RMS /online").exit_code == 0
    assert where(new) == ("CASTOR", "Online")
    assert cluster(new, "group RMS /moveto:POLLUX").exit_code == 0
    assert where(new) == ("POLLUX", "Online")
    assert group_of(new)["rms"] == VIRTUAL

    cluster(new, "group RMS /offline")
    restore_what_is_left(new)
    cluster(new, "group RMS /online:CASTOR")
    assert where(new) == ("CASTOR", "Online")
    group = group_of(new)
    assert group["key"] == {"castor": "right", "pollux": "right", "deathsting": "none", "jupiter": "none"}
    assert len(group["run_as"]["castor"]) == 4
    assert cluster(new, "group RMS /moveto:POLLUX").exit_code == 0
    assert where(new) == ("POLLUX", "Online")
    assert group_of(new)["cluster_damaged"] is False


def restore_what_is_left(lab: Lab) -> None:
    """The old database, and the old key on both nodes."""
    folder = lab.sql["thunder"].folder + "\\Backup"
    for host in ("deathsting", "jupiter"):
        lab.hosts[host].services.stop("HealthService")
        lab.hosts[host].services.settle()
    with lab.sql["thunder"].connect("test", "master") as session:
        session.execute(
            f"RESTORE DATABASE OperationsManager FROM DISK = '{folder}\\OperationsManager.bak' WITH REPLACE"
        )
    for node in ("castor", "pollux"):
        lab.hosts[node].fs.write("C:\\key.bin", lab.hosts["thunder"].fs.read(f"{folder}\\RMS-key.bin"))
        assert run(lab, node, "SecureStorageBackup Restore C:\\key.bin", "for rehearsals only\r").exit_code == 0


@pytest.mark.parametrize("new", [{"install_cluster_asks": False}], indirect=True)
def test_the_tool_may_ask_nothing(new: Lab) -> None:
    assert run(new, "castor", FIRST).exit_code == 0
    assert run(new, "pollux", FURTHER).exit_code == 0
    assert group_of(new)["roles"]["pollux"] == "rms"
    assert not new.hosts["pollux"].registry.exists(f"{GROUP_KEY}\\Parent Health Services")
    assert states(new, "pollux") == NONE_RUNS


REFUSED = [
    ("castor", f"{TOOL} InstallCluster /vs:rmsvs", {}, "Usage: ManagementServerConfigTool.exe"),
    ("castor", f"{TOOL} InstallCluster /vs:rmsvs /disk:X: /force:true", {}, "'/force:true' is not valid"),
    ("castor", f"{TOOL} InstallCluster /vs:rmsvs /disk:X: /disk:Y:", {}, "'/disk:Y:' is not valid"),
    ("castor", f"{TOOL} InstallCluster /vs:hector /disk:X:", {}, "no Network Name resource for 'hector'"),
    ("castor", f"{TOOL} InstallCluster /vs:rmsvs /disk:Q:", {}, "'Q:' is no Physical Disk resource"),
    ("castor", FIRST, {"is_admin": False}, "Administrators group"),
    ("pollux", FIRST, {}, "not the Root Management Server"),
    ("pollux", FURTHER, {}, "is castor.odyssey.com, not RMSVS.odyssey.com"),
]


def test_what_is_refused_is_refused_before_the_question(new: Lab) -> None:
    before = new.dump()
    for host, line, how, words in REFUSED:
        ended = run(new, host, line, "Y\r", **how)
        assert (ended.exit_code, words in ended.out) == (1, True), (line, ended)
        assert "Type Y" not in ended.out
    assert new.dump() == before


def test_any_other_answer_changes_nothing(new: Lab) -> None:
    before = new.dump()
    assert "No changes have been made" in run(new, "castor", FIRST, "n\r").out
    assert new.dump() == before


def test_a_disk_resource_s_name_will_do_and_the_disk_must_be_here(new: Lab) -> None:
    cluster(new, "group RMS /moveto:POLLUX")
    line = f'{TOOL} InstallCluster /vs:RMSVS /disk:"RMS Disk"'
    assert "disk 'RMS Disk' is not online" in run(new, "castor", line, "Y\r").out
    cluster(new, "group RMS /moveto:CASTOR")
    assert run(new, "castor", line, "Y\r").exit_code == 0
    assert "already a node" in run(new, "castor", line, "Y\r").out


def test_a_node_without_the_key_or_the_cluster_service_is_refused(new: Lab) -> None:
    run(new, "castor", FIRST, "Y\r")
    new.hosts["pollux"].registry.delete("HKLM\\SOFTWARE\\Microsoft\\Microsoft Operations Manager\\3.0\\MOMBins")
    assert "have not been restored" in run(new, "pollux", FURTHER, "Y\r").out
    carry_key(new, "castor", "pollux")
    new.hosts["pollux"].services.stop("ClusSvc")
    new.hosts["pollux"].services.settle()
    assert "cluster service is not running" in run(new, "pollux", FURTHER, "Y\r", cwd=DIRECTORY).out


@pytest.mark.parametrize("place", ["before-change", "after-database"])
def test_a_tool_that_died_half_way_is_run_again(new: Lab, place: str) -> None:
    new.faults.add(Fault("castor", "command", f"{TOOL}:{place}", "drop"))
    assert run(new, "castor", FIRST, "Y\r").exit_code != 0
    assert group_of(new)["rms"] == (CASTOR if place == "before-change" else VIRTUAL)
    assert run(new, "castor", FIRST, "Y\r").exit_code == 0
    assert group_of(new)["rms"] == VIRTUAL
    assert states(new, "castor") == NONE_RUNS
