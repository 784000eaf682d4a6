"""The panels of Editors, from the events in the lake."""

TEXTS = ()
IN = "ts >= $start AND ts < $end"
GREW = "least(greatest(coalesce(length_new - coalesce(length_old, 0), 0), -1000000000000000), 1000000000000000)"


def those(it):
    return f"{it.among('''coalesce(wiki, '')''', 'wiki')} AND {it.among('''coalesce(type, '')''', 'type')}"


def events(it, columns, more="true", condition="ts // 60 * 60 >= $start AND ts // 60 * 60 < $end", **values):
    """What is summed by minute: a minute belongs to the range in which it begins."""
    return it.ask(f"SELECT {columns} FROM recent_changes WHERE {condition} AND {those(it)} {more if more != 'true' else ''}", **values)


def last_minute(it):
    return it.ask(f"SELECT count(*) FROM recent_changes WHERE us >= {(it.case.end - 60) * 10**6} AND us < {it.case.end * 10**6} AND {those(it)}")


def share_of_bots(it):
    [(bots, count)] = events(it, "count(*) FILTER (bot), count(*)")
    return [(100 * bots / count if count else None,)]


def behind(it):
    newest = [row["newest"] for row in it.rows("stream_checkpoint") if row["newest"] is not None]
    return [(max(0, it.case.end - int(min(newest))) if newest else None,)]


def minutes(it, bucket):
    """How many minutes of the range begin in a bucket."""
    width = it.case.width // 1000
    return sum(it.case.start <= minute < it.case.end for minute in range(bucket, bucket + width, 60))


def rates(it, columns, group="", more=""):
    width = it.case.width // 1000
    rows = events(it, f"ts // 60 * 60 // {width} * {width} AS bucket, {columns}", f"{more} GROUP BY bucket{group}")
    return [tuple(value / minutes(it, row[0]) if at and isinstance(value, int) else value for at, value in enumerate(row)) for row in rows]


def bots_and_people(it):
    return rates(it, "count(*) FILTER (bot IS NOT true), count(*) FILTER (bot)")


def types(it):
    return rates(it, "coalesce(type, '') AS kind, count(*)", ", kind")


def most_active(it, limit):
    return events(it, "coalesce(wiki, '') AS w, count(*) AS n", f"GROUP BY w ORDER BY n DESC, w LIMIT {limit}")


def by_wiki(it):
    ten = {wiki for wiki, _ in most_active(it, 10)}
    return [row for row in rates(it, "coalesce(wiki, '') AS w, count(*)", ", w") if row[1] in ten]


def growth(it):
    width, sums = it.case.width // 1000, {}
    for minute, grew in events(it, f"ts // 60 * 60 AS minute, sum({GREW})", "GROUP BY minute, coalesce(wiki, ''), coalesce(type, '')"):
        sum_ = sums.setdefault(minute // width * width, [0, 0])
        sum_[grew < 0] += grew
    return [(bucket, up / minutes(it, bucket), down / minutes(it, bucket)) for bucket, (up, down) in sums.items()]


def latest(it):
    """The latest 30,000 of the range, and of those the chosen ones."""
    rows = it.ask(
        "SELECT us, event_id, coalesce(wiki, ''), coalesce(type, ''), title, user_name, length_old, length_new, notify_url, title_url FROM recent_changes "
        f"WHERE us >= {it.case.start * 10**6} AND us < {it.case.end * 10**6} ORDER BY us DESC, event_id DESC LIMIT 30000")
    return [row for row in rows if it.is_among(row[2], "wiki") and it.is_among(row[3], "type")]


def added_and_removed(it):
    sums = {}
    for _, _, wiki, _, _, _, old, new, _, _ in latest(it):
        if new is not None:
            sum_ = sums.setdefault(wiki, [0, 0])
            sum_[new < (old or 0)] += new - (old or 0)
    rows = [(wiki, added, removed) for wiki, (added, removed) in sums.items()]
    return sorted(rows, key=lambda row: (row[2] - row[1], row[0]))[:12]


def largest(it):
    rows = [row for row in latest(it) if row[7] is not None]
    rows.sort(key=lambda row: (-abs(row[7] - (row[6] or 0)), -row[0], row[1]))
    return [(us // 1000000 * 1000, wiki, title, user, new - (old or 0), diff or page or "")
            for us, _, wiki, _, title, user, old, new, diff, page in rows[:25]]


def new_pages(it):
    rows = sorted((row for row in latest(it) if row[3] == "new"), key=lambda row: (-row[0], row[1]))
    return [(us // 1000000 * 1000, wiki, title, user, new, page or diff or "") for us, _, wiki, _, title, user, _, new, diff, page in rows[:25]]


def of_six_hours(it, column, limit):
    return it.ask(
        f"SELECT coalesce({column}, '') AS c FROM recent_changes WHERE ts // 60 * 60 >= greatest($start, $end - 21600) AND ts // 60 * 60 < $end "
        f"GROUP BY c ORDER BY count(*) DESC, c LIMIT {limit}")


PANELS = {
    "variable wiki": lambda it: of_six_hours(it, "wiki", 1000),
    "variable type": lambda it: of_six_hours(it, "type", 1000),
    "Last minute": last_minute,
    "Changes": lambda it: events(it, "count(*)"),
    "By bots": share_of_bots,
    "Bytes": lambda it: events(it, f"coalesce(sum({GREW}), 0)"),
    "Wikis": lambda it: events(it, "count(DISTINCT coalesce(wiki, ''))"),
    "Behind": behind,
    "Bots and people": bots_and_people,
    "Types": types,
    "By wiki": by_wiki,
    "Growth": growth,
    "Active wikis": lambda it: most_active(it, 40),
    "Added and removed": added_and_removed,
    "Largest changes": largest,
    "New pages": new_pages,
}
