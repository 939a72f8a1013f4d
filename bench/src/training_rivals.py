"""The Python sides of the training benchmark, each as a process: duckdb|polars JOBFILE (see training.ts)."""

import json
import os
import resource
import sys
import time


def with_duckdb(job):
    import duckdb

    start = time.perf_counter()
    connection = duckdb.connect(":memory:", config={"threads": job["threads"]})
    connection.execute(job["sql"])
    connection.close()
    return time.perf_counter() - start, duckdb.__version__


def with_polars(job):
    os.environ["POLARS_MAX_THREADS"] = str(job["threads"])
    import polars

    start = time.perf_counter()
    frame = polars.scan_parquet(job["labels"]).sort("at")
    for group in job["groups"]:
        columns = ["account", "event_timestamp", *group["features"]]
        history = polars.scan_parquet(group["file"]).select(columns).set_sorted("event_timestamp")
        frame = frame.join_asof(
            history,
            left_on="at",
            right_on="event_timestamp",
            by="account",
            strategy="backward",
            coalesce=True,
            check_sortedness=False,
        ).drop("event_timestamp")
    frame.collect().write_parquet(job["out"], compression="uncompressed", statistics=False)
    return time.perf_counter() - start, polars.__version__


def peak_bytes():
    """The kernel's mark of this program; what getrusage says includes the process that started it."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    with open(sys.argv[2]) as file:
        work, version = {"duckdb": with_duckdb, "polars": with_polars}[sys.argv[1]](json.load(file))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu = usage.ru_utime + usage.ru_stime
    print(json.dumps({"work": work, "cpu": cpu, "peak": peak_bytes(), "version": version}))
