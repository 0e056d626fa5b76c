"""Where cells run side by side: processes of this machine, or a Ray or Dask cluster, by joblib."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import joblib

from lit_causalmix.errors import ConfigurationError


def share_of_cores(jobs: int) -> int:
    """Threads for each of so many processes on this machine, at least one."""
    cores: int = joblib.cpu_count()
    return max(1, cores // jobs)


@contextmanager
def side_by_side(name: str, *, jobs: int, address: str | None) -> Iterator[None]:
    """Makes joblib run its tasks on a backend.

    Args:
        name: One of `BACKENDS`.
        jobs: Cells at once.
        address: Of a running cluster; None starts a cluster of `jobs` workers on this machine.

    Raises:
        ConfigurationError: For a backend that there is not, or that is not installed.
    """
    if name not in BACKENDS:
        raise ConfigurationError(f"backend is one of {', '.join(BACKENDS)}, got {name!r}")
    with BACKENDS[name](jobs, address):
        yield


@contextmanager
def _loky(jobs: int, address: str | None) -> Iterator[None]:
    if address is not None:
        raise ConfigurationError("an address belongs to the backends ray and dask")
    threads = share_of_cores(jobs)
    with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=threads):
        yield


@contextmanager
def _ray(jobs: int, address: str | None) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise _not_installed("ray") from error
    local = {"num_cpus": jobs} if address is None else {"address": address}
    ray.init(**local, log_to_driver=False, include_dashboard=False)
    try:
        register_ray()
        with joblib.parallel_config("ray", n_jobs=jobs):
            yield
    finally:
        ray.shutdown()


@contextmanager
def _dask(jobs: int, address: str | None) -> Iterator[None]:
    try:
        from distributed import Client
    except ImportError as error:
        raise _not_installed("dask") from error
    local: dict[str, Any] = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    with (
        Client(**local) if address is None else Client(address),
        joblib.parallel_config("dask", n_jobs=jobs),
    ):
        yield


def _not_installed(extra: str) -> ConfigurationError:
    return ConfigurationError(
        f"the backend {extra} is not installed: pip install 'lit-causalmix[{extra}]'"
    )


BACKENDS: Mapping[str, Callable[[int, str | None], AbstractContextManager[None]]] = {
    "loky": _loky,
    "ray": _ray,
    "dask": _dask,
}
"""Backends by name; a new one is one entry."""
