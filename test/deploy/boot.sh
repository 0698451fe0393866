#!/bin/sh
# boot.sh <folder>: boots systemd with the unit <folder>/weft.service in a root of its
# own and leaves what <folder>/probe.sh finds there in <folder>. Runs as root, in
# namespaces of its own (unshare -m -p -f -n -u -i -C), and touches nothing outside.
set -eu
folder=$1
root=$folder/root
mkdir "$root"
mount -t tmpfs tmpfs "$root"
cd "$root"
mkdir -p usr etc/systemd/system etc/weft proc sys dev run tmp var opt root home out old
mount --bind /usr usr
mount -o remount,ro,bind usr
for d in bin sbin lib lib64; do ln -s "usr/$d" "$d"; done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs dev
for d in null zero full random urandom tty; do
	touch "dev/$d"
	mount --bind "/dev/$d" "dev/$d"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
# What systemd says goes to the kernel's log, which is a file here.
touch "$folder/kmsg" dev/kmsg
mount --bind "$folder/kmsg" dev/kmsg
mount --bind "$folder" out
cp /etc/passwd /etc/group /etc/nsswitch.conf etc/
echo 0123456789abcdef0123456789abcdef >etc/machine-id
cp "$folder/weft.yaml" etc/weft/
cp "$folder/weft.service" etc/systemd/system/
if [ -e "$folder/drop-in.conf" ]; then
	mkdir etc/systemd/system/weft.service.d
	cp "$folder/drop-in.conf" etc/systemd/system/weft.service.d/
fi
# Only the unit and the probe: nothing of what else boots a machine, which could change
# this one.
mount -t tmpfs tmpfs usr/lib/systemd/system
for target in sysinit basic shutdown network-online; do
	printf '[Unit]\nDefaultDependencies=no\n' >usr/lib/systemd/system/$target.target
done
cat >etc/systemd/system/probe.target <<END
[Unit]
DefaultDependencies=no
Wants=weft.service probe.service
END
cat >etc/systemd/system/probe.service <<END
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=oneshot
TimeoutStartSec=60s
ExecStart=/bin/sh /out/probe.sh
END
# The unit's program is where the unit looks for it: in a folder that is read-only.
mount -t tmpfs tmpfs usr/local/bin
cp "$folder/weft" usr/local/bin/weft
ip link set lo up
pivot_root . old
exec chroot . sh -c 'umount -l /old && exec "$@"' sh \
	env container=weft-test /lib/systemd/systemd --system --unit=probe.target \
	--log-target=kmsg --show-status=no </dev/null
