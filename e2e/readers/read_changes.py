"""Compares stream events with what a lake's recent_changes holds, with Python's own JSON reader and pyarrow.

    read_changes.py EVENTS FOLDER

EVENTS has the events, one JSON object a line; FOLDER is the table's, with dt=YYYY-MM-DD folders in it. Prints as JSON:
the number of rows, the ids that stand there twice, every way in which a column differs from its field (at most 20),
and the CRC-32 of each event's columns by its id, to compare with a database.
"""
import datetime, glob, json, sys, zlib

META = ("uri", "request_id", "domain", "stream", "topic", "partition", "offset")
FIELDS = {
    "event_id": ("meta", "id"), "ts": ("meta", "dt"), "user_name": ("user",), "rc_id": ("id",), "rc_timestamp": ("timestamp",),
    "length_old": ("length", "old"), "length_new": ("length", "new"),
    "revision_old": ("revision", "old"), "revision_new": ("revision", "new"), "schema_uri": ("$schema",),
    **{f"meta_{name}": ("meta", name) for name in META},
    **{name: (name,) for name in (
        "type", "wiki", "bot", "minor", "patrolled", "namespace", "title", "title_url", "comment", "parsedcomment",
        "notify_url", "log_id", "log_type", "log_action", "log_action_comment", "log_params", "server_url", "server_name",
        "server_script_path")},
}
# As the tables have them, but for the raw event.
ORDER = (
    "event_id ts type wiki bot minor patrolled namespace title title_url user_name comment parsedcomment rc_id rc_timestamp "
    "length_old length_new revision_old revision_new notify_url log_id log_type log_action log_action_comment log_params "
    "server_url server_name server_script_path schema_uri meta_uri meta_request_id meta_domain meta_stream meta_topic "
    "meta_partition meta_offset").split()


def field(event, name):
    value = event
    for step in FIELDS[name]:
        value = value.get(step) if isinstance(value, dict) else None
    if name == "ts" and value is not None:
        return datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    if name == "log_params" and value is not None:
        return value
    return value


def text(name, value):
    if value is None:
        return "~"
    if name == "ts":
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, bool):
        return str(int(value))
    return str(value)


def without_place(event):
    """The host sets these three itself."""
    meta = {name: value for name, value in event["meta"].items() if name not in ("topic", "partition", "offset")}
    return {**event, "meta": meta}


def unpadded(raw, sent):
    """A giant event is an ordinary one whose comment the host made long."""
    comment = raw.get("comment") or ""
    if len(comment) > 1 << 19 and comment.startswith(sent["comment"]):
        return {**raw, "comment": sent["comment"]}
    return raw


events = {}
for line in open(sys.argv[1], encoding="utf-8"):
    event = json.loads(line)
    if event["meta"].get("domain") != "canary":
        events[event["meta"]["id"]] = event

import pyarrow.parquet as parquet

rows = []
for path in sorted(glob.glob(f"{sys.argv[2]}/dt=*/*.parquet")):
    day = path.split("dt=")[1][:10]
    for row in parquet.ParquetFile(path).read().to_pylist():
        row["day"], row["path"] = day, path.rsplit("/", 1)[1]
        rows.append(row)

seen, twice, different, sums = {}, [], [], {}
for row in rows:
    identity = row["event_id"]
    if identity in seen:
        twice.append(f"{identity} in {seen[identity]} and {row['path']}")
    seen[identity] = row["path"]
    raw = json.loads(row["raw"])
    sent = events.get(identity)
    if sent is not None and without_place(sent) != without_place(unpadded(raw, sent)):
        different.append(f"{identity}: raw")
    if row["day"] != row["ts"].strftime("%Y-%m-%d"):
        different.append(f"{identity}: lies with {row['day']}")
    for name in ORDER:
        value, expected = row[name], field(raw, name)
        if name == "log_params" and value is not None:
            value = json.loads(value)
        if value != expected or isinstance(value, bool) != isinstance(expected, bool):
            different.append(f"{identity}: {name} is {value!r}, not {expected!r}")
    sums[identity] = zlib.crc32("|".join(text(name, row[name]) for name in ORDER).encode())

print(json.dumps({
    "rows": len(rows),
    "twice": twice[:20],
    "different": different[:20],
    "missing": [identity for identity in events if identity not in seen][:20],
    "sums": sums,
}))
