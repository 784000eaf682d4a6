-- Readers: views by day, project and kind of reader, of the complete page views.
CREATE OR REPLACE VIEW "{{database}}"."readers_by_agent_daily" AS
SELECT dt, project, agent, SUM(views) AS views
FROM "{{database}}"."pageview_complete_hourly"
GROUP BY dt, project, agent;
