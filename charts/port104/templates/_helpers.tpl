{{- define "port104.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 50 characters: a StatefulSet's pods and their revisions get longer names made of it. */}}
{{- define "port104.fullname" -}}
{{- $name := include "port104.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "port104.selector" -}}
app.kubernetes.io/name: {{ include "port104.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "port104.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "port104.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "port104.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "port104.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "port104.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}{{ .repository }}@{{ .digest }}
{{- else -}}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
One setting of a tree as the engine reads it, without hyphens and regardless of case: (list TREE "dicom" "scp" "port")
gives {"value": ..., "given": whether it is there}, as JSON.
*/}}
{{- define "port104.setting" -}}
{{- $found := dict "value" (first .) "given" true -}}
{{- range $part := rest . -}}
{{- $below := dict "value" nil "given" false -}}
{{- if kindIs "map" $found.value -}}
{{- range $key, $value := $found.value -}}
{{- if eq (lower (replace "-" "" $key)) $part -}}
{{- $_ := set $below "value" $value -}}
{{- $_ := set $below "given" true -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $found = $below -}}
{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* What the engine is configured with, as JSON: `config`, and what the other values mean for it. */}}
{{- define "port104.configuration" -}}
{{- $config := deepCopy .Values.config -}}
{{- $root := ternary $config (dict "DicomAdapter" $config) (hasKey $config "DicomAdapter") -}}
{{- $section := $root.DicomAdapter -}}
{{- $temporary := include "port104.setting" (list $section "storage" "temporary") | fromJson -}}
{{- if and $temporary.given (ne $temporary.value "/payloads") -}}
{{- fail "config.storage.temporary: the volume is mounted at /payloads; leave it out" -}}
{{- end -}}
{{- $ours := dict "storage" (dict "temporary" "/payloads") -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls := dict "enabled" true "certificate" "/run/secrets/port104/tls/tls.crt" "key" "/run/secrets/port104/tls/tls.key" -}}
{{- if .Values.tls.clientCertificates -}}
{{- $_ := set $tls "clientCertificateAuthorities" "/run/secrets/port104/tls/ca.crt" -}}
{{- end -}}
{{- $_ := set $ours "dicom" (dict "scp" (dict "tls" $tls)) -}}
{{- end -}}
{{- if .Values.api.tls.existingSecret -}}
{{- $tls := dict "certificate" "/run/secrets/port104/api/tls.crt" "key" "/run/secrets/port104/api/tls.key" -}}
{{- $_ := set $ours "api" (dict "tls" $tls) -}}
{{- end -}}
{{- $section = mergeOverwrite $section $ours -}}
{{/* A null is what a merge leaves out, so these are set by hand. */}}
{{- if and .Values.tls.only .Values.tls.existingSecret -}}
{{- $_ := set $section.dicom.scp "port" nil -}}
{{- end -}}
{{- if and .Values.api.expose (not (include "port104.setting" (list $section "api" "host") | fromJson).given) -}}
{{- $_ := set $section "api" (merge (dict "host" nil) ($section.api | default dict)) -}}
{{- end -}}
{{- toJson $root -}}
{{- end -}}

{{/* What the manifests take from the configuration, as JSON: ports (0: none), whether there is TLS, and what is asked of the cluster. */}}
{{- define "port104.facts" -}}
{{- $section := (include "port104.configuration" . | fromJson).DicomAdapter -}}
{{- $port := include "port104.setting" (list $section "dicom" "scp" "port") | fromJson -}}
{{- $tls := include "port104.setting" (list $section "dicom" "scp" "tls" "enabled") | fromJson -}}
{{- $tlsPort := include "port104.setting" (list $section "dicom" "scp" "tls" "port") | fromJson -}}
{{- $api := include "port104.setting" (list $section "api" "port") | fromJson -}}
{{- $https := include "port104.setting" (list $section "api" "tls" "certificate") | fromJson -}}
{{- $open := include "port104.setting" (list $section "api" "allowwithouttoken") | fromJson -}}
{{- $deadline := include "port104.setting" (list $section "dicom" "scp" "shutdowndeadline") | fromJson -}}
{{- $crd := include "port104.setting" (list $section "readaetitlesfromcrd") | fromJson -}}
{{- $jobs := include "port104.setting" (list $section "jobs" "kubernetes") | fromJson -}}
{{- $grace := addf (ternary $deadline.value 30 $deadline.given) .Values.preStopSeconds 15 | ceil | int -}}
{{- $facts := dict
  "dicom" (int (ternary $port.value 104 $port.given))
  "tls" (ternary (int (ternary $tlsPort.value 2762 $tlsPort.given)) 0 (eq (toString $tls.value) "true"))
  "api" (ternary (int (ternary $api.value 5000 $api.given)) 0 .Values.api.expose)
  "scheme" (ternary "HTTPS" "HTTP" (and $https.given (ne $https.value nil)))
  "grace" (int (.Values.terminationGracePeriodSeconds | default $grace))
  "watches" (eq (toString $crd.value) "true")
  "stores" (include "port104.setting" (list $section "objectstore" "url") | fromJson).given
  "jobs" (eq (toString $jobs.value) "true")
-}}
{{- if and .Values.api.expose (eq $facts.scheme "HTTP") (not .Values.api.tokenMade) (ne (toString $open.value) "true") -}}
{{- fail "api.expose: the API would have neither token nor TLS, and port104 would not start. Name a certificate (api.tls.existingSecret), or make a token first (kubectl exec ... -- port104 token create ops --scope admin) and set api.tokenMade" -}}
{{- end -}}
{{- if and (gt (int .Values.replicaCount) 1) (not .Values.database.existingSecret) (not (include "port104.setting" (list $section "registry" "url") | fromJson).given) -}}
{{- fail "replicaCount: more than one replica needs a PostgreSQL database that they share: name its Secret (database.existingSecret)" -}}
{{- end -}}
{{- if and .Values.objectStore.existingSecret (not $facts.stores) -}}
{{- fail "objectStore.existingSecret: there is no object store; name its bucket (config.objectStore.url)" -}}
{{- end -}}
{{- if and .Values.tls.only (not .Values.tls.existingSecret) -}}
{{- fail "tls.only: TLS needs a certificate; name its Secret (tls.existingSecret)" -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.api.expose) -}}
{{- fail "serviceMonitor.enabled: Prometheus asks the API, which needs api.expose" -}}
{{- end -}}
{{- toJson $facts -}}
{{- end -}}

{{/* A probe: by HTTP where the API is exposed, else by a command over the control socket. (list FACTS PATH COMMAND VALUES) */}}
{{- define "port104.probe" -}}
{{- $facts := index . 0 -}}
{{- if $facts.api }}
httpGet: {path: {{ index . 1 }}, port: api, scheme: {{ $facts.scheme }}}
{{- else }}
exec:
  command: {{ index . 2 | toJson }}
{{- end }}
{{ toYaml (index . 3) }}
{{- end -}}
