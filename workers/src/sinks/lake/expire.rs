//! Objects that are too old go, a day of them at a time.

use futures::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use super::{Lake, LakeError, REJECTS, Store, day, file_of};
use crate::sinks::expire::{Expired, Expiry};

/// Objects that are deleted at the same time.
const ABREAST: usize = 4;

impl Lake {
    pub(in crate::sinks) async fn expire(
        &self,
        expiry: &Expiry,
        expired: &mut Expired,
        stop: &CancellationToken,
    ) -> Result<(), LakeError> {
        // As whenever a unit is removed, its rejected lines go first.
        let is_reject = |key: &str| {
            let mut all = expiry.rejects.iter();
            all.any(|rejects| rejects.object.fits(file_of(key)))
        };
        self.expire_table(REJECTS, is_reject, expiry, expired, stop)
            .await?;
        let facts = expiry.tables.first();
        if let Some(facts) = facts {
            self.expire_table(facts, |_| true, expiry, expired, stop)
                .await?;
        }
        Ok(())
    }

    /// Deletes objects of the days that lie before the one of the limit. What is known at a time is the days, and the
    /// objects of one of them.
    async fn expire_table(
        &self,
        table: &str,
        is_ours: impl Fn(&str) -> bool,
        expiry: &Expiry,
        expired: &mut Expired,
        stop: &CancellationToken,
    ) -> Result<(), LakeError> {
        let limit = format!("dt={}", day(expiry.before));
        let mut days = self.folders(table).await?;
        days.retain(|day| is_day(day) && *day < limit);
        days.sort();
        for day in days {
            if stop.is_cancelled() {
                break;
            }
            let folder = format!("{table}/{day}/");
            let mut keys = self.list(&folder).await?;
            keys.retain(|key| is_ours(key));
            let mut deleting = stream::iter(&keys)
                .map(|key| self.delete(key))
                .buffer_unordered(ABREAST);
            while deleting.try_next().await?.is_some() {
                expired.objects += 1;
            }
            drop(deleting);
            self.tidy(&folder)?;
        }
        Ok(())
    }

    async fn folders(&self, table: &str) -> Result<Vec<String>, LakeError> {
        match &self.store {
            Store::Folder(folder) => folder.folders(table),
            Store::S3(s3) => s3.folders(table).await,
        }
    }

    /// Removes what killed workers left in a day's folder, and the folder, if nothing is in it. A bucket has no folders,
    /// and uploads that were left open are ended by the sweep of the runs that load.
    fn tidy(&self, dir: &str) -> Result<(), LakeError> {
        if let Store::Folder(folder) = &self.store {
            folder.sweep(dir)?;
            folder.remove_empty(dir);
        }
        Ok(())
    }
}

/// Whether a folder's name is that of a day, such as `dt=2024-08-03`.
fn is_day(name: &str) -> bool {
    name.strip_prefix("dt=")
        .is_some_and(|day| day.len() == 10 && day.parse::<jiff::civil::Date>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_days_are_days() {
        assert!(is_day("dt=2024-08-03"));
        for name in [
            "2024-08-03",
            "dt=2024-13-03",
            "dt=",
            "dt=2024-08-03T00",
            "_temporary",
        ] {
            assert!(!is_day(name), "{name}");
        }
    }
}
