{{- define "download-operator.labels" -}}
app.kubernetes.io/name: download-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "download-operator.metricsLabels" -}}
{{ include "download-operator.labels" . }}
{{- with .Values.metrics.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "download-operator.image" -}}
{{ .root.Values.image.repository }}/{{ .process }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "download-operator.operatorAccount" -}}download-operator{{- end }}

{{- define "download-operator.apiAccount" -}}download-operator-api{{- end }}

{{- /* The user name of a service account of the release's namespace, in quotes. */ -}}
{{- define "download-operator.userName" -}}
{{ printf "system:serviceaccount:%s:%s" .root.Release.Namespace .account | quote }}
{{- end }}

{{- /* Enforces the policy of the same name. */ -}}
{{- define "download-operator.policyBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .policy }}
  labels: {{- include "download-operator.labels" .root | nindent 4 }}
spec:
  policyName: {{ .policy }}
  validationActions: [Deny]
{{- end }}

{{- define "download-operator.pod" -}}
enableServiceLinks: false
securityContext:
  # The user is that of the image, 65532, or one that the cluster chooses.
  runAsNonRoot: true
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . | quote }}
{{- end }}
{{- end }}
{{- range $member := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with get $.values $member }}
{{ $member }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}

{{- define "download-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The namespaces in which the API has rights, separated by commas; empty for all. */ -}}
{{- define "download-operator.apiNamespaces" -}}
{{ join "," (.Values.api.namespaces | default .Values.operator.namespaces) }}
{{- end }}

{{- define "download-operator.apiNamespace" -}}
{{- $listed := .Values.api.namespaces | default .Values.operator.namespaces }}
{{- if .Values.api.namespace }}{{ .Values.api.namespace }}
{{- else if has .Release.Namespace ($listed | default .Values.operator.systemNamespaces) }}{{ .Release.Namespace }}
{{- else }}{{ $listed | default (list "default") | first }}
{{- end }}
{{- end }}

{{- define "download-operator.apiSecret" -}}
{{ .Values.api.existingSecret | default "download-operator-api-key" }}
{{- end }}
