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
root=$(printenv DARKROOM_ROOT || true)
home=$root/opt/darkroom

# Powers off an instance whose set-up hangs before the switch is installed.
guard() {
  [[ ! -e $root/etc/systemd/system/timers.target.wants/darkroom-switch.timer ]] || return 0
  [[ -e $root/run/systemd/shutdown/scheduled ]] || shutdown -P +45 || echo 'No power-off could be scheduled'
}

fetch_settings() {
  timeout 60 aws ssm get-parameter --name '/${AWS::StackName}/instance' --query Parameter.Value \
    --output text --cli-connect-timeout 5 --cli-read-timeout 10 >"$home/settings.new" &&
    mv -fT "$home/settings.new" "$home/settings"
}

setting() { # NAME
  sed -n "s/^$1=//p" "$home/settings" | tail -n 1
}

fetch_bundle() { # SHA256
  timeout 300 aws s3 cp --only-show-errors "s3://$(setting BUCKET)/$(setting BUNDLE_KEY)" \
    "$home/new.tar.gz" || return 1
  echo "$1  $home/new.tar.gz" | sha256sum --check --status ||
    { echo 'The bundle does not match BUNDLE_SHA256' && return 1; }
  rm -rf "$home/new" && mkdir "$home/new" &&
    tar -xzf "$home/new.tar.gz" --no-same-owner -C "$home/new" && mv -T "$home/new" "$home/$1"
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
fetch_settings || echo 'No new settings: using the previous ones'
use_bundle || echo 'No new bundle: using the previous one'
exec "$home/bundle/darkroom-boot"
EOF
chmod 755 "$root/usr/local/sbin/darkroom-start"

cat >"$root/etc/systemd/system/darkroom-boot.service" <<'EOF'
[Unit]
Description=Set this instance up as the settings of the stack say
Wants=network-online.target
After=network-online.target
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

systemctl daemon-reload
systemctl enable darkroom-boot.service
systemctl start --no-block darkroom-boot.service
