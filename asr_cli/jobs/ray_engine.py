"""Workers in a Ray cluster. Which machine each of them is on, and what becomes of lost machines, is Ray's to decide."""

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from logging import WARNING
from pathlib import Path
from typing import Any

from asr_cli.errors import UsageError
from asr_cli.jobs.engine import Tell, on_device, sized
from asr_cli.jobs.messages import Lost, Said, Setup, Task
from asr_cli.jobs.plan import Target
from asr_cli.jobs.ray_actor import RayWorker
from asr_cli.jobs.ray_cluster import connect, nodes_of, share_of

PATIENCE = 10.0  # s for a worker that was told to end
PLACING_SECONDS = 20.0  # a process of Ray's is there in one or two, if there is room for it
LOOK_EVERY_SECONDS = 5.0  # for machines that have joined


class RayEngine:
    """A worker for each few cores of the cluster, or for each GPU; `jobs` says how many instead.

    address: "HOST:PORT"; by default the cluster this machine is part of, else one of its own for as long as it takes.
    """

    def __init__(self, setup: Setup, device: str, jobs: int | None, address: str | None) -> None:
        self._ray = connect(address)
        on_gpu = device.startswith("cuda")
        nodes = nodes_of(self._ray)
        self.share = share_of(nodes, threads=setup.models.threads, jobs=jobs, on_gpu=on_gpu)
        self._can_grow = jobs is None
        self._n_setups = jobs or self.share.n_in(nodes)
        if not self._n_setups:
            raise UsageError("the Ray cluster has no GPU; leave --device cuda out, or give --jobs and wait for some")
        # Which GPU, Ray decides: a worker sees no other.
        models = on_device(setup.models, "cuda" if on_gpu else device, self.share.threads)
        self._setup = sized(replace(setup, models=models), self.share.threads)
        self._looked = time.monotonic()
        self._numbers = count(1)

    @property
    def setups(self) -> Sequence[Setup]:
        return (self._setup,) * self._n_setups

    def more(self) -> Sequence[Setup]:
        """For workers that there has come to be room for."""
        if not self._can_grow or time.monotonic() - self._looked < LOOK_EVERY_SECONDS:
            return ()
        self._looked = time.monotonic()
        n_new = max(0, self.share.n_in(nodes_of(self._ray)) - self._n_setups)
        self._n_setups += n_new
        return (self._setup,) * n_new

    def hire(self, setup: Setup, tell: Tell, /) -> "RayHand":
        kind = self._ray.remote(RayWorker).options(
            num_cpus=self.share.cores, num_gpus=self.share.gpus, max_restarts=0, max_task_retries=0,
            max_concurrency=2,  # its events, and one after the other what it is told
        )  # fmt: skip
        return RayHand(self._ray, kind.remote(setup, str(Path.cwd())), next(self._numbers), tell)

    def close(self) -> None:
        """Let go of the cluster; one of our own ends."""
        self._ray.shutdown()


class RayHand:
    """The driver's end of a worker. tell: called from a thread of its own with each event, `Lost` being the last."""

    def __init__(self, ray: Any, actor: Any, number: int, tell: Tell) -> None:
        self._ray, self._actor, self._number, self._tell = ray, actor, number, tell
        self._thread = threading.Thread(target=self._listen, daemon=True, name=f"ray worker {number}")
        self._thread.start()

    def give(self, task: Task) -> None:
        targets = tuple(self._absolute(target) for target in task.targets)
        self._actor.take.remote(replace(task, targets=targets))

    def stop(self) -> None:
        """Have it finish what is being recognised, and nothing else."""
        self._actor.stop.remote()

    def close(self) -> None:
        """End it: in good order if it can, at once if it must."""
        self._actor.close.remote()
        self._thread.join(PATIENCE)
        self.kill()
        self._thread.join(PATIENCE)

    def kill(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)

    def _absolute(self, target: Target) -> Target:
        # A machine that is lost may only be out of reach, and still write: not into its successor's file.
        partial = target.partial.absolute()
        place = partial.with_name(f"{self._number}-{partial.name}")
        return replace(target, path=target.path.absolute(), place=place)

    def _listen(self) -> None:
        try:
            stream = self._actor.events.options(num_returns="streaming").remote()
            placed, _ = self._ray.wait([self._actor.__ray_ready__.remote()], timeout=PLACING_SECONDS)
            if not placed:
                self._tell(self, Said(WARNING, "a worker waits for a machine of the Ray cluster to have room for it"))
            for event in stream:
                self._tell(self, self._ray.get(event))
            lost = Lost("ended")
        except Exception as error:  # whatever it is, it is the last that is heard of that worker
            lost = obituary(error)
        self._tell(self, lost)


def obituary(error: Exception) -> Lost:
    """What became of a worker, said shortly."""
    text = str(error)
    if type(error).__name__ == "ActorUnavailableError" or "node has died" in text:
        return Lost("lost with its machine", with_machine=True)
    if "OutOfMemory" in type(error).__name__ or "NODE_OUT_OF_MEMORY" in text:
        return Lost("ended by Ray for lack of memory")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    where = [line.replace(": ", " ") for line in lines if line.startswith(("pid: ", "ip: "))]
    if where:
        return Lost(f"found dead ({', '.join(where)})")
    return Lost(f"kept from beginning ({lines[-1] if lines else type(error).__name__})")
