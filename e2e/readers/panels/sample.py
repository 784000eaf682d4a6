"""Two weeks for panels.py to look at: made up, small, and loaded by the workers themselves.

    sample.py BINARIES FOLDER --host 127.0.0.1 --port 3306 --user root --database wikimedia

BINARIES has wikimedia-replay and wikiingest; FOLDER gets the dumps, the events and the lake. The database has to be there,
and the user may do anything in it; the password is in PANELS_PASSWORD. Everything is made from a number, and ends at the
start of the current hour.

Afterwards four things are done by hand, which the workers cannot be asked for: a project gets a name with a quote in it, in
the tables and in the lake; the ledger says that files were loaded when they would have been, some of them late; a few lines
are rejected that are not UTF-8; and the checkpoint of a stream is moved.
"""
import argparse, bz2, datetime, glob, gzip, json, os, random, signal, subprocess, time

import pymysql

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
DAYS = 16
# Not there: one hour, three in a row, and one hour a week before another that is there.
MISSING = (30, 100, 101, 102, 250)
LATE = (7, 8, 200)
CODES = ("en", "en.m", "de", "de.m", "ja", "fr", "fr.m", "es", "ru", "it", "zh", "pt", "pl", "nl", "xx", "xx.m", "commons.m", "wikidata")
WEIGHTS = dict(zip(CODES, (90, 70, 40, 30, 35, 25, 20, 22, 20, 15, 14, 12, 9, 5, 8, 6, 4, 3)))
WIKIS = ("enwiki", "dewiki", "commonswiki", "wikidatawiki", "frwiki", "jawiki", "o'neilwiki", "lbwiki")
QUOTED = "o'neil.wikipedia"  # what becomes of xx.wikipedia


def pageviews(folder, end, rng):
    start = end - DAYS * DAY
    for number in range(DAYS * 24):
        ts = start + number * HOUR
        if number in MISSING:
            continue
        name = ts + HOUR
        lines = []
        for code in CODES:
            # A hundred are kept: here there are more, and many with equal views.
            pages = 130 if code in ("en", "de") else 12
            for page in range(pages):
                wave = 2 if 8 <= ts.hour < 20 else 1
                views = rng.randrange(1, 4) + (WEIGHTS[code] * wave * rng.randrange(1, 9) // (1 + page) if page < 40 else 0)
                title = f"Page_{page}" if page % 7 else f"It's_\"{page}\"_è"
                lines.append(f"{code} {title} {views} 0")
        # Two projects that are alike, and a title that is longer than what is shown of it.
        lines += ["als Page 5 0", "lb Page 5 0", f"ja {'長い' * 150} {40 + number % 7} 0"]
        if number > DAYS * 24 - 30:
            lines.append(f"fr Nouvelle_élection {900 + number} 0")
        if number % 50 == 3:
            lines += ["en No_number x 0", "de No_number x 0"]
        path = f"{folder}/other/pageviews/{name:%Y}/{name:%Y-%m}"
        os.makedirs(path, exist_ok=True)
        with gzip.open(f"{path}/pageviews-{name:%Y%m%d-%H}0000.gz", "wt") as file:
            file.write("\n".join(sorted(lines)) + "\n")


def pagecounts(folder):
    """Of the archive, whose last hours are of August 2016."""
    for hour in (1, 2, 4):
        path = f"{folder}/other/pagecounts-raw/2016/2016-08"
        os.makedirs(path, exist_ok=True)
        with gzip.open(f"{path}/pagecounts-20160801-{hour:02}0000.gz", "wt") as file:
            file.write("".join(f"en Page_{page} {page} 100\n" for page in range(9)))


def complete(folder, end, rng):
    for back in range(2, 9):
        day = (end - back * DAY).replace(hour=0)
        for agent, times in (("user", 9), ("spider", 4), ("automated", 2)):
            if (back, agent) == (4, "spider"):
                continue
            lines = []
            for project in ("de.wikipedia", "en.wikipedia", "fr.wikipedia"):
                for page in range(9):
                    for access in ("desktop", "mobile-app", "mobile-web"):
                        hours = {chr(65 + hour): rng.randrange(1, 9) * times for hour in rng.sample(range(24), 8)}
                        series = "".join(f"{hour}{hours[hour]}" for hour in sorted(hours))
                        lines.append(f"{project} Page_{page} {page + 1} {access} {sum(hours.values())} {series}")
            path = f"{folder}/other/pageview_complete/{day:%Y}/{day:%Y-%m}"
            os.makedirs(path, exist_ok=True)
            with bz2.open(f"{path}/pageviews-{day:%Y%m%d}-{agent}.bz2", "wt") as file:
                file.write("\n".join(lines) + "\n")


def media(folder, end, rng):
    for back in range(2, 13):
        day = (end - back * DAY).replace(hour=0)
        if back == 6:
            continue
        lines = []
        for number in range(1100 if back < 5 else 60):
            kind = number % 5
            where = ("commons", "en", "de")[number % 3]
            name = f"/wikipedia/{where}/{number % 16:x}/{number % 16:x}{number % 10}/File_{number}" + (
                ".jpg", ".png", ".ogg", ".webm", ".svg")[kind]
            original, audio = rng.randrange(3), rng.randrange(9) if kind == 2 else 0
            images = [rng.randrange(6) for _ in range(6)] if kind in (0, 1, 4) else [0] * 6
            films = [rng.randrange(6) for _ in range(3)] if kind == 3 else [0] * 3
            transfers = original + audio + sum(images) + sum(films)
            if not transfers:
                original = transfers = 1
            inside = rng.randrange(transfers + 1)
            outside = rng.randrange(transfers - inside + 1)
            size = transfers * rng.randrange(2_000, 90_000_000 if kind == 3 else 900_000)
            row = (size, transfers, original, audio, "-", "-", sum(images), *images, "-", "-", sum(films), *films, "-", "-",
                   inside, outside, transfers - inside - outside)
            lines.append("\t".join(map(str, (name, *row))))
        path = f"{folder}/other/mediacounts/daily/{day:%Y}"
        os.makedirs(path, exist_ok=True)
        with bz2.open(f"{path}/mediacounts.{day:%Y-%m-%d}.v00.tsv.bz2", "wt") as file:
            file.write("\n".join(sorted(lines)) + "\n")


def events(path, end, rng):
    first, seconds = end - 5 * HOUR, sorted(rng.random() * 5 * 3600 for _ in range(9_000))
    with open(path, "w", encoding="utf-8") as file:
        for number, second in enumerate(seconds):
            # For ten minutes nothing happens.
            if 7_200 < second < 7_800:
                continue
            at = first + datetime.timedelta(seconds=second)
            wiki = rng.choices(WIKIS, (30, 14, 12, 20, 9, 8, 4, 3))[0]
            kind = rng.choices(("edit", "new", "log", "categorize"), (60, 6, 8, 26))[0]
            title = f"It's_\"{number % 40}\" é" if number % 9 == 0 else f"Title {number % 300}"
            event = {
                "$schema": "/mediawiki/recentchange/1.0.0",
                "meta": {
                    "uri": f"https://{wiki}.example.org/", "request_id": f"r{number}", "id": f"00000000-0000-4000-8000-{number:012}",
                    "dt": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z", "domain": "en.wikipedia.org",
                    "stream": "mediawiki.recentchange", "topic": "eqiad.mediawiki.recentchange", "partition": 0, "offset": 1000 + number},
                "id": number, "type": kind, "namespace": rng.choice((0, 0, 0, 1, 2, 6, 14)), "title": title,
                "title_url": f"https://en.wikipedia.org/wiki/{title.replace(' ', '_')}", "comment": f"comment {number}",
                "timestamp": int(at.timestamp()), "user": f"User {number % 200}", "bot": rng.random() < 0.3, "minor": False,
                "notify_url": f"https://en.wikipedia.org/w/index.php?diff={number}",
                "server_url": "https://en.wikipedia.org", "server_name": "en.wikipedia.org", "server_script_path": "/w", "wiki": wiki,
                "parsedcomment": ""}
            if kind in ("edit", "new"):
                old = rng.randrange(90_000) if kind == "edit" else None
                grown = int(rng.gauss(0, 1) ** 3 * 900)
                new = max(0, (old or 0) + grown) if kind == "edit" else abs(grown) + 20
                event["length"] = {"new": new} if old is None else {"old": old, "new": new}
                event["revision"] = {"new": number + 5} if old is None else {"old": number, "new": number + 5}
            file.write(json.dumps(event, ensure_ascii=False) + "\n")


def resource(folder, options, end, host):
    start, days = end - DAYS * DAY, (end - 20 * DAY).replace(hour=0)
    span = lambda begin, stop: [{"name": "all", "from": f"{begin:%Y-%m-%dT%H:00:00Z}", "to": f"{stop:%Y-%m-%dT%H:00:00Z}"}]
    both = ["warehouse", "lake"]
    source = lambda name, kind, begin, stop: {"name": name, **kind, "baseUrl": host, "sinks": both, "backfill": span(begin, stop)}
    old = datetime.datetime(2016, 8, 1)
    return {
        "apiVersion": "wikiingest.dev/v1alpha1", "kind": "WikiIngest", "metadata": {"name": "panels"},
        "spec": {
            "contact": "https://example.org/panels",
            "sinks": [
                {"name": "warehouse", "singleStore": {
                    "host": options.host, "port": options.port, "database": options.database,
                    "credentialsSecretRef": {"name": "warehouse"}, "tls": {"mode": "Disabled"}}},
                {"name": "lake", "folder": {"path": f"{folder}/lake"}}],
            "sources": [
                source("pageviews", {"pageviews": {}}, start, end),
                source("archive", {"pagecountsRaw": {}}, old, old + 5 * HOUR),
                source("complete", {"pageviewComplete": {"agents": ["user", "spider", "automated"]}}, days, end.replace(hour=0)),
                source("media", {"mediacounts": {}}, days, end.replace(hour=0)),
                {"name": "edits", "recentChanges": {}, "baseUrl": host, "sinks": both}]}}


def load(options, folder, end, database):
    replay = subprocess.Popen(
        [f"{options.binaries}/wikimedia-replay", "--root", f"{folder}/dumps", "--events", f"{folder}/events.ndjson", "--pace", "max",
         "--wait-for-client"], stdout=subprocess.PIPE, text=True)
    try:
        host = replay.stdout.readline().split()[-1]
        path = f"{folder}/panels.json"
        with open(path, "w") as file:
            json.dump(resource(folder, options, end, host), file, indent=1)
        environment = {**os.environ, **dict.fromkeys(("WIKIINGEST_WAREHOUSE_USERNAME",), options.user),
                       "WIKIINGEST_WAREHOUSE_PASSWORD": os.environ.get("PANELS_PASSWORD", "")}
        wanted = sum(1 for _ in open(f"{folder}/events.ndjson"))
        worker = subprocess.Popen([f"{options.binaries}/wikiingest", "local", "-f", path], env=environment)
        deadline = time.monotonic() + 900
        while time.monotonic() < deadline and worker.poll() is None:
            time.sleep(2)
            with database.cursor() as cursor:
                try:
                    cursor.execute("SELECT COUNT(*) FROM recent_changes")
                    edits = cursor.fetchone()[0]
                    cursor.execute("SELECT COUNT(*) FROM ingest_ledger")
                    files = cursor.fetchone()[0]
                except pymysql.err.ProgrammingError:  # no tables yet
                    continue
            dumps = sum(len(names) for _, _, names in os.walk(f"{folder}/dumps"))
            if edits == wanted and files == dumps:
                break
        worker.send_signal(signal.SIGINT)
        worker.wait(60)
        if (edits, files) != (wanted, dumps):
            raise SystemExit(f"{edits} of {wanted} edits and {files} of {dumps} files were loaded")
    finally:
        replay.terminate()


def quote_a_project(folder, cursor):
    import pyarrow as arrow, pyarrow.compute as compute, pyarrow.parquet as parquet

    for table in ("pageviews_hourly", "pageviews_project_hourly", "pageviews_top_hourly"):
        cursor.execute(f"UPDATE {table} SET project = %s WHERE project = 'xx.wikipedia'", (QUOTED,))
    for path in glob.glob(f"{folder}/lake/pageviews_hourly/dt=*/*.parquet"):
        rows = parquet.ParquetFile(path).read()
        project = compute.replace_substring(rows["project"], "xx.wikipedia", QUOTED)
        parquet.write_table(rows.set_column(rows.schema.get_field_index("project"), "project", project.cast(arrow.string())), path)


def age_the_ledger(cursor, start, end, rng):
    cursor.execute("SELECT source, unit, ts FROM ingest_ledger ORDER BY source, unit")
    late = {start + number * HOUR for number in LATE}
    for source, unit, ts in cursor.fetchall():
        hourly = source in ("pageviews", "pagecountsRaw")
        wait = datetime.timedelta(minutes=rng.randrange(45, 200)) if hourly else datetime.timedelta(hours=rng.randrange(20, 40))
        if source == "pageviews" and ts in late:
            wait = datetime.timedelta(hours=rng.randrange(30, 90))
        at = min(ts + (HOUR if hourly else DAY) + wait, end)
        cursor.execute("UPDATE ingest_ledger SET loaded_at = %s WHERE source = %s AND unit = %s", (at, source, unit))
        cursor.execute("UPDATE ingest_rejects SET loaded_at = %s WHERE source = %s AND unit = %s", (at, source, unit))


def reject_frames(cursor, end):
    for number, line in enumerate((b"not JSON", b"caf\xe9 {\"", "é it's".encode())):
        at = end - (number + 1) * HOUR
        cursor.execute(
            "INSERT INTO ingest_rejects (source, unit, ts, line_no, line, reason, loaded_at) VALUES (%s, %s, %s, 0, %s, %s, %s)",
            ("edits", f"{number:064x}", at, line, "it is no JSON", at))
    cursor.execute("UPDATE stream_checkpoint SET gap_seconds = 90 WHERE stream = 'edits'")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binaries")
    arguments.add_argument("folder")
    arguments.add_argument("--host", default="127.0.0.1")
    arguments.add_argument("--port", type=int, default=3306)
    arguments.add_argument("--user", default="root")
    arguments.add_argument("--database", default="wikimedia")
    options = arguments.parse_args()
    folder = os.path.abspath(options.folder)
    rng = random.Random(8)
    end = datetime.datetime.now(datetime.timezone.utc).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    dumps = f"{folder}/dumps"
    pageviews(dumps, end, rng)
    pagecounts(dumps)
    complete(dumps, end, rng)
    media(dumps, end, rng)
    events(f"{folder}/events.ndjson", end.replace(tzinfo=datetime.timezone.utc), rng)
    database = pymysql.connect(
        host=options.host, port=options.port, user=options.user, password=os.environ.get("PANELS_PASSWORD", ""),
        database=options.database, autocommit=True, charset="utf8mb4")
    load(options, folder, end, database)
    with database.cursor() as cursor:
        quote_a_project(folder, cursor)
        age_the_ledger(cursor, end - DAYS * DAY, end, rng)
        reject_frames(cursor, end)


if __name__ == "__main__":
    main()
