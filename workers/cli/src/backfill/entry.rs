//! A backfill as it is written into a resource. Pure.

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};
use wikiingest_crds::validate::{Problem, Target, offline};

use crate::{args::Backfill, error::Error};

/// What is to be added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) name: String,
    from: Timestamp,
    to: Timestamp,
    parallelism: Option<u16>,
    base_url: Option<String>,
}

/// What adding it comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Added {
    /// Nothing.
    Already,
    /// All sources, with it in one of them.
    Sources(Value),
}

impl Entry {
    /// From the command line.
    pub(super) fn new(args: &Backfill) -> Self {
        let name = args.new_name.clone();
        Self {
            name: name.unwrap_or_else(|| of_range(args.from, args.to)),
            from: args.from,
            to: args.to,
            parallelism: args.parallelism,
            base_url: args.base_url.clone(),
        }
    }

    /// Adds it to a source of a resource.
    pub(super) fn added(&self, resource: &Value, source: &str) -> Result<Added, Error> {
        let mut changed = resource.clone();
        let sources = changed["spec"]["sources"].as_array_mut();
        let names: Vec<String> = sources
            .iter()
            .flat_map(|all| all.iter())
            .map(name_of)
            .collect();
        let found = sources.and_then(|all| all.iter_mut().find(|one| name_of(one) == source));
        let Some(found) = found else {
            return Err(Error::NoSource {
                name: name_of(&resource["metadata"]),
                source_name: source.to_owned(),
                sources: names.join(", "),
            });
        };
        let mut backfills = found["backfill"].as_array().cloned().unwrap_or_default();
        if let Some(there) = backfills.iter().find(|one| name_of(one) == self.name) {
            return self.compared(there);
        }
        backfills.push(Value::Object(self.object()));
        found["backfill"] = backfills.into();
        self.judged(resource, &changed)?;
        Ok(Added::Sources(changed["spec"]["sources"].take()))
    }

    /// The same again is fine, another one under the same name is not.
    fn compared(&self, there: &Value) -> Result<Added, Error> {
        let moment = |field: &str| there[field].as_str()?.parse::<Timestamp>().ok();
        let is_range = moment("from") == Some(self.from) && moment("to") == Some(self.to);
        let is_asked_for = |(field, value): (String, Value)| match field.as_str() {
            "parallelism" | "baseUrl" => there[field] == value,
            _ => true,
        };
        if is_range && self.object().into_iter().all(is_asked_for) {
            return Ok(Added::Already);
        }
        Err(Error::NotNow(format!(
            "there is a backfill {} already, from {} to {}, and not as it is asked for now: give this one another name with --name",
            self.name,
            there["from"].as_str().unwrap_or_default(),
            there["to"].as_str().unwrap_or_default(),
        )))
    }

    /// What was wrong before is nothing to refuse this for.
    fn judged(&self, before: &Value, after: &Value) -> Result<(), Error> {
        let known = offline(before, Target::Cluster);
        let problems = offline(after, Target::Cluster);
        let new: Vec<String> = problems
            .iter()
            .filter(|problem| !known.contains(problem))
            .map(Problem::to_string)
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        Err(Error::NotNow(format!(
            "backfill {} would not be valid: {}",
            self.name,
            new.join("; ")
        )))
    }

    fn object(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("name".to_owned(), json!(self.name));
        object.insert("from".to_owned(), json!(self.from));
        object.insert("to".to_owned(), json!(self.to));
        if let Some(parallelism) = self.parallelism {
            object.insert("parallelism".to_owned(), json!(parallelism));
        }
        if let Some(base_url) = &self.base_url {
            object.insert("baseUrl".to_owned(), json!(base_url));
        }
        object
    }
}

fn name_of(object: &Value) -> String {
    object["name"].as_str().unwrap_or_default().to_owned()
}

/// A name has 20 characters at most, so hours have two digits of their year.
fn of_range(from: Timestamp, to: Timestamp) -> String {
    let is_day = |time: Timestamp| {
        let time = time.to_zoned(TimeZone::UTC).time();
        time == jiff::civil::Time::midnight()
    };
    let format = if is_day(from) && is_day(to) {
        "%Y%m%d"
    } else {
        "%y%m%d%H"
    };
    format!("{}-{}", from.strftime(format), to.strftime(format))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::raw;

    fn entry(name: &str, from: &str, to: &str) -> Entry {
        Entry {
            name: name.to_owned(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            parallelism: None,
            base_url: None,
        }
    }

    fn year() -> Entry {
        entry("y2023", "2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z")
    }

    fn refused(entry: &Entry, source: &str) -> String {
        entry.added(&raw(), source).unwrap_err().to_string()
    }

    #[test]
    fn a_backfill_is_added_behind_those_that_are_there() {
        let mut entry = year();
        entry.parallelism = Some(4);
        entry.base_url = Some("https://mirror.example.org/wikimedia".to_owned());
        let Added::Sources(sources) = entry.added(&raw(), "pageviews").unwrap() else {
            panic!("it was not there");
        };
        let mut expected = raw()["spec"]["sources"].clone();
        let backfills = expected[0]["backfill"].as_array_mut().unwrap();
        backfills.push(json!({
            "name": "y2023", "from": "2023-01-01T00:00:00Z", "to": "2024-01-01T00:00:00Z",
            "parallelism": 4, "baseUrl": "https://mirror.example.org/wikimedia",
        }));
        assert_eq!(sources, expected);
    }

    #[test]
    fn a_source_without_any_is_given_its_first() {
        let mut resource = raw();
        resource["spec"]["sources"][0]
            .as_object_mut()
            .unwrap()
            .remove("backfill");
        let Added::Sources(sources) = year().added(&resource, "pageviews").unwrap() else {
            panic!("it was not there");
        };
        assert_eq!(sources[0]["backfill"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn the_same_again_adds_nothing() {
        let spring = entry("spring", "2024-03-01T00:00:00Z", "2024-06-01T00:00:00Z");
        assert_eq!(spring.added(&raw(), "pageviews").unwrap(), Added::Already);
        let other = entry("spring", "2024-03-01T00:00:00Z", "2024-07-01T00:00:00Z");
        let text = refused(&other, "pageviews");
        assert!(text.contains("another name with --name"), "{text}");
        let faster = Entry {
            parallelism: Some(2),
            ..spring
        };
        let text = refused(&faster, "pageviews");
        assert!(text.contains("not as it is asked for now"), "{text}");
    }

    #[test]
    fn what_the_cluster_would_refuse_is_told_before_it_is_asked() {
        let backwards = entry("b", "2024-01-01T00:00:00Z", "2023-01-01T00:00:00Z");
        let text = refused(&backwards, "pageviews");
        assert!(text.contains("from must be before to"), "{text}");
        let between = entry("b", "2023-01-01T00:30:00Z", "2024-01-01T00:00:00Z");
        let text = refused(&between, "pageviews");
        assert!(text.contains("hourly files start on the hour"), "{text}");
        let text = refused(&year(), "edits");
        assert!(text.contains("recentChanges is a stream"), "{text}");
        let text = refused(&year(), "views");
        assert_eq!(
            text,
            "wikimedia has no source views: it has pageviews, edits"
        );
    }

    #[test]
    fn what_was_wrong_before_is_nobodys_fault_now() {
        let mut resource = raw();
        resource["spec"]["newer"] = json!(true);
        assert!(year().added(&resource, "pageviews").is_ok());
    }

    #[test]
    fn a_range_makes_a_name_that_is_valid_and_its_own() {
        let name = |from: &str, to: &str| of_range(from.parse().unwrap(), to.parse().unwrap());
        let days = name("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z");
        assert_eq!(days, "20240101-20250101");
        let hours = name("2024-01-01T05:00:00Z", "2024-01-02T00:00:00Z");
        assert_eq!(hours, "24010105-24010200");
    }
}
