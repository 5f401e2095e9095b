"""One writer at a time on sqlite: what ``SELECT ... FOR UPDATE`` does for other databases.

Optuna changes a trial's state in two steps: read it under a row lock, then write. sqlite knows no row lock, so
two workers can both take the same waiting trial (measured: three processes took 8 of 60 trials twice), and a
trial can be failed and completed at once. Here each transaction takes sqlite's one write lock before it reads.
That costs nothing that is felt: a transaction lasts milliseconds, and whoever waits is let in within a minute.
"""

from typing import Any

from optuna.storages import RDBStorage


def one_at_a_time(storage: RDBStorage) -> None:
    """Let each transaction of this storage start with ``BEGIN IMMEDIATE``; other databases are left alone.

    Args:
        storage: just made, before any study is opened with it.
    """
    from sqlalchemy import event

    if storage.engine.dialect.name != "sqlite":
        return

    def leave_transactions_to_us(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # else Python's sqlite3 begins on its own, at the first write

    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(storage.engine, "connect", leave_transactions_to_us)
    event.listen(storage.engine, "begin", begin)
    storage.engine.dispose()  # connections that were made before know nothing of this
