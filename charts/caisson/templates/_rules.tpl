{{/* What the operator does where it looks after resources. Secrets are read by name: it cannot list them. */}}
{{- define "caisson.operatorRules" -}}
- apiGroups: [caisson.dev]
  resources:
    - backingclusters
    - distributedlocks
    - idallocators
    - shardeddatabases
  verbs: [get, list, watch]
- apiGroups: [caisson.dev]
  resources:
    - backingclusters/status
    - distributedlocks/status
    - idallocators/status
    - shardeddatabases/status
  verbs: [get, patch]
- apiGroups: [caisson.dev]
  resources:
    - backingclusters/finalizers
    - distributedlocks/finalizers
    - idallocators/finalizers
    - shardeddatabases/finalizers
  verbs: [update]
# A cluster of its own for a lock space or an allocator of ids that names none.
- apiGroups: [caisson.dev]
  resources: [backingclusters]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [statefulsets]
  verbs: [get, list, watch, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, create, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, create, patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [""]
  resources: [endpoints]
  verbs: [get, list, watch, create, patch, update]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, patch, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [caisson-canary]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch, update]
# The agent beside each Redis may change two objects, and the members of a shard its records and pods, by name: a role for that
# is made with each of them. Kubernetes lets the operator grant only what it may do itself, so nothing beyond this list; it patches
# no pod, and Endpoints neither.
- apiGroups: [""]
  resources: [serviceaccounts]
  verbs: [get, list, create, patch]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, create, patch]
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/*
What pods of shards may do that an earlier release has made: they shared an account in each namespace, caisson-engine. Pods that are
made now have an account of their shard (operator: sharded_database/manifests/rights.py). To be taken away with the next release.
*/}}
{{- define "caisson.sharedRules" -}}
- apiGroups: [""]
  resources: [endpoints]
  verbs: [create, get, list, watch, patch, update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, patch]
{{- end }}
