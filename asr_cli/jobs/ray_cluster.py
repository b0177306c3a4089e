"""A Ray cluster: the one that is named or running, else one of this machine alone; and how much room it has."""

import logging
import os
import socket
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from asr_cli.errors import AsrError, DependencyError, UsageError
from asr_cli.jobs.engine import CORES_PER_JOB, n_cores

REACH_SECONDS = 5.0
AUTOMATIC = ("auto", "local")  # addresses that Ray itself gives a meaning
# Where models and programs are: somebody who says so means all machines.
TOLD = ("ASR_", "HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HUGGINGFACE_HUB_CACHE", "MODELSCOPE_CACHE")
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what Ray prints of a lost worker: we say so ourselves
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of a cluster, as far as Ray may use it."""

    cores: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Share:
    """What each worker gets. cores: reserved for it, `threads` unless no node has so many."""

    threads: int
    cores: int
    gpus: int

    def n_in(self, nodes: Iterable[Node]) -> int:
        """How many workers there is room for."""
        return sum(min(node.cores // self.cores, node.gpus if self.gpus else node.cores) for node in nodes)


def connect(address: str | None) -> Any:
    """The module ray, part of a cluster."""
    os.environ.update({name: value for name, value in QUIET.items() if name not in os.environ})
    try:
        import ray
    except ImportError as error:
        raise DependencyError("--engine ray needs Ray, which is not installed: pip install 'asr-cli[ray]'") from error
    check_reachable(address or os.environ.get("RAY_ADDRESS"))
    try:
        enter(ray, address)
    except (RuntimeError, ConnectionError, ValueError, ray.exceptions.RayError) as error:
        raise refused(str(error), address) from error
    return ray


def enter(ray: Any, address: str | None) -> None:
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.CRITICAL}
    variables = told(os.environ)
    try:
        # A cluster of our own inherits its variables, which saves seconds over having Ray set them. Only of such a
        # one may be said how many cores it has: Ray refuses that at once where it would join another.
        with set_to(variables):
            ray.init(address=address, num_cpus=n_cores(), **quiet)
            return
    except ValueError:
        pass
    ray.init(address=address, runtime_env={"env_vars": variables}, **quiet)


@contextmanager
def set_to(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def check_reachable(address: str | None) -> None:
    """Ray itself would try for minutes, and end the process after that."""
    if not address or address in AUTOMATIC:
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise UsageError(f"{address!r} is no address of a Ray cluster; give HOST:PORT, as `ray start --head` shows it")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AsrError(f"there is no Ray cluster at {address}: {reason}; start one with `ray start --head`") from error


def refused(reason: str, address: str | None) -> AsrError:
    """Why a cluster that answers cannot be used."""
    where = f"the Ray cluster at {address}" if address else "the Ray cluster"
    if "Version mismatch" in reason:
        versions = " ".join(reason.partition(":")[2].split())
        return AsrError(f"{where} has another version of Ray or Python ({versions}); install its versions here")
    if "not found" in reason.lower() or "node_ip_address" in reason or "raylet" in reason.lower():
        return AsrError(f"this machine is no part of {where}; run `ray start --address=HOST:PORT` here first")
    if "Failed to connect" in reason or "oken" in reason:
        return AsrError(f"{where} lets nobody in without its token, perhaps; try again with RAY_AUTH_MODE=token")
    return AsrError(f"{where} cannot be used: {' '.join(reason.split())}")


def told(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that workers on other machines need as well."""
    standard = sysconfig.get_path("stdlib")  # each machine has its own
    ours = [path for path in sys.path if "site-packages" in path or not path.startswith(standard)]
    variables = {name: value for name, value in environment.items() if name.startswith(TOLD)}
    return {**variables, "PYTHONPATH": os.pathsep.join(path for path in ours if path)}


def nodes_of(ray: Any) -> list[Node]:
    """The machines that are there now and compute."""
    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    nodes = [Node(int(resources.get("CPU", 0)), int(resources.get("GPU", 0))) for resources in found]
    return [node for node in nodes if node.cores]


def share_of(nodes: Iterable[Node], *, threads: int | None, jobs: int | None, on_gpu: bool) -> Share:
    """What suits the smallest node that can take a worker at all; a few cores each, unless it is said otherwise.

    >>> share_of([Node(8, 0), Node(2, 0)], threads=None, jobs=None, on_gpu=False)
    Share(threads=2, cores=2, gpus=0)
    >>> share_of([Node(8, 0)], threads=None, jobs=2, on_gpu=False).n_in([Node(8, 0), Node(5, 0)])
    3
    """
    fit = [node for node in nodes if node.gpus or not on_gpu] or [Node(1, 1)]
    smallest = min(node.cores // max(1, node.gpus) if on_gpu else node.cores for node in fit)
    evenly = sum(node.cores for node in fit) // jobs if jobs else CORES_PER_JOB
    suiting = threads or max(1, min(smallest, evenly))
    return Share(suiting, min(suiting, max(node.cores for node in fit)), int(on_gpu))
