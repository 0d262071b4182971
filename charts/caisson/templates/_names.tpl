{{/*
Names do not follow the release's: two releases that would look after one namespace then collide over the operator's
Role in it (or, cluster-wide, over the ClusterRole), and Helm refuses the second.
*/}}
{{- define "caisson.operator" -}}caisson-operator{{- end }}
{{- define "caisson.shared" -}}caisson-engine{{- end }}

{{/*
"true" while pods still run as the account that an earlier release had all shards share; without it they would be cut off from the
API server before the operator has restarted them. Called with (list . NAMESPACE), an empty one being all of them. Helm sees the pods
when it installs or upgrades; who renders without a cluster says it by a value.
*/}}
{{- define "caisson.needsShared" -}}
{{- $context := index . 0 }}
{{- $needed := $context.Values.engines.postgres.keepSharedAccount }}
{{- range (lookup "v1" "Pod" (index . 1) "").items }}
{{- if eq (.spec.serviceAccountName | default "") (include "caisson.shared" $context) }}{{ $needed = true }}{{ end }}
{{- end }}
{{- if $needed }}true{{ end -}}
{{- end }}

{{- define "caisson.selector" -}}
app.kubernetes.io/name: caisson
app.kubernetes.io/component: operator
{{- end }}

{{- define "caisson.labels" -}}
app.kubernetes.io/name: caisson
app.kubernetes.io/component: operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The watched namespaces with commas between; * stands for all. */}}
{{- define "caisson.watched" -}}
{{- if .Values.clusterWide }}*{{ else }}{{ join "," (.Values.watchNamespaces | default (list .Release.Namespace)) }}{{ end -}}
{{- end }}
