"""python -m sink; PROCESSES of them share the partitions."""

import asyncio
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys

import uvloop

from .consumer import consume


def run() -> None:
    uvloop.run(_until_terminated())


async def _until_terminated() -> None:
    loop, working = asyncio.get_running_loop(), asyncio.current_task()

    def terminate() -> None:
        # Once: what follows is the way out of the group.
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
        working.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    with contextlib.suppress(asyncio.CancelledError):
        await consume()


def supervise(count: int) -> int:
    """Ends with the first that ends, or when it is told to."""
    processes = [multiprocessing.Process(target=run) for _ in range(count)]
    for process in processes:
        process.start()

    def terminate(*_: object) -> None:
        for process in processes:
            process.terminate()

    signal.signal(signal.SIGTERM, terminate)
    multiprocessing.connection.wait([process.sentinel for process in processes])
    terminate()
    for process in processes:
        process.join()
    return max(abs(process.exitcode) for process in processes)


if __name__ == "__main__":
    count = int(os.environ["PROCESSES"])
    sys.exit(supervise(count) if count > 1 else run())
