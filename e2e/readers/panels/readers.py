"""The panels of Readers, from the facts of page views in the lake."""

TEXTS = ("page_1", "nouvelle É", "It's_\"7", "it's", "nothing' like \" it")
WEEK = 7 * 86400
IN = "ts >= $start AND ts < $end"
NEWEST = f"(SELECT max(ts) FROM pageviews_hourly WHERE {IN})"


def those(it):
    return f"{it.among('project', 'project')} AND {it.among('access', 'access')}"


def total(it, condition, **values):
    return it.ask(f"SELECT sum(views) FROM pageviews_hourly WHERE {condition} AND {those(it)}", **values)[0][0]


def views(it):
    return [(total(it, IN) or 0,)]


def by_hour(it, shift=0):
    rows = it.ask(
        f"SELECT ts + {shift}, sum(views) FROM pageviews_hourly WHERE ts + {shift} >= $start AND ts + {shift} < $end AND {those(it)} GROUP BY ts")
    return rows


def against(it):
    now, before = dict(by_hour(it)), dict(by_hour(it, WEEK))
    both = now.keys() & before.keys()
    new, old = sum(now[ts] for ts in both), sum(before[ts] for ts in both)
    return [(100 * (new - old) / old if old else None,)]


def newest_hour(it):
    return [(total(it, f"ts = {NEWEST}") or 0, total(it, f"ts = {NEWEST} - {WEEK}"))]


def mobile(it):
    all_of_them, some = total(it, IN), total(it, f"{IN} AND access = 'mobile'")
    return [(100 * (some or 0) / all_of_them if all_of_them else None,)]


def through(it):
    [(newest,)] = it.ask(f"SELECT {NEWEST}")
    return [(None if newest is None else (newest + 3600) * 1000,)]


def loaded(it):
    return sorted(ts for ts, in it.ask("SELECT ts FROM page_hours"))


def missing(it):
    hours = set(loaded(it))
    expected = range(min(hours), max(hours) + 3600, 3600) if hours else ()
    return [(sum(ts not in hours and it.case.start <= ts < it.case.end for ts in expected),)]


def gaps(it):
    hours = loaded(it)
    pairs = [(last + 3600, first) for last, first in zip(hours, hours[1:]) if first > last + 3600]
    return sorted(((one, two) for one, two in pairs if one < it.case.end and two > it.case.start), reverse=True)[:100]


def access_methods(it):
    return it.ask(f"SELECT ts, access, sum(views) FROM pageviews_hourly WHERE {IN} AND {those(it)} GROUP BY ALL")


def busy(it):
    rows = it.ask(
        f"SELECT project, sum(views) AS views FROM pageviews_hourly WHERE {IN} AND ts > {NEWEST} - 86400 AND {it.among('project', 'project')} "
        "GROUP BY project ORDER BY views DESC, project LIMIT 10")
    return [project for project, _ in rows]


def of_busy(it):
    return ", ".join("'" + one.replace("'", "''") + "'" for one in busy(it)) or "NULL"


def by_project(it):
    return it.ask(
        f"SELECT ts, project, sum(views) FROM pageviews_hourly WHERE {IN} AND project IN ({of_busy(it)}) AND {it.among('access', 'access')} GROUP BY ALL")


def projects(it):
    return it.ask(
        f"SELECT project, sum(views) AS views FROM pageviews_hourly WHERE {IN} AND {those(it)} GROUP BY project ORDER BY views DESC, project LIMIT 12")


def is_found(it, title):
    wanted = it.case.text("search").lower().replace(" ", "_")
    return wanted in title.lower()


def listed(it, hours=None, length=255):
    """Views and hours of the pages that are found, by project and title."""
    rows = it.ask(f"SELECT ts, project, title, views FROM most_read WHERE project IN ({of_busy(it)})"
                  + (f" AND ts IN ({', '.join(map(str, hours)) or 'NULL'})" if hours is not None else f" AND {IN}"))
    sums = {}
    for ts, project, title, count in rows:
        if is_found(it, title):
            before = sums.get((project, title[:length]), (0, 0))
            sums[project, title[:length]] = (before[0] + count, before[1] + 1)
    return sums


def most_read(it):
    rows = [(project, title, count, hours) for (project, title), (count, hours) in listed(it).items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:25]


def movers(it):
    hours = set(loaded(it))
    inside = [ts for ts in hours if it.case.start <= ts < it.case.end]
    last_day = {ts for ts in inside if ts > max(inside) - 86400 and ts - WEEK in hours}
    now, then = listed(it, last_day), listed(it, {ts - WEEK for ts in last_day})
    rows = []
    for key in now.keys() | then.keys():
        new, old = now.get(key, (0,))[0], then.get(key, (0,))[0]
        rows.append((*key, new, old, new - old))
    return sorted(rows, key=lambda row: (-abs(row[4]), row[0], row[1]))[:25]


def articles(it):
    rows = [(project, title, count) for (project, title), (count, _) in listed(it, length=200).items()]
    best = {row[:2] for row in sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:8]}
    rows = it.ask(f"SELECT ts, project, left(title, 200), sum(views) FROM most_read WHERE {IN} AND project IN ({of_busy(it)}) GROUP BY ALL")
    return [(ts, f"{project}: {title}", count) for ts, project, title, count in rows if (project, title) in best]


def readers(it):
    day = f"(SELECT max(ts // 86400 * 86400) FROM pageview_complete_hourly WHERE agent = 'user' AND ts // 86400 * 86400 >= $start AND ts // 86400 * 86400 < $end)"
    return it.ask(
        f"SELECT agent, sum(views) AS views FROM pageview_complete_hourly WHERE ts // 86400 * 86400 = {day} AND {it.among('project', 'project')} "
        "GROUP BY agent ORDER BY views DESC, agent")


def hours_of_the_day(it):
    rows = it.ask(f"SELECT ts, sum(views) FROM pageviews_hourly WHERE {IN} AND {those(it)} GROUP BY ts")
    return [(ts // 86400 * 86400, f"{ts % 86400 // 3600:02}", count) for ts, count in rows]


def of_last_day(it, column):
    return it.ask(
        f"SELECT {column} FROM pageviews_hourly WHERE {IN} AND ts > {NEWEST} - 86400 GROUP BY {column} ORDER BY sum(views) DESC, {column}")


PANELS = {
    "variable project": lambda it: of_last_day(it, "project"),
    "variable access": lambda it: of_last_day(it, "access"),
    "Views": views,
    "Against the week before": against,
    "Newest hour": newest_hour,
    "Mobile": mobile,
    "Loaded through": through,
    "Hours missing": missing,
    "Views by hour": lambda it: {"A": by_hour(it), "B": by_hour(it, WEEK)},
    "Access methods": access_methods,
    "By project": by_project,
    "Projects": projects,
    "Most read articles": most_read,
    "Movers": movers,
    "Articles by hour": articles,
    "Kinds of reader": readers,
    "Hours of the day": hours_of_the_day,
    "Missing hours": lambda it: [(one * 1000, two * 1000, (two - one) // 3600) for one, two in gaps(it)],
    "annotation Hours missing": lambda it: [(one, two, "not loaded") for one, two in gaps(it)],
}
