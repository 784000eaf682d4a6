-- The archive: requests by hour and project.
CREATE OR REPLACE VIEW "{{database}}"."counts_by_hour" AS
SELECT dt, ts, project, access, SUM(views) AS views, SUM(bytes) AS bytes
FROM "{{database}}"."pagecounts_hourly"
GROUP BY dt, ts, project, access;
