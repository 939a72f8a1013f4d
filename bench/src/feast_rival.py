"""The rival's side of the HTTP benchmark: makes a Feast repository with Redis behind it, or serves it.

    feast_rival.py fill FOLDER REDIS_PORT USERS GROUPS FEATURES
    feast_rival.py serve FOLDER PORT

`fill` writes the definitions and one row per user and group, straight into the online store; `serve` is Feast's own server.
"""

import os
import sys
from datetime import datetime, timedelta, timezone

os.environ.setdefault("FEAST_USAGE", "False")


def value_of(user, group, at):
    """The same value as in lookup-data.ts."""
    return user + group * 0.125 + at / 1024


def fill(folder, redis_port, users, groups, features):
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
    from feast.types import Float64
    from feast.value_type import ValueType

    os.makedirs(folder, exist_ok=True)
    config = f"""project: bench
registry: {folder}/registry.db
provider: local
online_store:
  type: redis
  connection_string: "127.0.0.1:{redis_port}"
offline_store:
  type: file
entity_key_serialization_version: 3
"""
    with open(os.path.join(folder, "feature_store.yaml"), "w") as file:
        file.write(config)
    now = datetime.now(timezone.utc)
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
    views = []
    for group in range(groups):
        names = [f"group_{group}_value_{at}" for at in range(features)]
        path = os.path.join(folder, f"group_{group}.parquet")
        frame = {"user": [f"u{number:08d}" for number in range(users)], "event_timestamp": [now] * users}
        for at, name in enumerate(names):
            frame[name] = [value_of(number, group, at) for number in range(users)]
        pd.DataFrame(frame).to_parquet(path)
        source = FileSource(path=path, timestamp_field="event_timestamp")
        schema = [Field(name=name, dtype=Float64) for name in names]
        views.append(
            FeatureView(name=f"group_{group}", entities=[user], schema=schema, source=source, ttl=timedelta(days=365))
        )
    store = FeatureStore(repo_path=folder)
    store.apply([user, *views])
    for group in range(groups):
        frame = pd.read_parquet(os.path.join(folder, f"group_{group}.parquet"))
        store.write_to_online_store(f"group_{group}", frame)


def serve(folder, port):
    from feast import FeatureStore

    store = FeatureStore(repo_path=folder)
    store.serve(
        host="127.0.0.1",
        port=int(port),
        type_="http",
        no_access_log=True,
        workers=1,
        worker_connections=1000,
        max_requests=0,
        max_requests_jitter=0,
        metrics=False,
        keep_alive_timeout=30,
        tls_key_path="",
        tls_cert_path="",
        registry_ttl_sec=60,
    )


if __name__ == "__main__":
    command, folder, *rest = sys.argv[1:]
    if command == "fill":
        fill(folder, *[int(number) for number in rest])
    else:
        serve(folder, *rest)
