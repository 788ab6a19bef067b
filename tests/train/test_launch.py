from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from alignkit.train._launch import Launch, first_host, read_launch

#: As srun writes it for task 5 of 8 on two machines.
SLURM = {
    "SLURM_JOB_ID": "123456",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07,12]",
}


def test_a_process_that_nobody_started_is_alone():
    assert read_launch({}) == Launch(rank=0, world_size=1, local_rank=0, launcher="nobody")


def test_torchrun():
    found = read_launch({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"})
    assert found == Launch(rank=3, world_size=4, local_rank=1, init_method="env://", launcher="torchrun")


def test_torchrun_inside_a_slurm_job():
    assert read_launch({**SLURM, "RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}).launcher == "torchrun"


def test_srun():
    found = read_launch(SLURM)
    assert found == Launch(rank=5, world_size=8, local_rank=1, init_method="tcp://gpu07:32956", launcher="srun")
    own = read_launch({**SLURM, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1234"})
    assert own.init_method == "tcp://10.0.0.1:1234"


def test_a_batch_script_and_an_interactive_shell_of_slurm_are_alone():
    assert read_launch({"SLURM_JOB_ID": "1", "SLURM_NTASKS": "8", "SLURM_PROCID": "0"}).world_size == 1
    assert read_launch({**SLURM, "SLURM_STEP_NUM_TASKS": "1"}).world_size == 1


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("localhost", "localhost"),
        ("gpu3,gpu4", "gpu3"),
        ("gpu[003-005,9],login1", "gpu003"),
        ("rack[1-2]n[07,09]", "rack1n07"),
        ("a-b-1", "a-b-1"),
        ("n[5]", "n5"),
    ],
)
def test_the_first_machine_of_a_list(nodes, first):
    assert first_host(nodes) == first


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"RANK": "x", "WORLD_SIZE": "2"}, r"RANK must be a whole number; got 'x'"),
        ({"RANK": "0", "WORLD_SIZE": "-2"}, r"WORLD_SIZE must be a whole number; got '-2'"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, r"torchrun says that this is process RANK=2 of WORLD_SIZE=2"),
        ({"RANK": "0", "WORLD_SIZE": "0"}, r"start all processes by one command"),
        ({**SLURM, "SLURM_PROCID": "9"}, r"srun says that this is process SLURM_PROCID=9"),
    ],
)
def test_numbers_that_do_not_fit(environ, text):
    with pytest.raises(ValueError, match=text):
        read_launch(environ)


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.mark.parametrize("name", ["slurm_single_node.sh", "slurm_multi_node.sh"])
def test_scripts_for_clusters_are_bash_and_name_settings_that_there_are(name):
    from alignkit.train.hba.config import HBAConfig

    path = EXAMPLES / name
    if not path.exists() or not shutil.which("bash"):
        pytest.skip("the examples are not beside the tests, or there is no bash")
    subprocess.run(["bash", "-n", path], check=True, timeout=60)
    command = path.read_text().rpartition("-m alignkit train hba")[2].replace("\\\n", "").partition("\n")[0]
    flags = [flag.replace("-", "_") for flag in re.findall(r"--([a-z.-]+)", command)]
    known = {field.name for field in dataclasses.fields(HBAConfig)}
    known |= {f"loop.{field.name}" for field in dataclasses.fields(HBAConfig().loop)}
    assert flags
    assert {flag.replace("loop.no_", "loop.") for flag in flags} <= known
