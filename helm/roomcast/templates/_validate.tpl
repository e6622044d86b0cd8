{{/* What the schema cannot see, because it spans several values. Every fault ends the rendering and says what to do. */}}

{{- define "roomcast.reachable" -}}
{{- $address := include "roomcast.option" . -}}
{{- if regexMatch "^(127\\.|localhost:|\\[::1\\])" $address -}}
{{- fail (printf "config.%s is %s, which nobody outside the pod reaches, the kubelet's probes included: use 0.0.0.0 or [::]" .key $address) -}}
{{- end -}}
{{- end -}}

{{- define "roomcast.validate.servers" -}}
{{- $node := include "roomcast.plan" (dict "root" . "component" "node") | fromJson -}}
{{- $relay := include "roomcast.plan" (dict "root" . "component" "relay") | fromJson -}}
{{- $variables := list -}}
{{- range concat $node.environment $relay.environment -}}
{{- $variables = append $variables .option -}}
{{- end -}}
{{- if not (or (hasKey $node.config "nats.url") (has "nats.url" $variables)) -}}
{{- fail "where NATS is, is not said: set config.nats.url, or secrets.nats.url, or nats.enabled for a small server in the release" -}}
{{- end -}}
{{- $reads := or (ne (include "roomcast.option" (dict "root" . "component" "relay" "key" "redis.stream")) "")
    (ne (include "roomcast.option" (dict "root" . "component" "relay" "key" "redis.patterns")) "[]")
    (eq (include "roomcast.option" (dict "root" . "component" "relay" "key" "presence.publish")) "true") -}}
{{- if and $reads (not (or (hasKey $relay.config "redis.url") (has "redis.url" $variables))) -}}
{{- fail "where Redis is, is not said: set config.redis.url, or secrets.redis.url, or redis.enabled for a small server in the release" -}}
{{- end -}}
{{- range list "nats.prefix" "stream.name" "stream.shards" -}}
{{- $ofNode := include "roomcast.option" (dict "root" $ "component" "node" "key" .) -}}
{{- $ofRelay := include "roomcast.option" (dict "root" $ "component" "relay" "key" .) -}}
{{- if ne $ofNode $ofRelay -}}
{{- fail (printf "%s is %s for nodes and %s for relays: they would not find each other's events" . $ofNode $ofRelay) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.nats.enabled (not .Values.nats.authSecret) -}}
{{- fail "nats.enabled needs nats.authSecret: a Secret with the keys node, relay, top and authorizer (README, Trying it out)" -}}
{{- end -}}
{{- if .Values.nats.enabled -}}
{{- range list "url" "user" -}}
{{- if or (hasKey (default (dict) $.Values.config.nats) .) (hasKey (default (dict) $.Values.secrets.nats) .) -}}
{{- fail (printf "nats.enabled sets nats.%s itself: leave it out of config and secrets" .) -}}
{{- end -}}
{{- end -}}
{{- $copies := include "roomcast.option" (dict "root" . "component" "relay" "key" "stream.replicas") | int -}}
{{- if gt $copies (int .Values.nats.replicas) -}}
{{- fail (printf "config.stream.replicas is %d, and nats.replicas %d: there are not so many servers" $copies (int .Values.nats.replicas)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.redis.enabled (or (hasKey (default (dict) .Values.config.redis) "url") (hasKey (default (dict) .Values.secrets.redis) "url")) -}}
{{- fail "redis.enabled sets redis.url itself: leave it out of config and secrets" -}}
{{- end -}}
{{- end -}}

{{- define "roomcast.validate.node" -}}
{{- $plan := include "roomcast.plan" (dict "root" . "component" "node") | fromJson -}}
{{- if not (or (get $plan.config "auth.hmac_secret_file") (get $plan.config "auth.public_key_file") (get $plan.config "auth.jwks_url")) -}}
{{- fail "no key to verify tokens with: set secrets.auth.hmac_secret or secrets.auth.public_key_file to {name: SECRET, key: KEY}, or config.auth.jwks_url" -}}
{{- end -}}
{{- if ne (empty (get $plan.config "tls.cert_file")) (empty (get $plan.config "tls.key_file")) -}}
{{- fail "tls.cert_file and tls.key_file belong together; tls.secretName sets both" -}}
{{- end -}}
{{- range list "listen" "admin.listen" -}}
{{- include "roomcast.reachable" (dict "root" $ "component" "node" "key" .) -}}
{{- end -}}
{{- if eq (include "roomcast.clientPort" .) (include "roomcast.adminPort" .) -}}
{{- fail (printf "config.listen and config.admin.listen have the same port, %s: the admin port must not be the clients'" (include "roomcast.adminPort" .)) -}}
{{- end -}}
{{- if ne .Values.autoscaling.mode "off" -}}
{{- if eq (include "roomcast.option" (dict "root" . "component" "node" "key" "limits.connections")) "0" -}}
{{- fail "autoscaling needs config.limits.connections: its target is a share of it" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "roomcast.validate.relay" -}}
{{- include "roomcast.reachable" (dict "root" . "component" "relay" "key" "relay.listen") -}}
{{- $lease := include "roomcast.option" (dict "root" . "component" "relay" "key" "relay.lease_ms") -}}
{{- if and (eq $lease "0") (gt (int .Values.relay.replicas) 1) -}}
{{- fail "config.relay.lease_ms is 0, and relay.replicas more than 1: without the lease there must never be two relays" -}}
{{- end -}}
{{- end -}}

{{- define "roomcast.validate.routes" -}}
{{- $ping := include "roomcast.option" (dict "root" . "component" "node" "key" "ping.interval_s") | int -}}
{{- $pong := include "roomcast.option" (dict "root" . "component" "node" "key" "ping.timeout_s") | int -}}
{{- if and .Values.ingress.enabled (le (int .Values.ingress.timeoutSeconds) (add $ping $pong | int)) -}}
{{- fail (printf "ingress.timeoutSeconds is %d: the proxy would cut off connections between two pings; it must be more than ping.interval_s + ping.timeout_s, %d" (int .Values.ingress.timeoutSeconds) (add $ping $pong | int)) -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.enabled needs ingress.hosts" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.enabled needs httpRoute.parentRefs: the Gateway that it is for" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled -}}
{{- fail "metrics.serviceMonitor and metrics.podMonitor would scrape everything twice: enable one of them" -}}
{{- end -}}
{{- end -}}

{{/* A variable would win over the file, and the chart would not know. */}}
{{- define "roomcast.validate.environment" -}}
{{- $table := .Files.Get "files/options.json" | fromJson -}}
{{- range $component := list "node" "relay" -}}
{{- range $entry := (index $.Values $component).extraEnv -}}
{{- range $option := $table.options -}}
{{- if or (eq $entry.name $option.variable) (eq $entry.name (printf "%s_FILE" $option.variable)) -}}
{{- fail (printf "%s.extraEnv has %s: set config.%s or secrets.%s instead, so that the chart knows" $component $entry.name $option.key $option.key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "roomcast.validate" -}}
{{- include "roomcast.validate.servers" . -}}
{{- include "roomcast.validate.node" . -}}
{{- include "roomcast.validate.relay" . -}}
{{- include "roomcast.validate.routes" . -}}
{{- include "roomcast.validate.environment" . -}}
{{- end -}}
