{{/* What the pods of both programs have in common. */}}

{{/* Topology constraints, each with the component's selector when it has none. Arguments: root, component. */}}
{{- define "roomcast.spread" -}}
{{- $selector := include "roomcast.selector" . | fromYaml -}}
{{- range (index .root.Values .component).topologySpreadConstraints }}
{{- $constraint := ternary . (merge (dict "labelSelector" (dict "matchLabels" $selector)) .) (hasKey . "labelSelector") }}
- {{ toYaml $constraint | nindent 2 | trim }}
{{- end -}}
{{- end -}}

{{/* Without the versions of chart and program: a new chart that changes nothing here restarts nobody. Arguments: root,
component. */}}
{{- define "roomcast.podLabels" -}}
{{- $own := include "roomcast.selector" . | fromYaml -}}
{{- $part := dict "app.kubernetes.io/part-of" "roomcast" -}}
{{- toYaml (mergeOverwrite (dict) .root.Values.commonLabels (default (dict) (index .root.Values .component).podLabels) $part $own) -}}
{{- end -}}

{{/* Arguments: root, component. A change of the file restarts the pods: the programs read it once. */}}
{{- define "roomcast.podAnnotations" -}}
{{- $plan := include "roomcast.plan" . | fromJson -}}
{{- $own := dict "roomcast/config" (toYaml $plan.config | sha256sum) -}}
{{- toYaml (mergeOverwrite (dict) .root.Values.commonAnnotations (index .root.Values .component).podAnnotations $own) -}}
{{- end -}}

{{/* A probe of `path` on the port that is not the clients'. Arguments: probe, path. */}}
{{- define "roomcast.probe" -}}
httpGet:
  path: {{ .path }}
  port: {{ .port }}
{{- with .probe }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Arguments: root, component, program, port (name of the one with the probes), ports (JSON list). */}}
{{- define "roomcast.container" -}}
{{- $values := index .root.Values .component -}}
{{- $plan := include "roomcast.plan" . | fromJson -}}
{{- $preStop := include "roomcast.preStop" . | int -}}
name: {{ .program }}
image: {{ include "roomcast.image" . | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
command: [/usr/bin/{{ .program }}]
args: [--config, /etc/roomcast/roomcast.yaml]
{{- if or $plan.environment $values.extraEnv }}
env:
  {{- range $plan.environment }}
  - name: {{ .variable }}
    valueFrom:
      secretKeyRef:
        name: {{ .name }}
        key: {{ .key | quote }}
  {{- end }}
  {{- with $values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
ports:
  {{- range .ports }}
  - name: {{ .name }}
    containerPort: {{ .port }}
    protocol: TCP
  {{- end }}
startupProbe:
  {{- include "roomcast.probe" (dict "probe" $values.startupProbe "path" "/livez" "port" .port) | nindent 2 }}
livenessProbe:
  {{- include "roomcast.probe" (dict "probe" $values.livenessProbe "path" "/livez" "port" .port) | nindent 2 }}
readinessProbe:
  {{- include "roomcast.probe" (dict "probe" $values.readinessProbe "path" "/readyz" "port" .port) | nindent 2 }}
{{- if gt $preStop 0 }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ $preStop }}
{{- end }}
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
volumeMounts:
  - name: config
    mountPath: /etc/roomcast
    readOnly: true
  {{- if $plan.files }}
  - name: secrets
    mountPath: /run/secrets/roomcast
    readOnly: true
  {{- end }}
  {{- with $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Arguments: root, component, program, port, ports. */}}
{{- define "roomcast.podTemplate" -}}
{{- $values := index .root.Values .component -}}
{{- $plan := include "roomcast.plan" . | fromJson -}}
metadata:
  labels:
    {{- include "roomcast.podLabels" . | nindent 4 }}
  annotations:
    {{- include "roomcast.podAnnotations" . | nindent 4 }}
spec:
  serviceAccountName: {{ include "roomcast.serviceAccountName" .root }}
  automountServiceAccountToken: false
  # A service called like an option would become its variable.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "roomcast.grace" . }}
  {{- with .root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml .root.Values.podSecurityContext | nindent 4 }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- include "roomcast.spread" . | trim | nindent 4 }}
  {{- end }}
  {{- with $values.initContainers }}
  initContainers:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - {{ include "roomcast.container" . | nindent 6 | trim }}
    {{- with $values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "roomcast.fullname" .root }}-{{ .component }}
    {{- if $plan.files }}
    - name: secrets
      projected:
        # For the group, which fsGroup makes the pod's.
        defaultMode: 0440
        sources:
          {{- range $plan.files }}
          - secret:
              name: {{ .name }}
              items:
                - key: {{ .key | quote }}
                  path: {{ .path }}
          {{- end }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
