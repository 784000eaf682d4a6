//! The page: one file with all that it takes.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    chart,
    questions::{Answer, Hour, Line, Section, Shape},
};

const STYLE: &str = include_str!("style.css");

/// Draws the page.
pub(super) fn page(title: &str, sections: &[Section]) -> String {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Nothing is loaded from elsewhere.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    nav { @for section in sections { a href=(format!("#{}", anchor(section.title))) { (section.title) } } }
                }
                main {
                    @if sections.is_empty() { p { "Nothing has been loaded yet." } }
                    @for section in sections { (self::section(section)) }
                }
                footer { "Numbers of Wikimedia's public data sets, CC0. Times are UTC." }
            }
        }
    };
    body.into_string()
}

fn section(section: &Section) -> Markup {
    html! {
        section id=(anchor(section.title)) {
            h2 { (section.title) }
            p.range { (section.range) }
            div.answers { @for answer in &section.answers { (self::answer(answer)) } }
        }
    }
}

fn answer(answer: &Answer) -> Markup {
    html! {
        article {
            h3 { (answer.title) }
            p.note { (answer.note) }
            (drawing(&answer.shape))
            @if !matches!(answer.shape, Shape::Rows(..)) {
                details { summary { "Numbers" } (numbers(&answer.shape)) }
            }
        }
    }
}

fn drawing(shape: &Shape) -> Markup {
    let svg = match shape {
        Shape::Lines(lines) => chart::lines(lines),
        Shape::Bars(bars) => chart::bars(bars),
        Shape::Calendar(days) => chart::calendar(days),
        Shape::Rows(..) => return numbers(shape),
    };
    let names = if let Shape::Lines(lines) = shape {
        legend(lines)
    } else {
        html! {}
    };
    match svg {
        Ok(svg) => html! { (names) (PreEscaped(svg)) },
        // The numbers are there all the same.
        Err(error) => html! { p.note { "This could not be drawn: " (error) } },
    }
}

fn legend(lines: &[Line]) -> Markup {
    html! {
        @if lines.len() > 1 {
            ul.legend {
                @for (line, at) in lines.iter().zip(1..) {
                    li { span style=(format!("background: var(--data-{at})")) {} (line.name) }
                }
            }
        }
    }
}

fn numbers(shape: &Shape) -> Markup {
    match shape {
        Shape::Lines(lines) => {
            let rows = lines.iter().flat_map(|line| {
                let row = |(ts, number): &(jiff::Timestamp, i64)| {
                    let ts = ts.strftime("%Y-%m-%d %H:%M").to_string();
                    vec![ts, line.name.clone(), number.to_string()]
                };
                line.points.iter().map(row)
            });
            table(&["time", "", "number"], rows)
        }
        Shape::Bars(bars) => {
            let rows = bars
                .iter()
                .map(|(name, number)| vec![name.clone(), number.to_string()]);
            table(&["", "number"], rows)
        }
        Shape::Calendar(days) => {
            let count = |hours: &[Hour; 24], what: Hour| {
                let found = hours.iter().filter(|hour| **hour == what);
                found.count().to_string()
            };
            let rows = days.iter().map(|(day, hours)| {
                let states = [Hour::Loaded, Hour::Rejected, Hour::Missing];
                let states = states.map(|what| count(hours, what));
                std::iter::once(day.clone()).chain(states).collect()
            });
            table(&["day", "loaded", "with rejected lines", "missing"], rows)
        }
        Shape::Rows(columns, rows) => table(columns, rows.iter().cloned()),
    }
}

fn table(columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for column in columns { th { (column) } } } }
                tbody {
                    @for row in rows {
                        tr { @for cell in &row { td class=[is_number(cell).then_some("number")] { (grouped(cell)) } } }
                    }
                }
            }
        }
    }
}

fn is_number(cell: &str) -> bool {
    cell.parse::<i64>().is_ok()
}

/// A whole number with its thousands apart, by a space that does not break.
fn grouped(cell: &str) -> String {
    if !is_number(cell) {
        return cell.to_owned();
    }
    let (sign, digits) = cell.split_at(usize::from(cell.starts_with('-')));
    let mut grouped = String::from(sign);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

fn anchor(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_names_are_not() {
        assert_eq!(grouped("1234567"), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped("-1000"), "-1\u{202f}000");
        assert_eq!(grouped("999"), "999");
        assert_eq!(grouped("de.wikipedia"), "de.wikipedia");
    }

    #[test]
    fn what_strangers_write_is_text_and_nothing_comes_from_elsewhere() {
        let hostile = "<img src=x onerror=alert(1)>".to_owned();
        let section = Section {
            title: "Readers",
            range: "then".to_owned(),
            answers: vec![
                Answer {
                    title: "Most read",
                    note: String::new(),
                    shape: Shape::Rows(vec!["article"], vec![vec![hostile.clone()]]),
                },
                Answer {
                    title: "Wikis",
                    note: String::new(),
                    shape: Shape::Bars(vec![(hostile, 3)]),
                },
            ],
        };
        let page = page("Wikimedia", &[section]);
        assert!(!page.contains("<img"), "{page}");
        assert!(!page.contains("<script"), "{page}");
        assert!(
            !page.contains("https://") && !page.contains("src=\""),
            "{page}"
        );
    }

    #[test]
    fn a_page_of_nothing_says_so() {
        assert!(page("Wikimedia", &[]).contains("Nothing has been loaded yet."));
    }
}
