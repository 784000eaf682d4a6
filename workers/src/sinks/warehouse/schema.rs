//! The schema, as the files of `sql/` have it. Every statement can be run twice, so that a
//! migration that was killed, or ran beside another one, is simply run again.

/// A step from one schema to the next.
#[derive(Debug, Clone, Copy)]
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// The file's name.
    pub name: &'static str,
    sql: &'static str,
}

impl Migration {
    /// Its statements: each ends with a `;` at the end of a line.
    pub fn statements(&self) -> impl Iterator<Item = String> + use<> {
        self.sql.split(";\n").filter_map(|statement| {
            let lines: Vec<_> = statement
                .lines()
                .filter(|line| !line.trim_start().starts_with("--"))
                .collect();
            let statement = lines.join("\n").trim().to_owned();
            (!statement.is_empty()).then_some(statement)
        })
    }
}

macro_rules! migration {
    ($version:literal, $dialect:literal, $name:literal) => {
        Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../../../sql/", $dialect, "/", $name)),
        }
    };
}

/// For SingleStore.
pub const SINGLESTORE: &[Migration] = &[
    migration!(1, "singlestore", "0001_page_views.sql"),
    migration!(2, "singlestore", "0002_recent_changes.sql"),
    migration!(3, "singlestore", "0003_daily_archives.sql"),
];
/// For MariaDB and MySQL.
pub const MYSQL: &[Migration] = &[
    migration!(1, "mysql", "0001_page_views.sql"),
    migration!(2, "mysql", "0002_recent_changes.sql"),
    migration!(3, "mysql", "0003_daily_archives.sql"),
];
/// For SQLite.
pub const SQLITE: &[Migration] = &[
    migration!(1, "sqlite", "0001_page_views.sql"),
    migration!(2, "sqlite", "0002_recent_changes.sql"),
    migration!(3, "sqlite", "0003_daily_archives.sql"),
];

/// The steps that a database of version `current` lacks.
pub fn pending(
    all: &'static [Migration],
    current: i64,
) -> impl Iterator<Item = &'static Migration> {
    all.iter()
        .filter(move |migration| migration.version > current)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables and their columns, in order.
    fn columns(migrations: &[Migration]) -> Vec<(String, Vec<String>)> {
        let statements = migrations.iter().flat_map(Migration::statements);
        statements
            .filter(|statement| statement.contains("TABLE IF NOT EXISTS"))
            .map(|statement| {
                let table = statement
                    .split_whitespace()
                    .skip_while(|word| *word != "EXISTS")
                    .nth(1);
                let columns = statement
                    .lines()
                    .skip(1)
                    .filter_map(|line| line.split_whitespace().next())
                    .filter(|word| {
                        word.chars()
                            .all(|c| c.is_ascii_lowercase() || c == '_' || c == '`')
                    })
                    .map(|word| word.trim_matches('`').to_owned())
                    .collect();
                (table.unwrap().to_owned(), columns)
            })
            .collect()
    }

    #[test]
    fn every_dialect_has_the_same_tables_and_columns() {
        let mysql = columns(MYSQL);
        assert_eq!(mysql.len(), 16);
        assert_eq!(
            mysql[0].1,
            ["ts", "domain_code", "project", "access", "title", "views"]
        );
        assert_eq!(columns(SINGLESTORE), mysql);
        assert_eq!(columns(SQLITE), mysql);
    }

    #[test]
    fn every_statement_can_be_run_twice() {
        for migration in [SINGLESTORE, MYSQL, SQLITE].concat() {
            for statement in migration.statements() {
                // A column that is there already is passed over.
                let is_column = statement.contains(" ADD COLUMN ");
                assert!(
                    is_column || statement.contains("IF NOT EXISTS"),
                    "{statement}"
                );
            }
        }
    }
}
