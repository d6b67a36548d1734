# shellcheck shell=bash
# The documented way of metrics.prom to the node exporter: a user of its own, who cannot reach a private file in a home.

exporter=$(debian_program prometheus-node-exporter /usr/bin/prometheus-node-exporter)
user stackctl install
userctl start stack-audit.service
assert_eq "$(user stat -c %a .local/state/stackwarden/metrics.prom)" 600

step 'what the package brings: a user, a directory, and an exporter that reads it'
root useradd --system prometheus
root mkdir -p /var/lib/prometheus/node-exporter
root_put /usr/bin/prometheus-node-exporter 755 <"$exporter"
root systemd-run --quiet --unit=node-exporter --uid=prometheus prometheus-node-exporter --collector.disable-defaults \
    --collector.textfile --collector.textfile.directory=/var/lib/prometheus/node-exporter --web.listen-address=127.0.0.1:9100
metrics() { user curl --silent --fail http://127.0.0.1:9100/metrics; }
has() { assert_contains "$(metrics)" "$1"; }
wait_until 60 has 'node_textfile_scrape_error 0'

step 'the documented commands publish the metrics, readable for all, and nothing else'
for file in stackwarden-metrics@.service stackwarden-metrics@.timer; do
    root_put "/root/docs/examples/$file" <"$LAB_REPO/docs/examples/$file"
done
commands=$(sed -n '/<!-- textfile -->/,/^$/s/^    //p' "$LAB_REPO/docs/monitoring.md")
assert_contains "$commands" "systemctl enable --now stackwarden-metrics@$LAB_USER.timer"
root sh -ec "cd /root; $commands"
root systemctl start "stackwarden-metrics@$LAB_USER.service"
wait_until 30 has "stackwarden_audit_findings{check=\"unit-failed\",severity=\"page\",status=\"broken\",user=\"$LAB_USER\"} 0"
has 'node_textfile_scrape_error 0'
assert_eq "$(root ls -A /var/lib/prometheus/node-exporter)" "stackwarden-$LAB_USER.prom"

step 'a link in the place of the file publishes nothing'
root sh -c 'echo secret >/root/secret && chmod 600 /root/secret'
user ln -sf /root/secret .local/state/stackwarden/metrics.prom
assert_exit 1 root systemctl start "stackwarden-metrics@$LAB_USER.service"
has 'stackwarden_audit_findings'
assert_lacks "$(root cat /var/lib/prometheus/node-exporter/stackwarden-"$LAB_USER".prom)" secret$'\n'
