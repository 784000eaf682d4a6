-- Readers: hours of each day that are there, and how many are not.
CREATE OR REPLACE VIEW "{{database}}"."readers_hours_missing" AS
SELECT dt, COUNT(DISTINCT ts) AS hours, 24 - COUNT(DISTINCT ts) AS missing
FROM "{{database}}"."pageviews_hourly"
GROUP BY dt;
