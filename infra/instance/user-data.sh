#!/usr/bin/env bash
# Run by cloud-init as root at an instance's first start. Fn::Sub replaces names in braces after a
# dollar sign, so the script must not use braces there for anything else.
set -euo pipefail
root=$(printenv DARKROOM_ROOT || true)
mkdir -p "$root/usr/local/sbin" "$root/etc/systemd/system"

cat >"$root/usr/local/sbin/darkroom-start" <<'EOF'
#!/usr/bin/env bash
# At every start: fetches the settings and the bundle that they name, and runs its darkroom-boot.
set -euo pipefail
export LC_ALL=C AWS_DEFAULT_REGION=${AWS::Region} AWS_MAX_ATTEMPTS=3
# The metadata service may take some seconds; the AWS CLI gives it one second and one try.
export AWS_METADATA_SERVICE_TIMEOUT=5 AWS_METADATA_SERVICE_NUM_ATTEMPTS=4
root=$(printenv DARKROOM_ROOT || true)
home=$root/opt/darkroom

# Powers off an instance whose set-up hangs before the switch is installed. Counted from boot,
# because the wall clock may be set at any time.
guard() {
  [[ ! -e $root/etc/systemd/system/timers.target.wants/darkroom-switch.timer ]] || return 0
  systemctl is-active --quiet darkroom-guard.timer ||
    systemd-run --quiet --unit=darkroom-guard --on-boot=45min --timer-property=AccuracySec=1s \
      systemctl start poweroff.target --job-mode=replace-irreversibly --no-block ||
    echo 'No power-off could be scheduled'
}

# Notes when a step ended, in seconds since boot. See darkroom-timeline.
note() { # STEP
  local up
  mkdir -p "$root/run/darkroom-boot"
  read -r up _ <"$root/proc/uptime"
  echo "$1 $up" >>"$root/run/darkroom-boot/steps"
}

# Without a route nobody can reach this instance. It has one within seconds, or a start costs money
# for nothing.
has_network() {
  local _ pause
  pause=$(printenv DARKROOM_PAUSE || echo 0.5)
  for _ in {1..120}; do
    awk '$2 == "00000000" { found = 1 } END { exit !found }' "$root/proc/net/route" && return 0
    sleep "$pause"
  done
  return 1
}

end_start() {
  echo 'Powering off: no network'
  [[ -e $root/etc/darkroom/keep ]] ||
    systemctl start poweroff.target --job-mode=replace-irreversibly --no-block
  exit 1
}

fetch_settings() {
  timeout 60 aws ssm get-parameter --name '/${AWS::StackName}/instance' --query Parameter.Value \
    --output text --cli-connect-timeout 5 --cli-read-timeout 10 >"$home/settings.new" &&
    sync "$home/settings.new" && mv -fT "$home/settings.new" "$home/settings"
}

setting() { # NAME
  sed -n "s/^$1=//p" "$home/settings" | tail -n 1
}

# Synced first: after a power cut the new name must not lead to files that were not written yet.
fetch_bundle() { # SHA256
  timeout 300 aws s3 cp --only-show-errors "s3://$(setting BUCKET)/$(setting BUNDLE_KEY)" \
    "$home/new.tar.gz" || return 1
  echo "$1  $home/new.tar.gz" | sha256sum --check --status ||
    { echo 'The bundle does not match BUNDLE_SHA256' && return 1; }
  rm -rf "$home/new" && mkdir "$home/new" &&
    tar -xzf "$home/new.tar.gz" --no-same-owner -C "$home/new" && sync -f "$home/new" &&
    mv -T "$home/new" "$home/$1"
}

use_bundle() {
  local sum
  sum=$(setting BUNDLE_SHA256)
  [[ $sum =~ ^[0-9a-f]{64}$ ]] || { echo 'BUNDLE_SHA256 is not a checksum' && return 1; }
  [[ -d $home/$sum ]] || fetch_bundle "$sum" || return 1
  ln -sfnT "$sum" "$home/bundle.new" && mv -fT "$home/bundle.new" "$home/bundle"
}

mkdir -p "$home"
guard
note system
has_network || end_start
fetch_settings || echo 'No new settings: using the previous ones'
use_bundle || echo 'No new bundle: using the previous one'
note settings
exec "$home/bundle/darkroom-boot"
EOF
chmod 755 "$root/usr/local/sbin/darkroom-start"

cat >"$root/etc/systemd/system/darkroom-boot.service" <<'EOF'
[Unit]
Description=Set this instance up as the settings of the stack say
# Not after network-online.target, which may take minutes to give up: the start waits for a route.
After=network.target
# Retried until the switch powers the instance off.
StartLimitIntervalSec=0

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/darkroom-start
# The AMI may have `aws` in PyTorch's environment only.
Environment=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin:/opt/pytorch/bin
Restart=on-failure
RestartSec=60
# The switch powers off an instance on which this hangs.
TimeoutStartSec=infinity

[Install]
WantedBy=multi-user.target
EOF

# cloud-init does this once only, and a power cut must not leave empty files behind.
sync
systemctl daemon-reload
systemctl enable darkroom-boot.service
systemctl start --no-block darkroom-boot.service
