-- Readers: the hundred most read pages of each project and day.
CREATE OR REPLACE VIEW "{{database}}"."readers_top_daily" AS
SELECT dt, project, title, views, place
FROM (
  SELECT dt, project, title, views,
    ROW_NUMBER() OVER (PARTITION BY dt, project ORDER BY views DESC, title) AS place
  FROM (
    SELECT dt, project, title, SUM(views) AS views
    FROM "{{database}}"."pageviews_hourly"
    GROUP BY dt, project, title
  )
)
WHERE place <= 100;
