//! What the page answers: the questions of the dashboards, by the same roll-ups, in SQL that all dialects understand.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};

use super::reader::{Cell, ReadError, Reader};

/// How long the page looks back from what is newest.
const LOOKBACK: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The most bars or rows that are shown.
const SOME: usize = 12;
/// The most lines of one chart; a palette has no more.
pub(super) const LINES: usize = 6;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// What was asked.
    pub(super) title: &'static str,
    /// What the numbers are.
    pub(super) note: String,
    /// The numbers.
    pub(super) shape: Shape,
}

/// How an answer is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Numbers over time.
    Lines(Vec<Line>),
    /// A number for each of some names.
    Bars(Vec<(String, i64)>),
    /// For each day, what is known of each of its hours.
    Calendar(Vec<(String, [Hour; 24])>),
    /// Anything else: names of columns, and rows.
    Rows(Vec<&'static str>, Vec<Vec<String>>),
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// What it is of.
    pub(super) name: String,
    /// Its points, by time.
    pub(super) points: Vec<(Timestamp, i64)>,
}

/// What is known of an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Hour {
    /// It is before or after all that was loaded.
    #[default]
    Outside,
    /// It is loaded.
    Loaded,
    /// It is loaded, and some of its lines were rejected.
    Rejected,
    /// It is not there, though later ones are.
    Missing,
}

/// A part of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section {
    /// Its heading.
    pub(super) title: &'static str,
    /// From when to when its numbers are.
    pub(super) range: String,
    /// Its answers, none of which is empty.
    pub(super) answers: Vec<Answer>,
}

/// Asks everything. A part of which nothing was loaded is left out.
pub(super) async fn ask(reader: &mut Reader) -> Result<Vec<Section>, ReadError> {
    let sections = [
        readers(reader).await?,
        editors(reader).await?,
        media(reader).await?,
        counts(reader).await?,
        ingest(reader).await?,
    ];
    Ok(sections.into_iter().flatten().collect())
}

async fn readers(reader: &mut Reader) -> Result<Option<Section>, ReadError> {
    let Some(range) = Range::of(reader, "pageviews_project_hourly").await? else {
        return Ok(None);
    };
    let of = range.condition();
    let by_hour = range.over_time("views", "SUM(views)");
    let by_access = format!(
        "SELECT CAST(ts AS CHAR), access, SUM(views) FROM pageviews_project_hourly WHERE {of} \
         GROUP BY ts, access ORDER BY ts, access"
    );
    let projects = range.most("project", "SUM(views)");
    let articles = format!(
        "SELECT title, project, SUM(views) FROM pageviews_top_hourly WHERE {of} \
         GROUP BY title, project ORDER BY SUM(views) DESC, title, project LIMIT {SOME}"
    );
    let answers = vec![
        lines(
            "Views by hour",
            "views an hour",
            reader.rows(&by_hour).await?,
        ),
        lines(
            "By access method",
            "views an hour",
            reader.rows(&by_access).await?,
        ),
        bars("Most read projects", "views", reader.rows(&projects).await?),
        rows(
            "Most read articles",
            "views, of the hundred most read of each project and hour",
            vec!["article", "project", "views"],
            &reader.rows(&articles).await?,
        ),
    ];
    Ok(range.section("Readers", answers))
}

async fn editors(reader: &mut Reader) -> Result<Option<Section>, ReadError> {
    let Some(range) = Range::of(reader, "recent_changes_minute").await? else {
        return Ok(None);
    };
    let of = range.condition();
    let people = range.over_time("people", "SUM(events) - SUM(bots)");
    let bots = range.over_time("bots", "SUM(bots)");
    let wikis = range.most("wiki", "SUM(events)");
    let types = range.most("type", "SUM(events)");
    let largest = format!(
        "SELECT title, wiki, user_name, length_new - COALESCE(length_old, 0) FROM recent_changes \
         WHERE {of} AND length_new IS NOT NULL \
         ORDER BY ABS(length_new - COALESCE(length_old, 0)) DESC, event_id LIMIT {SOME}"
    );
    let mut by_minute = reader.rows(&people).await?;
    by_minute.extend(reader.rows(&bots).await?);
    let answers = vec![
        lines("Bots and people", "changes a minute", by_minute),
        bars("Busiest wikis", "changes", reader.rows(&wikis).await?),
        bars("Kinds of change", "changes", reader.rows(&types).await?),
        rows(
            "Largest changes",
            "bytes that a page grew or, below zero, shrank by",
            vec!["page", "wiki", "by", "bytes"],
            &reader.rows(&largest).await?,
        ),
    ];
    Ok(range.section("Editors", answers))
}

async fn media(reader: &mut Reader) -> Result<Option<Section>, ReadError> {
    let Some(range) = Range::of(reader, "mediacounts_top_daily").await? else {
        return Ok(None);
    };
    let of = range.condition();
    let files = format!(
        "SELECT base_name, SUM(transfers), SUM(response_bytes) FROM mediacounts_top_daily WHERE {of} \
         GROUP BY base_name ORDER BY SUM(transfers) DESC, base_name LIMIT {SOME}"
    );
    // They become rows here, since no dialect turns columns into rows as another does.
    let sums = format!(
        "SELECT SUM(referer_internal), SUM(referer_external), SUM(referer_unknown), SUM(original), \
         SUM(transcoded_image), SUM(transcoded_audio), SUM(transcoded_movie) FROM mediacounts_daily WHERE {of}"
    );
    let sums = reader.rows(&sums).await?;
    let named = |names: &[&str], from: usize| -> Vec<Vec<Cell>> {
        let sums = sums.first().into_iter().flat_map(|row| &row[from..]);
        let named = names.iter().zip(sums);
        named
            .map(|(name, sum)| vec![Some((*name).to_owned()), sum.clone()])
            .collect()
    };
    let referers = named(&["our own pages", "other sites", "unknown"], 0);
    let kinds = named(&["original", "image", "audio", "movie"], 3);
    let answers = vec![
        rows(
            "Most transferred files",
            "of the most transferred of each day",
            vec!["file", "transfers", "bytes"],
            &reader.rows(&files).await?,
        ),
        bars("Where requests come from", "transfers", referers),
        bars(
            "What is sent",
            "transfers: the original, or made of it",
            kinds,
        ),
    ];
    Ok(range.section("Media", answers))
}

async fn counts(reader: &mut Reader) -> Result<Option<Section>, ReadError> {
    let Some(range) = Range::of(reader, "pagecounts_project_hourly").await? else {
        return Ok(None);
    };
    let by_hour = range.over_time("requests", "SUM(views)");
    let projects = range.most("project", "SUM(views)");
    let answers = vec![
        lines(
            "Requests by hour",
            "requests an hour",
            reader.rows(&by_hour).await?,
        ),
        bars("Projects", "requests", reader.rows(&projects).await?),
    ];
    Ok(range.section("The archive of page counts", answers))
}

async fn ingest(reader: &mut Reader) -> Result<Option<Section>, ReadError> {
    let Some(range) = Range::of(reader, "ingest_ledger").await? else {
        return Ok(None);
    };
    let of = range.condition();
    // By itself, `rows` is a reserved word in MySQL.
    let landed = "SELECT source, COUNT(*), SUM(ingest_ledger.rows), SUM(rejected), CAST(MIN(ts) AS CHAR), \
                  CAST(MAX(ts) AS CHAR) FROM ingest_ledger GROUP BY source ORDER BY source";
    let hours = format!(
        "SELECT CAST(ts AS CHAR), SUM(rejected) FROM ingest_ledger WHERE {of} AND source = 'pageviews' \
         GROUP BY ts ORDER BY ts"
    );
    let reasons = format!(
        "SELECT source, reason, COUNT(*) FROM ingest_rejects GROUP BY source, reason \
         ORDER BY COUNT(*) DESC, source, reason LIMIT {SOME}"
    );
    let mut answers = vec![rows(
        "What landed",
        "all of it, however old",
        vec!["source", "files", "rows", "rejected", "first", "last"],
        &reader.rows(landed).await?,
    )];
    let calendar = calendar(&reader.rows(&hours).await?);
    answers.push(Answer {
        title: "Hours of page views",
        note: "loaded, loaded with rejected lines, or missing".to_owned(),
        shape: Shape::Calendar(calendar),
    });
    answers.push(rows(
        "Why lines were rejected",
        "lines, kept in ingest_rejects",
        vec!["source", "reason", "lines"],
        &reader.rows(&reasons).await?,
    ));
    Ok(range.section("Ingest", answers))
}

/// From when to when, of a table.
struct Range {
    table: &'static str,
    from: Timestamp,
    to: Timestamp,
}

impl Range {
    /// The last days of a table; none where nothing is in it.
    async fn of(reader: &mut Reader, table: &'static str) -> Result<Option<Self>, ReadError> {
        let sql = format!("SELECT CAST(MIN(ts) AS CHAR), CAST(MAX(ts) AS CHAR) FROM {table}");
        let rows = reader.rows(&sql).await?;
        let cells = rows.first().map(Vec::as_slice);
        let Some([Some(oldest), Some(newest)]) = cells else {
            return Ok(None);
        };
        Ok(Self::within(table, oldest, newest))
    }

    fn within(table: &'static str, oldest: &str, newest: &str) -> Option<Self> {
        let (oldest, to) = (time(oldest)?, time(newest)?);
        let from = to.checked_sub(LOOKBACK).unwrap_or(oldest).max(oldest);
        Some(Self { table, from, to })
    }

    fn condition(&self) -> String {
        let text = |ts: Timestamp| ts.strftime("%Y-%m-%d %H:%M:%S").to_string();
        format!("ts >= '{}'", text(self.from))
    }

    /// Asks for a sum at each time, under a name.
    fn over_time(&self, name: &str, sum: &str) -> String {
        let (table, of) = (self.table, self.condition());
        format!(
            "SELECT CAST(ts AS CHAR), '{name}', {sum} FROM {table} WHERE {of} GROUP BY ts ORDER BY ts"
        )
    }

    /// Asks for those values of a column that have the largest sums.
    fn most(&self, column: &str, sum: &str) -> String {
        let (table, of) = (self.table, self.condition());
        format!(
            "SELECT {column}, {sum} FROM {table} WHERE {of} \
             GROUP BY {column} ORDER BY {sum} DESC, {column} LIMIT {SOME}"
        )
    }

    fn section(&self, title: &'static str, answers: Vec<Answer>) -> Option<Section> {
        let answers: Vec<_> = answers
            .into_iter()
            .filter(|it| !is_empty(&it.shape))
            .collect();
        let text = |ts: Timestamp| ts.strftime("%Y-%m-%d %H:%M").to_string();
        (!answers.is_empty()).then(|| Section {
            title,
            range: format!("{} to {} UTC", text(self.from), text(self.to)),
            answers,
        })
    }
}

fn is_empty(shape: &Shape) -> bool {
    match shape {
        Shape::Lines(lines) => lines.iter().all(|line| line.points.is_empty()),
        Shape::Bars(bars) => bars.iter().all(|(_, number)| *number == 0),
        Shape::Calendar(days) => days.is_empty(),
        Shape::Rows(_, rows) => rows.is_empty(),
    }
}

/// A time as databases write it.
fn time(text: &str) -> Option<Timestamp> {
    let time: DateTime = text.replace(' ', "T").parse().ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn number(cell: Option<&Cell>) -> i64 {
    let text = cell.and_then(Option::as_deref).unwrap_or("0");
    text.parse().unwrap_or(0)
}

fn text(cell: &Cell) -> String {
    cell.clone().unwrap_or_default()
}

/// Rows of a time, a name and a number. Of many names the largest have a line.
fn lines(title: &'static str, note: &str, rows: Vec<Vec<Cell>>) -> Answer {
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        let (Some(ts), Some(name)) = (row.first().and_then(|ts| time(&text(ts))), row.get(1))
        else {
            continue;
        };
        let (name, point) = (text(name), (ts, number(row.get(2))));
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                points: vec![point],
            }),
        }
    }
    let sum = |line: &Line| line.points.iter().map(|(_, number)| number).sum::<i64>();
    lines.sort_by_key(|line| (std::cmp::Reverse(sum(line)), line.name.clone()));
    lines.truncate(LINES);
    Answer {
        title,
        note: note.to_owned(),
        shape: of_a_moment(&lines).unwrap_or(Shape::Lines(lines)),
    }
}

/// Where there is but one moment, nothing is to be seen of time.
fn of_a_moment(lines: &[Line]) -> Option<Shape> {
    let moments: BTreeSet<Timestamp> = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|(ts, _)| *ts))
        .collect();
    let bar = |line: &Line| Some((line.name.clone(), line.points.first()?.1));
    (moments.len() == 1).then(|| Shape::Bars(lines.iter().filter_map(bar).collect()))
}

fn bars(title: &'static str, note: &str, rows: Vec<Vec<Cell>>) -> Answer {
    let bar = |row: Vec<Cell>| (text(row.first().unwrap_or(&None)), number(row.get(1)));
    Answer {
        title,
        note: note.to_owned(),
        shape: Shape::Bars(rows.into_iter().map(bar).collect()),
    }
}

fn rows(title: &'static str, note: &str, columns: Vec<&'static str>, rows: &[Vec<Cell>]) -> Answer {
    let rows = rows.iter().map(|row| row.iter().map(text).collect());
    Answer {
        title,
        note: note.to_owned(),
        shape: Shape::Rows(columns, rows.collect()),
    }
}

/// Days of hours, from rows of an hour and how many of its lines were rejected.
fn calendar(rows: &[Vec<Cell>]) -> Vec<(String, [Hour; 24])> {
    let known: Vec<(Timestamp, i64)> = rows
        .iter()
        .filter_map(|row| Some((time(&text(row.first()?))?, number(row.get(1)))))
        .collect();
    let (Some((first, _)), Some((last, _))) = (known.first(), known.last()) else {
        return Vec::new();
    };
    let mut days: Vec<(String, [Hour; 24])> = Vec::new();
    let mut at = *first;
    while at <= *last {
        let zoned = at.to_zoned(TimeZone::UTC);
        let day = zoned.date().to_string();
        if days.last().is_none_or(|(last, _)| *last != day) {
            days.push((day, [Hour::default(); 24]));
        }
        let state = match known.binary_search_by_key(&at, |(ts, _)| *ts) {
            Ok(found) if known[found].1 > 0 => Hour::Rejected,
            Ok(_) => Hour::Loaded,
            Err(_) => Hour::Missing,
        };
        let hour = usize::from(zoned.hour().unsigned_abs());
        if let Some((_, hours)) = days.last_mut() {
            hours[hour] = state;
        }
        let Ok(next) = at.checked_add(SignedDuration::from_hours(1)) else {
            break;
        };
        at = next;
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<Cell> {
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    }

    #[test]
    fn a_page_looks_back_a_week_from_what_is_newest() {
        let range =
            Range::within("t", "2024-01-01 00:00:00", "2024-08-03 09:00:00.000000").unwrap();
        assert_eq!(range.condition(), "ts >= '2024-07-27 09:00:00'");
        let range = Range::within("t", "2024-08-03 05:00:00", "2024-08-03 09:00:00").unwrap();
        assert_eq!(range.condition(), "ts >= '2024-08-03 05:00:00'");
    }

    #[test]
    fn the_largest_of_many_have_lines() {
        let rows = |hour: u8| {
            (0..9).map(move |number| {
                let (ts, number) = (format!("2024-08-03 {hour:02}:00:00"), number.to_string());
                row(&[&ts, &number, &number])
            })
        };
        let all = rows(5).chain(rows(6));
        let Shape::Lines(lines) = lines("", "", all.collect()).shape else {
            panic!("lines");
        };
        let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["8", "7", "6", "5", "4", "3"]);
    }

    #[test]
    fn of_one_moment_there_are_bars() {
        let rows = vec![row(&["2024-08-03 05:00:00", "views", "7"])];
        let bars = Shape::Bars(vec![("views".to_owned(), 7)]);
        assert_eq!(lines("", "", rows).shape, bars);
    }

    #[test]
    fn an_hour_between_others_is_missing_and_one_after_all_is_not() {
        let rows = [
            row(&["2024-08-03 22:00:00", "0"]),
            row(&["2024-08-03 23:00:00", "2"]),
            row(&["2024-08-04 01:00:00", "0"]),
        ];
        let days = calendar(&rows);
        assert_eq!(days.len(), 2);
        assert_eq!(
            days[0].1[21..],
            [Hour::Outside, Hour::Loaded, Hour::Rejected]
        );
        assert_eq!(days[1].1[..3], [Hour::Missing, Hour::Loaded, Hour::Outside]);
        assert_eq!(calendar(&[]), []);
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let range = Range::within("t", "2024-08-03 05:00:00", "2024-08-03 05:00:00").unwrap();
        assert_eq!(range.section("a", vec![bars("b", "", Vec::new())]), None);
        let answers = vec![
            bars("b", "", Vec::new()),
            bars("c", "", vec![row(&["x", "1"])]),
        ];
        assert_eq!(range.section("a", answers).unwrap().answers.len(), 1);
    }
}
