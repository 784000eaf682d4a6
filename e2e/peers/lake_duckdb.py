"""Reads a table of the lake with DuckDB, and says what is in those of its columns that the dump has.

    lake_duckdb.py ARCHIVE FOLDER

FOLDER is the table's, with dt=YYYY-MM-DD folders in it. Prints what dump_duckdb.py prints of the dump.
"""
import json, sys

import duckdb

MEDIACOUNTS = (
    "response_bytes transfers original transcoded_audio transcoded_image image_0_199 image_200_399 image_400_599 "
    "image_600_799 image_800_999 image_1000 transcoded_movie movie_0_239 movie_240_479 movie_480 referer_internal "
    "referer_external referer_unknown").split()
# The texts of a row, and its numbers.
COLUMNS = {
    "pageviews": (["domain_code", "title"], ["views"]),
    "pagecounts": (["domain_code", "title"], ["views", "bytes", "is_broken::INT"]),
    "pageview-complete": (
        ["project", "title", "coalesce(page_id::VARCHAR, 'null')", "access", "hour(ts AT TIME ZONE 'UTC')"], ["views"]),
    "mediacounts": (["base_name"], MEDIACOUNTS),
}

archive, folder = sys.argv[1:]
texts, numbers = COLUMNS[archive]
text = f"concat_ws(chr(9), {', '.join(texts + numbers)})"
sums = ", ".join(f"sum(({number})::HUGEINT)" for number in numbers)
count, hashed, *sums = duckdb.sql(
    f"SELECT count(*), sum(('0x' || md5({text})[1:15])::BIGINT::HUGEINT), {sums} "
    f"FROM read_parquet('{folder}/dt=*/*.parquet', hive_partitioning = true)").fetchall()[0]
names = [number.split(":")[0] for number in numbers]
print(json.dumps({"rows": count, "sums": dict(zip(names, map(int, sums))), "hash": str(hashed % 2**63)}))
