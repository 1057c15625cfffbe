# image.sh WORK SUITE KERNEL SOURCE...: the guest's disk and initrd, from this machine's own package sources.
# WORK holds the programs agent, initrd and outside; it gets vmlinuz, initrd (packed) and base.qcow2.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
work=$1 suite=$2 kernel=$3
shift 3
root=$work/root
mmdebstrap --quiet --mode=root --variant=minbase --format=directory \
  --include="systemd,systemd-sysv,udev,dbus,kmod,procps,iproute2,nftables,iptables,iputils-ping,curl,$kernel" \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools" "$1/usr/local/sbin"; ln -sf /bin/true "$1/usr/local/sbin/update-initramfs"' \
  "$suite" "$root" "$@" </dev/null
version=$(basename "$root"/boot/vmlinuz-*)
version=${version#vmlinuz-}
cp "$root/boot/vmlinuz-$version" "$work/vmlinuz"

tree=$work/tree
mkdir -p "$tree/modules"
mv "$work/initrd" "$tree/init"
chroot "$root" modprobe -S "$version" --show-depends -a virtio_pci virtio_blk virtio_console |
  awk '$1 == "insmod" && !seen[$2]++ {print $2}' | while read -r module; do
  cp "$root$module" "$tree/modules/"
  basename "$module" >>"$tree/modules/order"
done
(cd "$tree" && find . | cpio -o -H newc --quiet) >"$work/initrd"
rm -rf "$root"/boot/* "$root"/usr/share/man "$root"/var/log/*.log

install -m 0755 "$work/agent" "$root/usr/local/sbin/vm-agent"
install -m 0755 "$work/outside" "$root/usr/local/bin/outside"
echo guest >"$root/etc/hostname"
printf '127.0.0.1 localhost\n127.0.1.1 guest\n::1 localhost\n' >"$root/etc/hosts"
echo nameserver 10.99.0.2 >"$root/etc/resolv.conf"
echo 6b1f0c3e8d5a4c0f9f0e1d2c3b4a5968 >"$root/etc/machine-id"
: >"$root/etc/fstab"
mkdir -p "$root/etc/systemd/system.conf.d" "$root/etc/systemd/journald.conf.d" "$root/var/log/journal" "$root/opt/tools"
printf '[Manager]\nDefaultTimeoutStartSec=300s\nDefaultTimeoutStopSec=60s\n' >"$root/etc/systemd/system.conf.d/vm.conf"
printf '[Journal]\nStorage=persistent\nSystemMaxUse=32M\nRateLimitIntervalSec=0\n' >"$root/etc/systemd/journald.conf.d/vm.conf"

cat >"$root/etc/systemd/system/vm-agent.service" <<'UNIT'
[Unit]
Description=Test command channel
DefaultDependencies=no
After=systemd-remount-fs.service
Conflicts=shutdown.target
Before=shutdown.target
[Service]
ExecStart=/usr/local/sbin/vm-agent
Restart=always
OOMScoreAdjust=-900
[Install]
WantedBy=sysinit.target
UNIT
cat >"$root/etc/systemd/system/outside.service" <<'UNIT'
[Unit]
Description=The guest's network: another computer, in a namespace
After=network-pre.target
Before=network.target
[Service]
Type=exec
ExecStartPre=/bin/sh -ec 'ip netns add outside; ip link add out0 type veth peer name in0 netns outside; \
  ip addr add 10.99.0.1/24 dev out0; ip link set out0 up; ip -n outside addr add 10.99.0.2/24 dev in0; \
  ip -n outside link set in0 up; ip -n outside link set lo up; ip route add default via 10.99.0.2'
ExecStart=/usr/sbin/ip netns exec outside /usr/local/bin/outside serve /var/log/arrivals
[Install]
WantedBy=multi-user.target
UNIT
cat >"$root/etc/systemd/system/early.service" <<'UNIT'
[Unit]
Description=A program that connects as soon as there is a network
After=outside.service
Requires=outside.service
[Service]
Type=exec
ExecStart=/opt/tools/early -sS -m 90 --retry 5 --retry-connrefused http://10.99.0.2/
UNIT
for unit in vm-agent outside; do chroot "$root" systemctl -q enable "$unit"; done
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
  systemd-timesyncd.service systemd-networkd.service systemd-resolved.service getty@tty1.service serial-getty@ttyS0.service \
  systemd-pstore.service systemd-random-seed.service systemd-update-utmp.service systemd-update-utmp-runlevel.service \
  systemd-hwdb-update.service systemd-firstboot.service ldconfig.service systemd-binfmt.service dev-hugepages.mount \
  dev-mqueue.mount sys-kernel-debug.mount sys-fs-fuse-connections.mount modprobe@drm.service modprobe@fuse.service \
  modprobe@efi_pstore.service modprobe@configfs.service modprobe@dm_mod.service modprobe@loop.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done

truncate -s 1200M "$work/raw"
mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -E lazy_itable_init=1,nodiscard -d "$root" -L root "$work/raw"
qemu-img convert -O qcow2 "$work/raw" "$work/base.qcow2"
rm -rf "$root" "$tree" "$work/raw" "$work/agent" "$work/outside"
