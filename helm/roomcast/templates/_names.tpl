{{/* Names, labels and images. Names end at 40 characters, so that what is appended, the ordinals of pods and the hashes of
their revisions fit into 63; a longer one ends in a hash, so that two that begin alike differ. Releases may have dots in their names,
services may not. */}}

{{- define "roomcast.short" -}}
{{- $name := replace "." "-" . -}}
{{- if gt (len $name) 40 -}}
{{- printf "%s-%s" (trunc 31 $name | trimSuffix "-") (sha256sum . | trunc 8) -}}
{{- else -}}
{{- trimSuffix "-" $name -}}
{{- end -}}
{{- end -}}

{{- define "roomcast.name" -}}
{{- include "roomcast.short" (default .Chart.Name .Values.nameOverride) -}}
{{- end -}}

{{- define "roomcast.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- include "roomcast.short" .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- include "roomcast.short" .Release.Name -}}
{{- else -}}
{{- include "roomcast.short" (printf "%s-%s" .Release.Name $name) -}}
{{- end -}}
{{- end -}}

{{- define "roomcast.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "roomcast.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What never changes in the life of an object. Arguments: root, component. */}}
{{- define "roomcast.selector" -}}
app.kubernetes.io/name: {{ include "roomcast.name" .root | quote }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* Arguments: root, component, labels (of one object, may be missing). */}}
{{- define "roomcast.labels" -}}
{{- $own := include "roomcast.selector" . | fromYaml -}}
{{- $common := dict "app.kubernetes.io/part-of" "roomcast" "app.kubernetes.io/managed-by" .root.Release.Service
    "app.kubernetes.io/version" (default .root.Chart.AppVersion .root.Values.image.tag | replace "+" "_" | trunc 63)
    "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63) -}}
{{- toYaml (mergeOverwrite (dict) .root.Values.commonLabels (default (dict) .labels) $common $own) -}}
{{- end -}}

{{/* Arguments: root, annotations (may be missing). Empty when there are none. */}}
{{- define "roomcast.annotations" -}}
{{- $all := mergeOverwrite (dict) .root.Values.commonAnnotations (default (dict) .annotations) -}}
{{- if $all -}}
{{- toYaml $all -}}
{{- end -}}
{{- end -}}

{{/* metadata of an object. Arguments: root, component, name, labels, annotations. */}}
{{- define "roomcast.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "roomcast.labels" . | nindent 2 }}
{{- with include "roomcast.annotations" . }}
annotations:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Arguments: root, component. */}}
{{- define "roomcast.image" -}}
{{- $own := (index .root.Values .component).image -}}
{{- $all := .root.Values.image -}}
{{- $repository := default $all.repository $own.repository -}}
{{- $digest := $own.digest -}}
{{- if not (or $own.tag $own.digest) -}}
{{- $digest = $all.digest -}}
{{- end -}}
{{- if $digest -}}
{{- printf "%s@%s" $repository $digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default (default .root.Chart.AppVersion $all.tag) $own.tag) -}}
{{- end -}}
{{- end -}}
