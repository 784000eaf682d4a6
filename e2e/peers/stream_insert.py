"""Recent changes into a table, as a script does it that is written in an evening: one INSERT an event.

    stream_insert.py URL SINCE PORT DATABASE TABLE COUNT

Ends after COUNT events and prints the seconds from before the connection to the last commit, and the most memory it
held in KiB.
"""
import json, os, resource, sys, time

import pymysql, requests, sseclient

FIELDS = (
    "event_id", "ts", "type", "wiki", "bot", "minor", "patrolled", "namespace", "title", "title_url", "user_name",
    "comment", "parsedcomment", "rc_id", "rc_timestamp", "length_old", "length_new", "revision_old", "revision_new",
    "notify_url", "log_id", "log_type", "log_action", "log_action_comment", "log_params", "server_url", "server_name",
    "server_script_path", "schema_uri", "meta_uri", "meta_request_id", "meta_domain", "meta_stream", "meta_topic",
    "meta_partition", "meta_offset", "raw",
)


def row(raw):
    event = json.loads(raw)
    meta, length, revision = event["meta"], event.get("length", {}), event.get("revision", {})
    params = event.get("log_params")
    return (
        meta["id"], meta["dt"].replace("T", " ").rstrip("Z"), event["type"], event["wiki"], event["bot"],
        event.get("minor"), event.get("patrolled"), event["namespace"], event["title"], event["title_url"],
        event["user"], event["comment"], event["parsedcomment"], event.get("id"), event["timestamp"],
        length.get("old"), length.get("new"), revision.get("old"), revision.get("new"), event.get("notify_url"),
        event.get("log_id"), event.get("log_type"), event.get("log_action"), event.get("log_action_comment"),
        None if params is None else json.dumps(params), event["server_url"], event["server_name"],
        event["server_script_path"], event["$schema"], meta["uri"], meta["request_id"], meta["domain"],
        meta["stream"], meta["topic"], meta["partition"], meta["offset"], raw,
    )


url, since, port, database, table, count = sys.argv[1:]
started = time.monotonic()
connection = pymysql.connect(
    host="127.0.0.1", port=int(port), database=database, charset="utf8mb4", autocommit=True,
    user=os.environ["WIKIINGEST_WAREHOUSE_USERNAME"], password=os.environ["WIKIINGEST_WAREHOUSE_PASSWORD"],
)
insert = f"INSERT INTO {table} ({', '.join(FIELDS)}) VALUES ({', '.join(['%s'] * len(FIELDS))})"
response = requests.get(
    f"{url}/v2/stream/recentchange", params={"since": since}, stream=True,
    headers={"Accept": "text/event-stream", "User-Agent": "wikiingest-bench (https://example.org/wikiingest-bench)"},
)
response.raise_for_status()
done = 0
with connection.cursor() as cursor:
    for event in sseclient.SSEClient(response).events():
        if event.event == "message" and event.data:
            cursor.execute(insert, row(event.data))
            done += 1
            if done == int(count):
                break
seconds = time.monotonic() - started
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
