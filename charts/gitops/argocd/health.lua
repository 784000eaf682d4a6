-- Health of a wikiingest.dev/WikiIngest. What is green here is green for kstatus (Flux, helm --wait=watcher), and the other
-- way round, but for a resource that is paused: its status is not kept, so nothing is said of it.
local hs = {
  status = "Progressing",
  message = "Waiting for the operator to look at the resource",
}
if obj.status == nil then
  return hs
end

local conditions = {}
if obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end

local suspended = conditions["Suspended"]
if suspended ~= nil and suspended.status == "True" and suspended.reason == "Paused" then
  hs.status = "Suspended"
  hs.message = suspended.message
  return hs
end

-- -1 until the operator has seen the resource, and behind until it has seen the last change.
if obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end

local stalled = conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  hs.status = "Degraded"
  hs.message = stalled.reason .. ": " .. stalled.message
  return hs
end

local ready = conditions["Ready"]
if ready == nil then
  return hs
end
-- With spec.suspend it is as its author wants it: Healthy, with a message that says so. A sync would wait for ever for a
-- resource that is Suspended.
if ready.status == "True" then
  hs.status = "Healthy"
  hs.message = ready.message
  return hs
end
hs.message = ready.reason .. ": " .. ready.message
return hs
