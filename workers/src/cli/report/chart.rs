//! Answers as SVG, in colours that the page's style decides.

use std::error::Error;

use jiff::{Timestamp, tz::TimeZone};
use plotters::{
    coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter},
    prelude::*,
};

use super::questions::{Hour, Line};
use crate::cli::cut::cut;

/// As wide as a phone's screen and a half, so that text is readable there and on a desk.
const WIDTH: u32 = 560;
const HEIGHT: u32 = 260;
/// The size of what stands beside data.
const LARGE: u32 = 19;
/// The size of what stands at an axis.
const SMALL: u32 = 17;
/// The height of a bar with the room around it.
const BAR: u32 = 26;
/// The height of a day in a calendar.
const DAY: u32 = 22;

/// What text and lines are drawn in; the style has a colour for it.
const INK: RGBColor = RGBColor(0x00, 0x00, 0x01);
const GRID: RGBColor = RGBColor(0x00, 0x00, 0x02);
/// What data is drawn in, in the order of lines.
const DATA: [RGBColor; super::questions::LINES] = [
    RGBColor(0x00, 0x01, 0x00),
    RGBColor(0x00, 0x01, 0x01),
    RGBColor(0x00, 0x01, 0x02),
    RGBColor(0x00, 0x01, 0x03),
    RGBColor(0x00, 0x01, 0x04),
    RGBColor(0x00, 0x01, 0x05),
];
/// Of hours: loaded, with rejected lines, missing, outside.
const HOURS: [RGBColor; 4] = [
    RGBColor(0x00, 0x02, 0x00),
    RGBColor(0x00, 0x02, 0x01),
    RGBColor(0x00, 0x02, 0x02),
    RGBColor(0x00, 0x02, 0x03),
];

/// The names of the style's colours, beside what stands for them here.
fn colours() -> Vec<(RGBColor, String)> {
    let mut colours = vec![(INK, "ink".to_owned()), (GRID, "grid".to_owned())];
    colours.extend((DATA.iter().zip(1..)).map(|(colour, at)| (*colour, format!("data-{at}"))));
    colours.extend((HOURS.iter().zip(1..)).map(|(colour, at)| (*colour, format!("hour-{at}"))));
    colours
}

/// A drawing that went wrong.
type Drawn<T> = Result<T, Box<dyn Error>>;

/// Numbers over time.
pub(super) fn lines(lines: &[Line]) -> Drawn<String> {
    let points = || lines.iter().flat_map(|line| &line.points);
    let times = || points().map(|(ts, _)| ts.as_second());
    let (from, to) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let largest = points().map(|(_, number)| *number).max().unwrap_or(0);
    let least = points().map(|(_, number)| *number).min().unwrap_or(0);
    svg(HEIGHT, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(28)
            .x_label_area_size(32)
            .y_label_area_size(70)
            .build_cartesian_2d(Times(from, to.max(from + 1)), least.min(0)..largest.max(1))?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(("sans-serif", SMALL).into_font().color(&INK))
            .y_labels(5)
            .x_labels(5)
            .y_label_formatter(&|number| short(*number))
            .draw()?;
        for (line, colour) in lines.iter().zip(DATA) {
            let points = line
                .points
                .iter()
                .map(|(ts, number)| (ts.as_second(), *number));
            chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?;
            // A line of one point would not show.
            if line.points.len() == 1 {
                chart.draw_series(points.map(|point| Circle::new(point, 4, colour.filled())))?;
            }
        }
        Ok(())
    })
}

/// A number for each of some names, which the page writes beside the bars.
pub(super) fn bars(bars: &[(String, i64)]) -> Drawn<String> {
    let largest = bars
        .iter()
        .map(|(_, number)| *number)
        .max()
        .unwrap_or(0)
        .max(1);
    let height = BAR * u32::try_from(bars.len()).unwrap_or(1);
    svg(height, |area| {
        let rows = area.split_evenly((bars.len().max(1), 1));
        for ((name, number), row) in bars.iter().zip(rows) {
            let share = (*number).max(0) as f64 / largest as f64;
            let (name_at, bar_at, room) = (0, 215, 255.0);
            #[expect(clippy::cast_possible_truncation, reason = "a share of the room")]
            let end = bar_at + (share * room) as i32;
            let text = |anchor| {
                let style = ("sans-serif", LARGE).into_font().color(&INK);
                style.pos(plotters::style::text_anchor::Pos::new(
                    anchor,
                    plotters::style::text_anchor::VPos::Center,
                ))
            };
            let left = text(plotters::style::text_anchor::HPos::Left);
            let middle = i32::try_from(BAR / 2).unwrap_or(0);
            row.draw(&Text::new(shortened(name), (name_at, middle), left.clone()))?;
            row.draw(&Rectangle::new(
                [(bar_at, 4), (end.max(bar_at + 1), middle * 2 - 4)],
                DATA[0].filled(),
            ))?;
            row.draw(&Text::new(short(*number), (end + 8, middle), left))?;
        }
        Ok(())
    })
}

/// Days by hours.
pub(super) fn calendar(days: &[(String, [Hour; 24])]) -> Drawn<String> {
    let height = DAY * (u32::try_from(days.len()).unwrap_or(1) + 1);
    svg(height, |area| {
        let (left, cell) = (92, 19);
        let row = i32::try_from(DAY).unwrap_or(0);
        let style = ("sans-serif", SMALL).into_font().color(&INK);
        for hour in (0..24).step_by(6) {
            area.draw(&Text::new(
                format!("{hour:02}"),
                (left + hour * cell, 3),
                style.clone(),
            ))?;
        }
        for ((day, hours), at) in days.iter().zip(1..) {
            let top = at * row;
            area.draw(&Text::new(day.clone(), (0, top + 3), style.clone()))?;
            for (hour, x) in hours.iter().zip(0..) {
                let colour = match hour {
                    Hour::Loaded => HOURS[0],
                    Hour::Rejected => HOURS[1],
                    Hour::Missing => HOURS[2],
                    Hour::Outside => HOURS[3],
                };
                let corner = left + x * cell;
                area.draw(&Rectangle::new(
                    [(corner, top + 1), (corner + cell - 3, top + row - 3)],
                    colour.filled(),
                ))?;
            }
        }
        Ok(())
    })
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws, and has the style decide on colours, and the page on the size.
fn svg(height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn<()>) -> Drawn<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    for (colour, name) in colours() {
        let RGBColor(red, green, blue) = colour;
        svg = svg.replace(
            &format!("#{red:02X}{green:02X}{blue:02X}"),
            &format!("var(--{name})"),
        );
    }
    let size = format!("width=\"{WIDTH}\" height=\"{height}\"");
    Ok(svg.replacen(&size, "role=\"img\"", 1))
}

/// Seconds, with labels that are times.
#[derive(Clone)]
struct Times(i64, i64);

impl Ranged for Times {
    type ValueType = i64;
    type FormatOption = NoDefaultFormatting;

    fn map(&self, value: &i64, limit: (i32, i32)) -> i32 {
        let share = (value - self.0) as f64 / (self.1 - self.0) as f64;
        #[expect(clippy::cast_possible_truncation, reason = "a share of the room")]
        let at = (share * f64::from(limit.1 - limit.0)) as i32;
        limit.0 + at
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<i64> {
        let most = i64::try_from(hint.max_num_points())
            .unwrap_or(1)
            .clamp(1, 6);
        let steps = [
            60,
            300,
            900,
            3600,
            3 * 3600,
            6 * 3600,
            12 * 3600,
            86400,
            2 * 86400,
        ];
        let fits = |step: &&i64| (self.1 - self.0) / **step < most;
        let step = steps.iter().find(fits).copied().unwrap_or(7 * 86400);
        let first = self.0.div_euclid(step) * step;
        let all = (0..).map(|at| first + at * step);
        all.skip_while(|at| *at < self.0)
            .take_while(|at| *at <= self.1)
            .collect()
    }

    fn range(&self) -> std::ops::Range<i64> {
        self.0..self.1
    }
}

impl ValueFormatter<i64> for Times {
    fn format_ext(&self, value: &i64) -> String {
        let Ok(ts) = Timestamp::from_second(*value) else {
            return String::new();
        };
        let ts = ts.to_zoned(TimeZone::UTC);
        let pattern = if ts.hour() == 0 && ts.minute() == 0 {
            "%b %-d"
        } else {
            "%H:%M"
        };
        ts.strftime(pattern).to_string()
    }
}

/// A number in three digits and a letter.
pub(super) fn short(number: i64) -> String {
    let size = number.unsigned_abs();
    let units = [
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1_000, "k"),
    ];
    let Some((unit, letter)) = units.into_iter().find(|(unit, _)| size >= *unit) else {
        return number.to_string();
    };
    let share = number as f64 / unit as f64;
    if share.abs() < 10.0 {
        format!("{share:.1} {letter}")
    } else {
        format!("{share:.0} {letter}")
    }
}

/// A name that fits beside its bar.
fn shortened(name: &str) -> String {
    const MOST: usize = 24;
    cut(if name.is_empty() { "(none)" } else { name }, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(&str, i64)]) -> Line {
        Line {
            name: name.to_owned(),
            points: points
                .iter()
                .map(|(ts, number)| (ts.parse().unwrap(), *number))
                .collect(),
        }
    }

    #[test]
    fn numbers_are_short() {
        let told = [0, 999, 1_000, 12_345, 5_600_000, -2_000_000_000].map(short);
        assert_eq!(told, ["0", "999", "1.0 k", "12 k", "5.6 M", "-2.0 G"]);
    }

    #[test]
    fn no_colour_is_left_that_the_style_does_not_know() {
        let lines = lines(&[
            line(
                "a",
                &[("2024-08-03T05:00:00Z", 5), ("2024-08-03T06:00:00Z", 1)],
            ),
            line("b", &[("2024-08-03T05:00:00Z", 7)]),
        ]);
        let bars = bars(&[("en.wikipedia".to_owned(), 5), (String::new(), 0)]);
        let calendar = calendar(&[("2024-08-03".to_owned(), [Hour::Missing; 24])]);
        for svg in [lines, bars, calendar] {
            let svg = svg.unwrap();
            assert!(svg.contains("var(--"), "{svg}");
            assert!(!svg.contains("=\"#"), "{svg}");
            assert!(svg.contains("viewBox"), "{svg}");
        }
    }

    #[test]
    fn a_name_from_a_stranger_is_text() {
        let svg = bars(&[("<script>&\"'".to_owned(), 1)]).unwrap();
        assert!(!svg.contains("<script>"), "{svg}");
    }
}
