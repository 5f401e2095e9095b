"""Start optuna-dashboard over the sweep's storage, on this machine's loopback address only.

It has no password and can change a study, so it listens on 127.0.0.1; from elsewhere, reach it through ``ssh -L``.
"""

import socket
from importlib.util import find_spec

from atft.errors import InputError
from atft.process.console import plain_console
from atft.search.show.arguments import sweep_arguments
from atft.search.study.storage import open_storage, storage_errors
from atft.search.study.study import open_study

LOOPBACK = "127.0.0.1"


def run(arguments: list[str]) -> int:
    """Serve the dashboard until it is interrupted."""
    options, sweep = sweep_arguments("dashboard", (__doc__ or "").partition("\n")[0], arguments)
    if find_spec("optuna_dashboard") is None:
        raise InputError("dashboard: optuna-dashboard is not installed; run: pip install 'atft[dashboard]'")
    with storage_errors(sweep):
        open_study(sweep)  # raises where there is none
    check_free(options.port)
    from optuna_dashboard import run_server

    plain_console().print(f"http://{LOOPBACK}:{options.port}  (Ctrl-C ends it)")
    run_server(open_storage(sweep), host=LOOPBACK, port=options.port)
    return 0


def check_free(port: int) -> None:
    """Raise InputError where another program listens on a port, or it is not allowed."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"dashboard: port {port} cannot be used ({error}); give another --port"
            ) from error
