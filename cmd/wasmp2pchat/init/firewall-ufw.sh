#!/bin/sh
# For ufw, the firewall of Ubuntu: sudo sh {{.File}}
set -e
{{- range .Ports}}
ufw allow {{.Range ":"}}/{{.Network}} comment 'wasmp2pchat: {{.What}}'
{{- end}}
