"""Opens a fact table of the lake as someone else would, and says what is in it.

    open_lake.py ENGINE FOLDER

ENGINE is pyarrow, duckdb, polars or spark; FOLDER is a table's, with dt=YYYY-MM-DD folders in it. Prints rows, views,
the sum of CRC-32 of each row, which does not depend on their order, the columns' types as the engine calls them,
and the rows of each file where the engine tells, as JSON. A row is as in read_dump.py.
"""
import datetime, glob, json, os, sys, zlib

MEDIA = (
    "response_bytes", "transfers", "original", "transcoded_audio", "transcoded_image", "image_0_199", "image_200_399",
    "image_400_599", "image_600_799", "image_800_999", "image_1000", "transcoded_movie", "movie_0_239", "movie_240_479",
    "movie_480", "referer_internal", "referer_external", "referer_unknown")
# Of each table: what tells rows from others, the title, the number.
TABLES = {
    "pageviews_hourly": ("domain_code", "title", "views"),
    "pagecounts_hourly": ("domain_code", "bytes", "is_broken", "title", "views"),
    "pageview_complete_hourly": ("agent", "project", "access", "page_id", "ts", "title", "views"),
    "mediacounts_daily": (*MEDIA, "project", "file", "base_name", "transfers"),
}


def text(value):
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return str(value)


def with_pyarrow(folder):
    import pyarrow.parquet as parquet

    rows, types, files = [], {}, {}
    for path in sorted(glob.glob(f"{folder}/dt=*/*.parquet")):
        table = parquet.ParquetFile(path).read()
        types = {field.name: str(field.type) for field in table.schema}
        files[os.path.relpath(path, folder)] = table.num_rows
        rows.extend(zip(*(table[name].to_pylist() for name in COLUMNS)))
    return rows, types, files


def with_duckdb(folder):
    import duckdb

    table = f"read_parquet('{folder}/dt=*/*.parquet', hive_partitioning = true)"
    types = {name: kind for name, kind, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM {table}").fetchall()}
    # As a number: what comes with a time zone takes a package of its own.
    columns = [f"epoch_us({name})" if name == "ts" else name for name in COLUMNS]
    rows = duckdb.sql(f"SELECT {', '.join(columns)} FROM {table}").fetchall()
    return [tuple(map(moment, COLUMNS, row)) for row in rows], types, {}


def moment(name, value):
    if name != "ts":
        return value
    return datetime.datetime.fromtimestamp(value // 1_000_000, datetime.timezone.utc)


def with_polars(folder):
    import polars

    table = polars.scan_parquet(f"{folder}/dt=*/*.parquet", hive_partitioning=True)
    types = {name: str(kind) for name, kind in table.collect_schema().items()}
    return table.select(COLUMNS).collect().rows(), types, {}


def with_spark(folder):
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = session.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1")
    session = session.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    table = session.read.parquet(folder)
    types = dict(table.dtypes)
    return [tuple(row) for row in table.select(*COLUMNS).collect()], types, {}


engine, folder = sys.argv[1:]
table = TABLES[os.path.basename(folder)]
COLUMNS = list(dict.fromkeys(table))  # a number may be among what tells rows from others, too
found, types, files = {"pyarrow": with_pyarrow, "duckdb": with_duckdb, "polars": with_polars, "spark": with_spark}[engine](folder)
places = [COLUMNS.index(column) for column in table]
rows = [[row[place] for place in places] for row in found]
print(json.dumps({
    "rows": len(rows),
    "views": sum(row[-1] for row in rows),
    "crc": sum(zlib.crc32(f"{' '.join(map(text, key))}\t{title}\t{views}".encode()) for *key, title, views in rows),
    "types": types,
    "files": files,
}))
