{{/*
Names do not follow the release's: two releases that would look after one namespace then collide over the engines'
service account (or, cluster-wide, over the ClusterRole), and Helm refuses the second.
*/}}
{{- define "caisson.operator" -}}caisson-operator{{- end }}
{{- define "caisson.engine" -}}caisson-engine{{- end }}

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
