//! What a `CREATE TABLE` says of a table's keys, in the words of `sql/` and in those of `SHOW CREATE TABLE`.

use crate::sinks::warehouse::schema::Migration;

/// A table of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    /// The statement that makes it.
    pub(super) ddl: String,
}

/// All tables that the migrations make.
pub(super) fn tables(migrations: &[Migration]) -> Vec<Table> {
    let statements = migrations.iter().flat_map(Migration::statements);
    statements
        .filter_map(|ddl| {
            let (_, rest) = ddl.split_once("TABLE IF NOT EXISTS ")?;
            let name = rest.split_whitespace().next()?.to_owned();
            Some(Table { name, ddl })
        })
        .collect()
}

impl Table {
    /// The statement that makes a table like it of another name.
    pub(super) fn named(&self, name: &str) -> String {
        let own = format!("TABLE IF NOT EXISTS {} ", self.name);
        self.ddl.replacen(&own, &format!("TABLE {name} "), 1)
    }
}

/// The columns of a key such as `SORT KEY`, without quotes and spaces; none where there is no such key.
pub(super) fn key(ddl: &str, kind: &str) -> Option<String> {
    let at = ddl.find(&format!("{kind} "))?;
    let (_, rest) = ddl[at..].split_once('(')?;
    let (columns, _) = rest.split_once(')')?;
    Some(
        columns
            .chars()
            .filter(|c| !matches!(c, '`' | ' '))
            .collect(),
    )
}

/// Whether a table is kept by rows.
pub(super) fn is_rowstore(ddl: &str) -> bool {
    ddl.trim_start().starts_with("CREATE ROWSTORE ")
}

/// How a table's keys differ from those that it was to have.
pub(super) fn difference(wanted: &str, found: &str) -> Option<String> {
    if is_rowstore(wanted) != is_rowstore(found) {
        return Some("rows or columns".to_owned());
    }
    let differs = |kind: &str| {
        let wanted = key(wanted, kind)?;
        let found = key(found, kind);
        (found.as_deref() != Some(&wanted)).then(|| {
            format!(
                "{kind} ({}) instead of ({wanted})",
                found.unwrap_or_default()
            )
        })
    };
    differs("SORT KEY").or_else(|| differs("SHARD KEY"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::warehouse::schema::{MYSQL, SINGLESTORE};

    #[test]
    fn every_table_of_singlestore_has_a_sort_key_or_is_a_rowstore() {
        let all = tables(SINGLESTORE);
        assert_eq!(all.len(), tables(MYSQL).len());
        for table in all {
            assert!(
                key(&table.ddl, "SORT KEY").is_some() != is_rowstore(&table.ddl),
                "{}",
                table.name
            );
        }
    }

    #[test]
    fn a_table_s_statement_takes_another_name() {
        let facts = &tables(SINGLESTORE)[0];
        assert_eq!(facts.name, "pageviews_hourly");
        let ddl = facts.named("other");
        assert!(ddl.starts_with("CREATE TABLE other ("), "{ddl}");
    }

    #[test]
    fn keys_are_compared_however_the_server_spells_them() {
        let wanted = &tables(SINGLESTORE)[0].ddl;
        let found = "CREATE TABLE `pageviews_hourly` (\n  `ts` datetime NOT NULL,\n  SORT KEY `ts` (`ts`),\n  \
                     SHARD KEY `__SHARDKEY` (`project`,`title`)\n)";
        assert_eq!(difference(wanted, found), None);
        let other = found.replace("(`project`,`title`)", "()");
        assert_eq!(
            difference(wanted, &other).unwrap(),
            "SHARD KEY () instead of (project,title)"
        );
        let rows = found.replace("CREATE TABLE", "CREATE ROWSTORE TABLE");
        assert!(difference(wanted, &rows).is_some());
    }
}
