-- Readers: views by hour, project and access method. Against last week: join it with itself, seven days on.
CREATE OR REPLACE VIEW "{{database}}"."readers_by_hour" AS
SELECT dt, ts, project, access, SUM(views) AS views
FROM "{{database}}"."pageviews_hourly"
GROUP BY dt, ts, project, access;
