{{/* From values to what a program is given. */}}

{{/* The value at a dotted key of a tree, as JSON; nothing when it is not there or null. Arguments: tree, key. */}}
{{- define "roomcast.at" -}}
{{- $at := .tree -}}
{{- $there := true -}}
{{- range splitList "." .key -}}
{{- $there = false -}}
{{- if kindIs "map" $at -}}
{{- $there = hasKey $at . -}}
{{- $at = get $at . -}}
{{- end -}}
{{- end -}}
{{- if and $there (not (kindIs "invalid" $at)) -}}
{{- toJson $at -}}
{{- end -}}
{{- end -}}

{{/* What the chart itself gives to a program: the servers in the release, and the certificate. Arguments: root,
component. JSON: config, secrets. */}}
{{- define "roomcast.own" -}}
{{- $root := .root -}}
{{- $full := include "roomcast.fullname" $root -}}
{{- $config := dict -}}
{{- $secrets := dict -}}
{{- if $root.Values.nats.enabled -}}
{{- $_ := set $config "nats" (dict "url" (list (printf "nats://%s-nats:4222" $full)) "user" .component) -}}
{{- $_ := set $secrets "nats" (dict "password" (dict "name" $root.Values.nats.authSecret "key" .component)) -}}
{{- if gt (int $root.Values.nats.replicas) 1 -}}
{{- $_ := set $config "stream" (dict "replicas" (int $root.Values.nats.replicas)) -}}
{{- end -}}
{{- end -}}
{{- if $root.Values.redis.enabled -}}
{{- $_ := set $config "redis" (dict "url" (printf "redis://%s-redis:6379/0" $full)) -}}
{{- end -}}
{{- with $root.Values.tls.secretName -}}
{{- $_ := set $secrets "tls" (dict "cert_file" (dict "name" . "key" "tls.crt") "key_file" (dict "name" . "key" "tls.key")) -}}
{{- end -}}
{{- dict "config" $config "secrets" $secrets | toJson -}}
{{- end -}}

{{/* Arguments: root, component (node or relay). JSON:
  config       the configuration file: dotted key -> value
  files        secrets that become files: option, name, key, path
  environment  secrets that become variables: option, name, key, variable
Only what the component's program uses. */}}
{{- define "roomcast.plan" -}}
{{- $component := .component -}}
{{- $values := index .root.Values $component -}}
{{- $own := include "roomcast.own" . | fromJson -}}
{{- $config := mergeOverwrite (dict) (deepCopy $own.config) (deepCopy (default (dict) .root.Values.config)) (deepCopy (default (dict) $values.config)) -}}
{{- $secrets := mergeOverwrite (dict) (deepCopy $own.secrets) (deepCopy (default (dict) .root.Values.secrets)) (deepCopy (default (dict) $values.secrets)) -}}
{{- $table := .root.Files.Get "files/options.json" | fromJson -}}
{{- $flat := dict -}}
{{- $files := list -}}
{{- $environment := list -}}
{{- range $option := $table.options -}}
{{- if has $option.programs (list "BOTH" (upper $component)) -}}
{{- $key := ternary (printf "%s_file" $option.key) $option.key (eq $option.type "SECRET") -}}
{{- $given := include "roomcast.at" (dict "tree" $config "key" $key) -}}
{{- $secret := ternary (include "roomcast.at" (dict "tree" $secrets "key" $option.key)) "" (ne $option.secret "") -}}
{{- if eq $given "\"\"" -}}
{{- $given = ternary "" $given (ne $secret "") -}}
{{- end -}}
{{- if and $given $secret -}}
{{- fail (printf "config.%s and secrets.%s (or %s's own) say the same thing: give one of them" $key $option.key $component) -}}
{{- end -}}
{{- if $given -}}
{{- $value := fromJson (printf "{\"v\": %s}" $given) -}}
{{- $_ := set $flat $key $value.v -}}
{{- else if $secret -}}
{{- $reference := fromJson $secret -}}
{{- if eq $option.secret "environment" -}}
{{- $environment = append $environment (dict "option" $option.key "name" $reference.name "key" $reference.key "variable" $option.variable) -}}
{{- else -}}
{{- $files = append $files (dict "option" $option.key "name" $reference.name "key" $reference.key "path" $option.key) -}}
{{- $_ := set $flat $key (printf "/run/secrets/roomcast/%s" $option.key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with $config.events -}}
{{- $_ := set $flat "events" . -}}
{{- end -}}
{{- dict "config" $flat "files" $files "environment" $environment | toJson -}}
{{- end -}}

{{/* The value that an option has in the end, as text. Arguments: root, component, key. */}}
{{- define "roomcast.option" -}}
{{- $key := .key -}}
{{- $plan := include "roomcast.plan" . | fromJson -}}
{{- if hasKey $plan.config $key -}}
{{- $value := get $plan.config $key -}}
{{- if kindIs "float64" $value -}}
{{- ternary (printf "%d" (int64 $value)) (toString $value) (eq (float64 (int64 $value)) $value) -}}
{{- else -}}
{{- toString $value -}}
{{- end -}}
{{- else -}}
{{- range (.root.Files.Get "files/options.json" | fromJson).options -}}
{{- if eq .key $key }}{{ .default }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Arguments: root, component, key (of an ADDRESS). */}}
{{- define "roomcast.port" -}}
{{- include "roomcast.option" . | splitList ":" | last -}}
{{- end -}}
{{- define "roomcast.clientPort" -}}
{{- include "roomcast.port" (dict "root" . "component" "node" "key" "listen") -}}
{{- end -}}
{{- define "roomcast.adminPort" -}}
{{- include "roomcast.port" (dict "root" . "component" "node" "key" "admin.listen") -}}
{{- end -}}
{{- define "roomcast.relayPort" -}}
{{- include "roomcast.port" (dict "root" . "component" "relay" "key" "relay.listen") -}}
{{- end -}}

{{/* "true" when the WebSocket endpoint speaks TLS. */}}
{{- define "roomcast.tls" -}}
{{- if include "roomcast.option" (dict "root" . "component" "node" "key" "tls.cert_file") -}}true{{- end -}}
{{- end -}}

{{/* Seconds of the preStop hook: 0 before Kubernetes 1.30, which cannot sleep by itself. Arguments: root, component. */}}
{{- define "roomcast.preStop" -}}
{{- if semverCompare ">=1.30-0" .root.Capabilities.KubeVersion.Version -}}
{{- int (index .root.Values .component).preStopSeconds -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{/* The hook, then all that a drain may take, then 10 s for what ends a process. Arguments: root, component. */}}
{{- define "roomcast.grace" -}}
{{- $drain := include "roomcast.option" (dict "root" .root "component" .component "key" "drain.timeout_s") | int -}}
{{- add (include "roomcast.preStop" . | int) $drain 10 -}}
{{- end -}}

{{/* Connections per node that the autoscaler aims at. */}}
{{- define "roomcast.target" -}}
{{- $limit := include "roomcast.option" (dict "root" . "component" "node" "key" "limits.connections") | int -}}
{{- max 1 (div (mul $limit (int .Values.autoscaling.targetPercent)) 100) -}}
{{- end -}}

{{/* A pod goes in at most its grace; then the others are quiet for rebalance.quiet_s before they level. */}}
{{- define "roomcast.scaleDownPeriod" -}}
{{- $quiet := include "roomcast.option" (dict "root" . "component" "node" "key" "rebalance.quiet_s") | int -}}
{{- $needed := min 1800 (add (include "roomcast.grace" (dict "root" . "component" "node") | int) $quiet) -}}
{{- default $needed (int .Values.autoscaling.scaleDown.periodSeconds) -}}
{{- end -}}

{{- define "roomcast.servicePort" -}}
{{- default (ternary 443 80 (ne (include "roomcast.tls" .) "")) (int .Values.service.port) -}}
{{- end -}}
