-- Editors: the hundred changes of each day that added or removed most.
CREATE OR REPLACE VIEW "{{database}}"."editors_largest_daily" AS
SELECT dt, ts, wiki, title, user_name, bot, bytes_changed, notify_url, place
FROM (
  SELECT dt, ts, wiki, title, user_name, bot, length_new - COALESCE(length_old, 0) AS bytes_changed, notify_url,
    ROW_NUMBER() OVER (
      PARTITION BY dt ORDER BY ABS(length_new - COALESCE(length_old, 0)) DESC, event_id
    ) AS place
  FROM "{{database}}"."recent_changes"
  WHERE type IN ('edit', 'new') AND length_new IS NOT NULL
)
WHERE place <= 100;
