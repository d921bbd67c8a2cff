"""Where independent tasks run: in this process, on workers of this machine, or on a cluster of Dask."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import logging
import os
import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from loopwire.errors import ToolError

if TYPE_CHECKING:
    from distributed import Client

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")
CONNECT_TIMEOUT_S = 20.0
UNWATCHED = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}
"""Settings of Dask for workers of this machine: nobody looks at their profiles, which take 2 % of each core."""


class Tasks(ABC, Generic[Item, Result]):
    """Runs of one function, on items that are added one after another. Iterating ends where no run is left."""

    @abstractmethod
    def add(self, item: Item) -> None:
        """Begin one more run."""

    @abstractmethod
    def __next__(self) -> tuple[int, Result]:
        """Wait for a run that ends; return its item's place among those added, and its result."""

    def __iter__(self) -> Iterator[tuple[int, Result]]:
        return self


class Workers(ABC):
    """Runs the same function on many items, each result as if it ran alone."""

    @abstractmethod
    def tasks(
        self, function: Callable[[Shared, Item], Result], shared: Shared
    ) -> AbstractContextManager[Tasks[Item, Result]]:
        """Return runs of function(shared, item); those that are left at the context's end are given up."""

    def run(
        self, function: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Yield each item's place and result, as they come."""
        with self.tasks(function, shared) as tasks:
            for item in items:
                tasks.add(item)
            yield from tasks


class Here(Workers):
    """This process."""

    @contextmanager
    def tasks(self, function: Callable[[Shared, Item], Result], shared: Shared) -> Iterator[Tasks[Item, Result]]:
        yield _Queue(function, shared)


class _Queue(Tasks[Item, Result], Generic[Shared, Item, Result]):
    def __init__(self, function: Callable[[Shared, Item], Result], shared: Shared) -> None:
        self._function, self._shared = function, shared
        self._waiting: deque[Item] = deque()
        self._done = 0

    def add(self, item: Item) -> None:
        self._waiting.append(item)

    def __next__(self) -> tuple[int, Result]:
        if not self._waiting:
            raise StopIteration
        self._done += 1
        return self._done - 1, self._function(self._shared, self._waiting.popleft())


class Threads(Workers):
    """Threads of this process, one for each core, for tasks that wait for programs which they start."""

    @contextmanager
    def tasks(self, function: Callable[[Shared, Item], Result], shared: Shared) -> Iterator[Tasks[Item, Result]]:
        pool = ThreadPoolExecutor(os.cpu_count())
        try:
            yield _ThreadTasks(pool, function, shared)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _ThreadTasks(Tasks[Item, Result], Generic[Shared, Item, Result]):
    def __init__(self, pool: Executor, function: Callable[[Shared, Item], Result], shared: Shared) -> None:
        self._pool, self._function, self._shared = pool, function, shared
        self._places: dict[Future[Result], int] = {}
        self._added = 0

    def add(self, item: Item) -> None:
        self._places[self._pool.submit(self._function, self._shared, item)] = self._added
        self._added += 1

    def __next__(self) -> tuple[int, Result]:
        if not self._places:
            raise StopIteration
        ended = next(iter(wait(self._places, return_when=FIRST_COMPLETED).done))
        return self._places.pop(ended), ended.result()


def _itself(shared: Shared) -> Shared:
    return shared


class _Cluster(Workers):
    def __init__(self, client: Client) -> None:
        self._client = client
        self._sent: tuple[Any, Any] = (None, None)

    @contextmanager
    def tasks(self, function: Callable[[Shared, Item], Result], shared: Shared) -> Iterator[Tasks[Item, Result]]:
        if self._sent[0] is not shared:
            self._sent = shared, self._hand_out(shared)
        tasks: _ClusterTasks[Item, Result] = _ClusterTasks(self._client, function, self._sent[1])
        try:
            yield tasks
        finally:
            tasks.give_up()

    def _hand_out(self, shared: Shared) -> Any:
        """Return what all tasks share, as a task: scattered data are gone with the workers that hold them."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            return self._client.submit(_itself, shared, pure=False)


class _ClusterTasks(Tasks[Item, Result]):
    def __init__(self, client: Client, function: Callable[[Any, Item], Result], shared: Any) -> None:
        from distributed import as_completed

        self._client, self._function, self._shared = client, function, shared
        self._places: dict[Any, int] = {}
        self._added = 0
        self._ended = as_completed()

    def add(self, item: Item) -> None:
        try:
            task = self._client.submit(self._function, self._shared, item, pure=False)
        except Exception:  # Dask raises this class alone, where a connection is closed
            if self._client.status == "running":
                raise
            raise _lost("the scheduler is lost") from None
        self._places[task] = self._added
        self._added += 1
        self._ended.add(task)

    def __next__(self) -> tuple[int, Result]:
        from distributed import KilledWorker

        task = next(self._ended)
        try:
            return self._places.pop(task), task.result()
        except KilledWorker as error:
            problem = f"{error.allowed_failures + 1} workers were lost, one after the other, with the same task"
        except (CancelledError, OSError):
            if task.status == "error":  # of the function itself
                raise
            problem = "the scheduler is lost"
        raise _lost(problem)

    def give_up(self) -> None:
        if self._client.status == "running":
            self._client.cancel(list(self._places))


def _lost(problem: str) -> ToolError:
    return ToolError("workers", problem, "Start them again; a search with a journal goes on from there")


def in_order(
    workers: Workers, function: Callable[[Shared, Item], Result], shared: Shared, items: Sequence[Item]
) -> list[Result]:
    """Return the results of all items, in their order."""
    found = dict(workers.run(function, shared, items))
    return [found[place] for place in range(len(items))]


@contextmanager
def workers(count: int | None = None, scheduler: str | None = None) -> Iterator[Workers | None]:
    """Give workers; None where neither argument is given: each task has its own way to run in this process.

    Args:
        count: processes of this machine.
        scheduler: instead: the address of a Dask scheduler that runs, such as 'tcp://host:8786'.

    Raises:
        ToolError: Dask is missing, the scheduler cannot be reached, has no workers, or has some of another version.
    """
    if count is None and scheduler is None:
        yield None
        return
    if importlib.util.find_spec("distributed") is None:
        raise ToolError(
            "workers", "the Python package distributed is missing", "Install it: pip install 'loopwire[explore]'"
        )
    with _quiet(), _client(count, scheduler) as client:
        yield _Cluster(client)


@contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask log nothing: what it cannot do is an error of ours."""
    log = logging.getLogger("distributed")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@contextmanager
def _client(count: int | None, scheduler: str | None) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster

    if scheduler is None:
        with (
            dask.config.set(UNWATCHED),
            LocalCluster(
                n_workers=0, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=40
            ) as cluster,
            Client(cluster) as client,
        ):
            cluster.scale(count)  # does not wait for them
            yield client
        return
    try:
        connected = Client(scheduler, timeout=CONNECT_TIMEOUT_S)
    except (OSError, ValueError) as error:
        problem = f"no scheduler answers within {CONNECT_TIMEOUT_S:g} s ({type(error).__name__})"
        remedy = "Start one: dask scheduler; and workers: dask worker ADDRESS"
        raise ToolError(f"scheduler {scheduler}", problem, remedy) from None
    with connected as client:
        _check_versions(client, scheduler)
        yield client


def _check_versions(client: Client, scheduler: str) -> None:
    ours = version("loopwire")
    theirs = client.run(importlib.metadata.version, "loopwire", on_error="return")
    if not theirs:
        raise ToolError(f"scheduler {scheduler}", "it has no workers", f"Start one: dask worker {scheduler}")
    for worker, found in theirs.items():
        if found != ours:
            problem = f"worker {worker} has {f'Loopwire {found}' if isinstance(found, str) else 'no Loopwire'}"
            raise ToolError(f"scheduler {scheduler}", f"{problem}; this is {ours}", "Install the same version on all")
