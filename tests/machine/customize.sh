#!/bin/bash
# Called by mmdebstrap with the root of the new image: adds what an instance needs of the Deep Learning
# AMI, as stand-ins, and packs the root into a disk. IMAGE is the folder of the disk, CA a certificate.
set -euo pipefail
root=$1

trust_the_cloud() {
  install -m 644 "$CA" "$root/usr/local/share/ca-certificates/cloud.crt"
  chroot "$root" update-ca-certificates >/dev/null
  printf '[global]\nindex-url = https://packages.test/simple\n' >"$root/etc/pip.conf"
}

configure_system() {
  echo '/dev/vda / ext4 defaults 0 1' >"$root/etc/fstab"
  echo machine >"$root/etc/hostname"
  : >"$root/etc/machine-id"
  chroot "$root" systemctl --quiet enable systemd-networkd systemd-networkd-wait-online systemd-resolved
  # Ubuntu's cloud-init lets netplan write such a file; Debian's has no netplan.
  mkdir -p "$root/etc/cloud/cloud.cfg.d" "$root/etc/systemd/network"
  printf '[Match]\nName=en*\n[Network]\nDHCP=ipv4\n' >"$root/etc/systemd/network/50-dhcp.network"
  printf 'datasource_list: [Ec2, None]\nnetwork: {config: disabled}\n' \
    >"$root/etc/cloud/cloud.cfg.d/90-machine.cfg"
}

# A venv whose packages are Debian's, and a PyTorch that has only a name and a version.
install_pytorch() {
  local site each
  chroot "$root" python3 -m venv --without-pip /opt/pytorch
  site=$(echo "$root"/opt/pytorch/lib/python3.*/site-packages)
  rm -r "$site"
  ln -s /usr/lib/python3/dist-packages "$site"
  for each in torch-2.12.0 torchvision-0.27.0 torchaudio-2.12.0; do
    mkdir -p "$root/usr/lib/python3/dist-packages/$each.dist-info"
    printf 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' "${each%-*}" "${each#*-}" \
      >"$root/usr/lib/python3/dist-packages/$each.dist-info/METADATA"
  done
}

program() { # PATH LINE
  install -D -m 755 /dev/stdin "$root$1" <<<"#!/bin/sh
$2"
}

# `touch /etc/no-gpu`, or `no-gpu` as an option of the kernel, makes the driver fail.
install_stand_ins() {
  # shellcheck disable=SC2016 # evaluated in the machine
  local record='echo "$(date +%s) $0 $*" >>/var/log/stand-ins'
  program /opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl "$record"
  program /usr/bin/nvidia-modprobe "$record"
  program /usr/bin/nvidia-smi \
    '[ ! -e /etc/no-gpu ] && ! grep -qw no-gpu /proc/cmdline && echo "NVIDIA L4, 570.0"'
}

pack() {
  local bare
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  cat "$root"/boot/vmlinuz-* >"$IMAGE/vmlinuz"
  cat "$root"/boot/initrd.img-* >"$IMAGE/initrd"
  : >"$IMAGE/root.img"
  # Mounted once more, because /proc and others are mounted below the root now.
  bare=$(mktemp -d)
  mount --bind "$root" "$bare"
  mke2fs -q -t ext4 -L root -d "$bare" "$IMAGE/root.img" 8G
  umount "$bare"
  rmdir "$bare"
}

trust_the_cloud
configure_system
install_pytorch
install_stand_ins
pack
