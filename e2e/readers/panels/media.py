"""The panels of Media, from the facts of media counts in the lake."""

TEXTS = ("file_1", ".WEBM", "/commons/", "It's", 'say "it"')
IN = "ts >= $start AND ts < $end"
DAY = f"(SELECT max(ts) FROM mediacounts_daily WHERE {IN})"
SOURCE = (
    "transfers response_bytes referer_internal referer_external referer_unknown original transcoded_image transcoded_audio transcoded_movie "
    "image_0_199 image_200_399 image_400_599 image_600_799 image_800_999 image_1000 movie_0_239 movie_240_479 movie_480").split()


def found(it):
    text = it.case.text("search").lower().replace(" ", "_").replace("'", "''")
    return f"contains(lower(base_name), '{text}')"


def top(it, columns, more=""):
    return it.ask(f"SELECT {columns} FROM most_transferred WHERE {IN} AND {found(it)} {more}")


def newest_day(it, *columns):
    return it.ask(f"SELECT {', '.join(f'sum({column})' for column in columns)} FROM mediacounts_daily WHERE ts = {DAY} AND {found(it)}")


def missing(it):
    days = {ts for ts, in it.ask("SELECT DISTINCT ts FROM mediacounts_daily")}
    return [(sum(ts not in days and it.case.start <= ts < it.case.end for ts in range(min(days), max(days), 86400)),)]


def files(it):
    sums = {}
    for name, transfers, size, ts, place in top(it, "left(base_name, 500), transfers, response_bytes, ts, place"):
        sums.setdefault(name, []).append((transfers, size, ts, place))
    rows = [(name, sum(row[0] for row in rows), sum(row[1] for row in rows), len(rows), rows) for name, rows in sums.items()]
    return sorted(rows, key=lambda row: (-row[1], row[0]))


def new(it):
    [(day,)] = it.ask(f"SELECT max(ts) FROM mediacounts_daily WHERE {IN}")
    return [(name, transfers, size, rows[0][3]) for name, transfers, size, days, rows in files(it) if days == 1 and rows[0][2] == day][:25]


def grouped(it, key, column):
    sums = {}
    for name, number in top(it, f"base_name, {column}"):
        sums[key(name)] = sums.get(key(name), 0) + number
    return sorted(sums.items(), key=lambda row: (-row[1], row[0]))[:12]


PANELS = {
    "Newest day": lambda it: [(None if day is None else day * 1000,) for day, in it.ask(f"SELECT {DAY}")],
    "Transfers": lambda it: top(it, "coalesce(sum(transfers), 0)"),
    "Bytes": lambda it: top(it, "coalesce(sum(response_bytes), 0)"),
    "All files on the newest day": lambda it: newest_day(it, *SOURCE),
    "Days missing": missing,
    "Transfers by day": lambda it: top(it, "ts, sum(transfers)", "GROUP BY ts"),
    "Bytes by day": lambda it: top(it, "ts, sum(response_bytes)", "GROUP BY ts"),
    "Referers on the newest day": lambda it: newest_day(it, "referer_internal", "referer_external", "referer_unknown"),
    "Transcodings on the newest day": lambda it: newest_day(it, "original", "transcoded_image", "transcoded_audio", "transcoded_movie"),
    "Sizes on the newest day": lambda it: newest_day(
        it, "image_0_199", "image_200_399", "image_400_599", "image_600_799", "image_800_999", "image_1000",
        "movie_0_239", "movie_240_479", "movie_480"),
    "Most transferred files": lambda it: [row[:4] for row in files(it)[:25]],
    "New among the most transferred": new,
    "Where files lie": lambda it: grouped(it, lambda name: "/".join(name.split("/")[:3]), "transfers"),
    "Kinds of file": lambda it: grouped(it, lambda name: name.split("/")[-1][:255].split(".")[-1].lower(), "response_bytes"),
}
