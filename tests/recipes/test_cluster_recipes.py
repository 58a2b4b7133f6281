"""recipes/cluster: the command lines are ones that exist, Slurm's script under stand-ins, the manifest's TF_CONFIG."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tyro
import yaml

from tfconv.kinds.images.options import TrainImages
from tfconv.training.distribution.cluster import resolver_from_environment

FOLDER = Path(__file__).parents[2] / "recipes" / "cluster"


def settings(arguments):
    """The settings that `tfconv train images` takes from the arguments."""
    program, *verb = arguments[:3]
    assert (program, verb) == ("tfconv", ["train", "images"])
    return tyro.cli(TrainImages, args=arguments[3:], config=(tyro.conf.FlagCreatePairsOff,))


def stand_in(folder, name, code):
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!{sys.executable}\nimport json, os, subprocess, sys\n{code}")
    path.chmod(0o755)


@pytest.fixture
def sbatch(tmp_path):
    """Runs slurm.sh as sbatch would, with stand-ins that note what they are called with."""
    stand_in(tmp_path, "scontrol", "open('scontrol', 'w').write(' '.join(sys.argv[1:]))")
    stand_in(tmp_path, "tfconv", "open('tfconv', 'w').write(json.dumps(sys.argv)); sys.exit(int(os.environ['ENDS']))")
    stand_in(
        tmp_path,
        "srun",
        "open('srun', 'w').write(os.environ['SRUN_CPUS_PER_TASK'])\n"
        "command = [word for i, word in enumerate(sys.argv[1:]) if 'tfconv' in sys.argv[1 : i + 2]]\n"
        "sys.exit(subprocess.run(command).returncode)",
    )

    def run(*arguments, ends=0):
        variables = {"SLURM_JOB_ID": "71", "SLURM_CPUS_PER_TASK": "8", "ENDS": str(ends)}
        environment = {**os.environ, **variables, "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(
            ["bash", FOLDER / "slurm.sh", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )

    return run


def test_slurm_command_is_one_that_exists(sbatch, tmp_path):
    assert sbatch("my photos", "runs/a", "--epochs", "30").returncode == 0
    words = json.loads((tmp_path / "tfconv").read_text())
    found = settings(["tfconv", *words[1:]])
    assert (found.data, found.run, found.epochs) == ("my photos", Path("runs/a"), 30)
    assert found.resume and found.strategy == "multiworker"
    assert (tmp_path / "srun").read_text() == "8" and not (tmp_path / "scontrol").exists()


@pytest.mark.parametrize("ends", [143, 1, 137])
def test_slurm_job_is_queued_again_after_a_checkpoint_only(ends, sbatch, tmp_path):
    assert sbatch("photos", "runs/a", ends=ends).returncode == ends
    assert (tmp_path / "scontrol").exists() == (ends == 143)
    if ends == 143:
        assert (tmp_path / "scontrol").read_text() == "requeue 71"


def test_slurm_script_says_what_it_needs(sbatch):
    done = sbatch("photos")
    assert done.returncode == 2 and done.stderr.startswith("usage: sbatch slurm.sh DATA RUN")


@pytest.fixture(scope="module")
def manifest():
    volume, service, job = yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text("utf-8"))
    assert [part["kind"] for part in (volume, service, job)] == ["PersistentVolumeClaim", "Service", "Job"]
    return volume, service, job


def test_kubernetes_command_is_one_that_exists(manifest):
    (container,) = manifest[2]["spec"]["template"]["spec"]["containers"]
    found = settings(container["command"] + container["args"])
    assert found.resume and found.strategy == "multiworker"
    (mount,) = container["volumeMounts"]
    assert all(Path(mount["mountPath"]) in Path(path).parents for path in (found.data, found.run))


def test_kubernetes_names_fit_together(manifest):
    volume, service, job = manifest
    pod = job["spec"]["template"]["spec"]
    assert pod["subdomain"] == service["metadata"]["name"] and service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": job["metadata"]["name"]}
    (mount,), (claim,) = pod["containers"][0]["volumeMounts"], pod["volumes"]
    assert mount["name"] == claim["name"]
    assert claim["persistentVolumeClaim"]["claimName"] == volume["metadata"]["name"]


def test_kubernetes_tf_config_names_each_pod(manifest, monkeypatch):
    _, service, job = manifest
    spec = job["spec"]
    variables = {entry["name"]: entry for entry in spec["template"]["spec"]["containers"][0]["env"]}
    assert list(variables).index("WORKER") < list(variables).index("TF_CONFIG")  # else it is not put in
    hosts = [f"{job['metadata']['name']}-{i}.{service['metadata']['name']}" for i in range(spec["completions"])]
    assert spec["completionMode"] == "Indexed" and spec["parallelism"] == spec["completions"]
    for index in range(spec["completions"]):
        monkeypatch.setenv("TF_CONFIG", variables["TF_CONFIG"]["value"].replace("$(WORKER)", str(index)))
        resolver = resolver_from_environment()
        assert (resolver.task_type, resolver.task_id) == ("worker", index)
        port = service["spec"]["ports"][0]["port"]
        assert resolver.cluster_spec().as_dict() == {"worker": [f"{host}:{port}" for host in hosts]}
