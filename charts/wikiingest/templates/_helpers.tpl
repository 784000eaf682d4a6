{{/* The name of everything of the release. */}}
{{- define "wikiingest.name" -}}
{{- $base := .Chart.Name -}}
{{- if contains $base .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $base | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What the operator's pods are found by: never changes. */}}
{{- define "wikiingest.selector" -}}
app.kubernetes.io/name: wikiingest-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{/* The labels of every object. */}}
{{- define "wikiingest.labels" -}}
{{ include "wikiingest.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: wikiingest
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "wikiingest.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "wikiingest.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* An image by its digest, or by its tag: dict "image" … "version" … */}}
{{- define "wikiingest.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .version) -}}
{{- end -}}
{{- end -}}

{{/* What would come out wrong, or not at all, is said at once. */}}
{{- define "wikiingest.check" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) -}}
{{- fail "replicas: more than one acts at the same time without a Lease: set leaderElection.enabled to true, or replicas to 1" -}}
{{- end -}}
{{- end -}}

{{/* Where stream workers answer. */}}
{{- define "wikiingest.streamPort" -}}
9090
{{- end -}}

{{/* Who has the rights: on a line of its own. */}}
{{- define "wikiingest.subjects" }}
subjects:
- kind: ServiceAccount
  name: {{ include "wikiingest.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}
