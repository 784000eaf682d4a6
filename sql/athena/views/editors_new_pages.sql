-- Editors: pages that were made.
CREATE OR REPLACE VIEW "{{database}}"."editors_new_pages" AS
SELECT dt, ts, wiki, namespace, title, user_name, bot, length_new, title_url
FROM "{{database}}"."recent_changes"
WHERE type = 'new';
