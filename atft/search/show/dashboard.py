"""`sweep.py dashboard`: optuna-dashboard over the sweep's storage, on this machine's loopback only.

It has no password and can change a study, so it listens on 127.0.0.1; from elsewhere, reach it through ``ssh -L``.
"""

import argparse
from importlib.util import find_spec
from pathlib import Path

from atft.errors import InputError

LOOPBACK = "127.0.0.1"


def run(arguments: list[str]) -> int:
    """Serve the dashboard until it is interrupted.

    Args:
        arguments: what follows ``sweep.py dashboard``.

    Raises:
        InputError: there is no such sweep or study, optuna-dashboard is not installed, or the port is taken.
    """
    parser = argparse.ArgumentParser("sweep.py dashboard", description=__doc__.partition("\n")[0])
    parser.add_argument("--config", required=True, type=Path, help="the sweep, for instance hpo/quick.yaml")
    parser.add_argument("--storage", help="URL of the storage, in place of the sweep's")
    parser.add_argument("--port", type=int, default=8080, help="port on the loopback address")
    given = parser.parse_args(arguments)
    if find_spec("optuna_dashboard") is None:
        raise InputError("dashboard: optuna-dashboard is not installed; run: pip install 'atft[dashboard]'")
    from rich.console import Console

    from atft.search.question.options import read_sweep
    from atft.search.study.study import open_storage, open_study

    changes = {"storage": given.storage} if given.storage else {}
    sweep = read_sweep(given.config, changes)
    open_study(sweep, create=False)  # says so where there is none
    refuse_taken(given.port)
    from optuna_dashboard import run_server

    Console(highlight=False).print(f"http://{LOOPBACK}:{given.port}  (Ctrl-C ends it)")
    run_server(open_storage(sweep), host=LOOPBACK, port=given.port)
    return 0


def refuse_taken(port: int) -> None:
    """Refuse a port that another program listens on.

    Raises:
        InputError: the port is taken or not allowed.
    """
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"dashboard: port {port} cannot be used ({error}); give another --port"
            ) from error
