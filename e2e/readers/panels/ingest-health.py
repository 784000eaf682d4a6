"""The panels of Ingest health, in Python over all rows of the ledger, the rejected lines and the checkpoints."""

import codecs

TEXTS = ()
HOURLY = ("pageviews", "pagecountsRaw")


def period(source):
    return 3600 if source in HOURLY else 86400


def ledger(it, of_all_times=False):
    return [row for row in it.rows("ingest_ledger")
            if it.is_among(row["source"], "source") and (of_all_times or it.case.start <= row["ts"] < it.case.end)]


def rejects(it):
    return [row for row in it.rows("ingest_rejects") if it.is_among(row["source"], "source") and it.case.start <= row["ts"] < it.case.end]


def streams(it):
    return sorted((row for row in it.rows("stream_checkpoint") if it.is_among(row["stream"], "source")), key=lambda row: row["stream"])


def after(row):
    return row["loaded_at"] - row["ts"] - period(row["source"])


def is_late(row):
    return after(row) > (86400 if row["source"] in HOURLY else 3 * 86400)


def share(it):
    rejected, rows = sum(row["rejected"] for row in ledger(it)), sum(row["rows"] for row in ledger(it))
    return [(1e6 * rejected / (rows + rejected) if rows + rejected else None,)]


def by_source(rows):
    sources = {}
    for row in rows:
        sources.setdefault(row["source"], {})[row["ts"]] = row
    return sources


def expected(it, source, times, most):
    """What should be there, between the first and the last that are, in the range."""
    step = period(source)
    inside = [ts for ts in range(min(times), max(times) + step, step) if it.case.start <= ts < it.case.end]
    return inside[-most:]


def missing(it):
    return [(sum(ts not in times for source, times in by_source(ledger(it, True)).items() for ts in expected(it, source, times, 10**9)),)]


def state(times, ts):
    return 0 if ts not in times else 2 if is_late(times[ts]) else 1


def calendar(it):
    source = it.case.text("hourly")
    times = {row["ts"]: row for row in it.rows("ingest_ledger") if row["source"] == source}
    hours = expected(it, source, times, 3000) if times else ()
    return [(ts // 86400 * 86400, f"{ts % 86400 // 3600:02}", state(times, ts)) for ts in hours]


def days(it):
    return [(ts, source, state(times, ts)) for source, times in by_source(ledger(it, True)).items() if source not in HOURLY
            for ts in expected(it, source, times, 1000)]


def behind(it):
    loaded = by_source(row for row in ledger(it, True) if row["loaded_at"] < it.case.end)
    rows = [(source, max(0, it.case.end - max(times) - period(source))) for source, times in loaded.items()]
    rows += [(row["stream"], None if row["newest"] is None else max(0, it.case.end - int(row["newest"]))) for row in streams(it)]
    return sorted(rows)


def rows_loaded(it):
    width, sums = it.case.width // 1000, {}
    for row in ledger(it, True):
        if it.case.start <= row["loaded_at"] < it.case.end:
            key = row["loaded_at"] // width * width, row["source"]
            sums[key] = sums.get(key, 0) + row["rows"]
    return [(*key, value) for key, value in sums.items()]


def late(it):
    rows = sorted(filter(is_late, ledger(it)), key=lambda row: (-row["loaded_at"], row["source"], row["unit"]))
    return [(row["source"], row["unit"], row["loaded_at"] * 1000, after(row), row["rows"]) for row in rows[:100]]


def gaps(it):
    found = []
    for source, times in by_source(ledger(it, True)).items():
        order = sorted(times)
        found += [(source, last + period(source), first) for last, first in zip(order, order[1:]) if first > last + period(source)]
    found = [gap for gap in found if gap[1] < it.case.end and gap[2] > it.case.start]
    return sorted(found, key=lambda gap: (-gap[1], gap[0]))[:100]


def reasons(it):
    groups = {}
    for row in rejects(it):
        groups.setdefault((row["source"], row["reason"]), []).append(row["unit"])
    rows = [(*key, len(units), len(set(units))) for key, units in groups.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:50]


codecs.register_error("question", lambda error: ("?" * (error.end - error.start), error.end))


def text(line):
    """As CAST reads bytes: each that is no UTF-8 is a question mark."""
    return line[:300].decode(errors="question")


def samples(it):
    rows = sorted(rejects(it), key=lambda row: (-row["loaded_at"], row["source"], row["unit"], row["line_no"]))
    return [(row["loaded_at"] * 1000, row["source"], row["unit"], row["line_no"], row["reason"], text(row["line"])) for row in rows[:50]]


def moment(at):
    return None if at is None else int(at) * 1000


PANELS = {
    "variable source": lambda it: sorted({(row["source"],) for row in it.rows("ingest_ledger")} | {(row["stream"],) for row in it.rows("stream_checkpoint")}),
    "variable hourly": lambda it: sorted({(row["source"],) for row in it.rows("ingest_ledger") if row["source"] in HOURLY}, reverse=True),
    "Files": lambda it: [(len(ledger(it)),)],
    "Rows": lambda it: [(sum(row["rows"] for row in ledger(it)),)],
    "Rejected": share,
    "Missing": missing,
    "Late or again": lambda it: [(sum(map(is_late, ledger(it))),)],
    "Lost by streams": lambda it: [(sum(row["gap_seconds"] for row in streams(it)),)],
    "Calendar": calendar,
    "Days of daily archives": days,
    "Behind": behind,
    "Rows an hour": lambda it: [(row["ts"], row["source"], row["rows"] / (period(row["source"]) // 3600)) for row in ledger(it)],
    "Rows loaded": rows_loaded,
    "How long after its end": lambda it: [(row["ts"], row["source"], after(row)) for row in ledger(it)],
    "Loaded late or again": late,
    "Gaps": lambda it: [(source, one * 1000, two * 1000, (two - one) // period(source)) for source, one, two in gaps(it)],
    "Streams": lambda it: [(row["stream"], moment(row["newest"]), moment(row["updated_at"]), row["events"], row["version"], row["gap_seconds"]) for row in streams(it)],
    "Why lines are rejected": reasons,
    "Rejected lines": samples,
    "annotation Gaps": lambda it: [(one, two, f"{source} is not loaded", source) for source, one, two in gaps(it)],
}
