{{- define "wikiingest.grafana.name" -}}
{{ include "wikiingest.name" . }}-grafana
{{- end -}}

{{/* What Grafana's pods are found by: never changes. */}}
{{- define "wikiingest.grafana.selector" -}}
{{ include "wikiingest.selector" . | replace "wikiingest-operator" "wikiingest-grafana" }}
{{- end -}}

{{- define "wikiingest.grafana.labels" -}}
{{ include "wikiingest.labels" . | replace "wikiingest-operator" "wikiingest-grafana" }}
{{- end -}}

{{/* What has no default is asked for at once. */}}
{{- define "wikiingest.grafana.check" -}}
{{- $grafana := .Values.grafana -}}
{{- if not $grafana.admin.secret -}}
{{- fail "grafana.admin.secret: name a Secret of the namespace of the release with the keys username and password, for Grafana's administrator" -}}
{{- end -}}
{{- if not $grafana.warehouse.host -}}
{{- fail "grafana.warehouse.host: name the host of SingleStore, or of another server that speaks MySQL's protocol" -}}
{{- end -}}
{{- if not $grafana.warehouse.secret -}}
{{- fail "grafana.warehouse.secret: name a Secret of the namespace of the release with the keys username and password of a user that may only SELECT" -}}
{{- end -}}
{{- if and $grafana.warehouse.tls.skipVerify (not $grafana.warehouse.tls.caSecret) -}}
{{- fail "grafana.warehouse.tls.caSecret: Grafana uses TLS only with a certificate authority: name a Secret with the key ca.crt" -}}
{{- end -}}
{{- end -}}

{{/* The port of Prometheus, as its URL has it or means it. */}}
{{- define "wikiingest.grafana.prometheusPort" -}}
{{- $host := (urlParse .Values.grafana.prometheus.url).host -}}
{{- if regexMatch ":[0-9]+$" $host -}}
{{- regexFind "[0-9]+$" $host -}}
{{- else if hasPrefix "https:" .Values.grafana.prometheus.url -}}
443
{{- else -}}
80
{{- end -}}
{{- end -}}
