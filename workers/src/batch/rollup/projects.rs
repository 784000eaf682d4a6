//! Views and pages of each project and access.

use std::collections::{BTreeMap, HashMap};

use crate::rows::{Access, Domain};

/// Views of one project and access in the hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectSum {
    /// As in [`Domain::project`].
    pub(super) project: String,
    /// As in [`Domain::access`].
    pub(super) access: Access,
    /// The sum of views.
    pub(super) views: i64,
    /// The number of rows, which is the number of pages seen.
    pub(super) pages: i64,
}

#[derive(Debug)]
struct Slot {
    project: u32,
    access: Access,
    views: i64,
    pages: i64,
}

/// Sums by domain, the key that rows come with.
#[derive(Debug, Default)]
pub(super) struct Projects {
    slots: Vec<Option<Slot>>,
    numbers: HashMap<String, u32>,
    names: Vec<String>,
}

impl Projects {
    /// Counts a row, and says the number of its project.
    pub(super) fn add(&mut self, id: usize, domain: &Domain, views: i64) -> u32 {
        if id >= self.slots.len() {
            self.slots.resize_with(id + 1, || None);
        }
        let slot = &mut self.slots[id];
        let slot = if let Some(slot) = slot {
            slot
        } else {
            let project = *self
                .numbers
                .entry(domain.project.clone())
                .or_insert_with(|| {
                    self.names.push(domain.project.clone());
                    u32::try_from(self.names.len() - 1).unwrap_or(u32::MAX)
                });
            slot.insert(Slot {
                project,
                access: domain.access,
                views: 0,
                pages: 0,
            })
        };
        slot.views += views;
        slot.pages += 1;
        slot.project
    }

    /// The projects' names, by number.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// One row a project and access; several codes may share one.
    pub(super) fn finish(self) -> Vec<ProjectSum> {
        let mut sums: BTreeMap<(&str, Access), (i64, i64)> = BTreeMap::new();
        for slot in self.slots.iter().flatten() {
            let name = self.names[slot.project as usize].as_str();
            let sum = sums.entry((name, slot.access)).or_default();
            sum.0 += slot.views;
            sum.1 += slot.pages;
        }
        sums.into_iter()
            .map(|((project, access), (views, pages))| ProjectSum {
                project: project.to_owned(),
                access,
                views,
                pages,
            })
            .collect()
    }
}
