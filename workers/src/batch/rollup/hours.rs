//! Views and pages of each project and access, hour by hour of a day.

use std::collections::{BTreeMap, HashMap};

/// Views in each hour of a day.
pub(crate) type Day = [i64; 24];

/// Views of one project and access in an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectHour {
    pub(super) project: String,
    pub(super) access: &'static str,
    /// Hour of the day, from 0.
    pub(super) hour: i64,
    pub(super) views: i64,
    /// Rows, which are pages by page id.
    pub(super) pages: i64,
}

/// A day's sums.
#[derive(Debug, Default)]
pub(super) struct Hours {
    numbers: HashMap<String, u32>,
    names: Vec<String>,
    /// The project of the row before: files are sorted, so most rows share it.
    last: u32,
    /// Views and pages.
    sums: BTreeMap<(u32, &'static str), [(i64, i64); 24]>,
}

impl Hours {
    /// Counts a page, and says the number of its project.
    pub(super) fn add(&mut self, project: &str, access: &'static str, day: &Day) -> u32 {
        let same = self.names.get(self.last as usize);
        if same.is_none_or(|same| same != project) {
            self.last = match self.numbers.get(project) {
                Some(number) => *number,
                None => self.enter(project),
            };
        }
        let sums = self.sums.entry((self.last, access)).or_default();
        for (sum, views) in sums.iter_mut().zip(day).filter(|(_, views)| **views > 0) {
            sum.0 += views;
            sum.1 += 1;
        }
        self.last
    }

    fn enter(&mut self, project: &str) -> u32 {
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(project.to_owned());
        self.numbers.insert(project.to_owned(), number);
        number
    }

    /// The projects' names, by number.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// One row a project, access and hour that has views, ordered by them.
    pub(super) fn finish(self) -> Vec<ProjectHour> {
        let names = &self.names;
        let mut rows: Vec<_> = (self.sums.iter())
            .flat_map(|((project, access), sums)| {
                let hours = (0..).zip(sums).filter(|(_, (views, _))| *views > 0);
                hours.map(|(hour, (views, pages))| ProjectHour {
                    project: names[*project as usize].clone(),
                    access,
                    hour,
                    views: *views,
                    pages: *pages,
                })
            })
            .collect();
        rows.sort_by(|a, b| (a.hour, &a.project, a.access).cmp(&(b.hour, &b.project, b.access)));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_summed_by_project_and_access() {
        let mut hours = Hours::default();
        let day = |at: usize, views| {
            let mut day = [0; 24];
            day[at] = views;
            day
        };
        hours.add("en", "desktop", &day(5, 2));
        hours.add("de", "desktop", &day(5, 1));
        hours.add("en", "desktop", &day(5, 3));
        hours.add("en", "mobile-web", &day(0, 4));
        let rows: Vec<_> = hours
            .finish()
            .into_iter()
            .map(|row| (row.hour, row.project, row.access, row.views, row.pages))
            .collect();
        let en = || "en".to_owned();
        assert_eq!(
            rows,
            [
                (0, en(), "mobile-web", 4, 1),
                (5, "de".to_owned(), "desktop", 1, 1),
                (5, en(), "desktop", 5, 2),
            ]
        );
    }
}
