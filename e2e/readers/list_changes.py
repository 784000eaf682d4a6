"""Lists the ids of the recent changes in a lake, one a line, in no order: those that are there twice, twice.

    list_changes.py FOLDER

FOLDER is the table's, with dt=YYYY-MM-DD folders in it.
"""
import sys

import duckdb

folder = sys.argv[1]
table = f"read_parquet('{folder}/dt=*/*.parquet', hive_partitioning = true)"
for (event_id,) in duckdb.sql(f"SELECT event_id FROM {table}").fetchall():
    print(event_id)
