"""Parses a dump file with Polars, line by line with its regular expressions, and says what is in it.

    dump_polars.py ARCHIVE FILE

As dump_duckdb.py, whose text says what is printed; nothing is shared with it.
"""
import bz2, gzip, hashlib, io, json, sys
from urllib.parse import unquote_to_bytes

import polars as pl

COLUMNS = {
    2: "response_bytes", 3: "transfers", 4: "original", 5: "transcoded_audio", 8: "transcoded_image", 9: "image_0_199",
    10: "image_200_399", 11: "image_400_599", 12: "image_600_799", 13: "image_800_999", 14: "image_1000",
    17: "transcoded_movie", 18: "movie_0_239", 19: "movie_240_479", 20: "movie_480", 23: "referer_internal",
    24: "referer_external", 25: "referer_unknown",
}


def lines(data):
    return pl.read_lines(io.BytesIO(data), name="line")


def unquoted(name):
    """What Spark's CSV writer quoted."""
    text = pl.col(name)
    inner = text.str.extract(r'^"(?s:(.*))"$').str.replace_all(r'\\(["\\])', "${1}")
    return pl.when(text.str.contains(r'^"(?s:.*)"$')).then(inner).otherwise(text).alias(name)


def parts(frame, pattern):
    return frame.select(pl.col("line").str.extract_groups(pattern)).unnest("line")


def pageviews(data):
    rows = parts(lines(data), r"^(?<domain_code>[^ ]*) (?<title>.*) (?<views>\d+) \d+$")
    rows = rows.with_columns(unquoted("title"), pl.col("views").cast(pl.Int64))
    return rows.with_columns(pl.col("domain_code").replace('""', "")), ["views"]


def pagecounts(data):
    # Polars has no text that is not UTF-8, so Python decodes it.
    rows = []
    for line in data.split(b"\n")[:-1]:
        domain, title, views, size = line.split(b" ")
        if not domain.endswith(b".mw"):
            raw = unquote_to_bytes(title)
            try:
                title, is_broken = raw.decode(), 0
            except UnicodeDecodeError:
                title, is_broken = raw.decode(errors="surrogateescape"), 1
                title = "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in title)
            rows.append((domain.decode(), title.replace(" ", "_"), int(views), int(size), is_broken))
    numbers = ["views", "bytes", "is_broken"]
    return pl.DataFrame(rows, schema=["domain_code", "title", *numbers], orient="row"), numbers


def pageview_complete(data):
    rows = parts(lines(data), (
        r"^(?<project>[^ ]+) (?<title>.*) (?<page_id>\d+|null) (?<access>[^ ]+) (?<total>\d+) (?<series>[A-X0-9]+)$"))
    rows = rows.with_columns(unquoted("title"), pl.col("series").str.extract_all(r"[A-X]\d+")).explode("series")
    letters = {chr(ord("A") + hour): hour for hour in range(24)}
    hour = pl.col("series").str.slice(0, 1).replace_strict(letters, return_dtype=pl.Int64).alias("hour")
    views = pl.col("series").str.slice(1).cast(pl.Int64).alias("views")
    return rows.select("project", "title", "page_id", "access", hour, views), ["views"]


def mediacounts(data):
    # From the right: whatever stands in a path, the last 24 columns are numbers and hyphens.
    rows = parts(lines(data), r"^(?<base_name>(?s:.*))(?<rest>(?:\t[0-9-]+){24})$")
    rest = pl.col("rest").str.split("\t")
    numbers = [rest.list.get(at - 1).cast(pl.Int64).alias(name) for at, name in COLUMNS.items()]
    return rows.select(unquoted("base_name"), *numbers), list(COLUMNS.values())


archive, path = sys.argv[1:]
data = (bz2 if path.endswith(".bz2") else gzip).open(path).read()
rows, numbers = globals()[archive.replace("-", "_")](data)
if any(rows.null_count().row(0)):
    sys.exit(f"{path} has lines that do not fit: {rows.null_count()}")
texts = rows.select(pl.concat_str(pl.all().cast(pl.String), separator="\t")).to_series()
hashed = sum(int(hashlib.md5(text.encode()).hexdigest()[:15], 16) for text in texts)
sums = {name: sum(rows[name]) for name in numbers}
print(json.dumps({"rows": rows.height, "sums": sums, "hash": str(hashed % 2**63)}))
