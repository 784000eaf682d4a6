#!/bin/bash
# Makes kind's node image from Debian packages and the binaries of our pins, where no registry has one.
# usage: node-image.sh BIN WORK TAG KUBERNETES KIND
#   BIN: the binaries; WORK: a folder to work in; TAG: the image's name; KUBERNETES, KIND: their versions
set -euo pipefail
BIN=$1 WORK=$2 TAG=$3 K=$4 KIND=$5
HERE=$(cd "$(dirname "$0")" && pwd)
export PATH=/usr/sbin:/sbin:$PATH
N=$WORK/node
PRELOAD=
trap '[ -z "$PRELOAD" ] || kill "$PRELOAD"' EXIT

echo "  Debian trees for the node and for kube-proxy"
mmdebstrap -q --variant=extract --include=libc6,nftables bookworm "$WORK/proxy.tar"
mkdir -p "$N"
mmdebstrap -q --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --include=systemd,conntrack,iptables,nftables,iproute2,ethtool,mount,kmod,runc,ca-certificates,jq,procps \
  bookworm "$WORK/node.tar"
tar -C "$N" -xf "$WORK/node.tar"

echo "  the control plane's images"
# Under the names that `kubeadm config images list` tells, so that nothing is pulled.
R=registry.k8s.io
add() {
  local name=$1
  shift
  docker import --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$@" - "$name" >/dev/null
  IMAGES+=("$name")
}
one() { tar -hC "$BIN" --transform "s#^#$1#" -c "$2"; }
IMAGES=()
for c in kube-apiserver kube-controller-manager kube-scheduler; do
  add $R/$c:"$K" < <(one usr/local/bin/ $c)
done
want() { "$BIN/kubeadm" config images list --kubernetes-version "$K" 2>/dev/null | grep "/$1:"; }
add "$(want etcd)" < <(one usr/local/bin/ etcd)
add "$(want coredns)" --change 'ENTRYPOINT ["/coredns"]' < <(one "" coredns)
PAUSE=$(want pause)
add "$PAUSE" --change 'ENTRYPOINT ["/pause"]' < <(one "" pause)
tar -h --owner=0 --group=0 -C "$BIN" --transform 's#^#./usr/local/bin/#' -rf "$WORK/proxy.tar" kube-proxy
add $R/kube-proxy:"$K" <"$WORK/proxy.tar"
docker save -o "$WORK/control-plane.tar" "${IMAGES[@]}"
docker rmi "${IMAGES[@]}" >/dev/null

echo "  kind's own files and our binaries"
F=$(cd "$WORK" && go mod download -json "sigs.k8s.io/kind@$KIND" | jq -r .Dir)/images/base/files
cp -r --no-preserve=mode "$F/etc" "$F/kind" "$F/usr" "$N/"
chmod 755 "$N/usr/local/bin/entrypoint" "$N"/kind/bin/*
rm "$N"/etc/systemd/system/containerd-fuse*
# Units that make no sense in a container, as kind's own Dockerfile removes them.
(
  cd "$N/lib/systemd/system"
  rm -f sysinit.target.wants/systemd-tmpfiles-setup.service {multi-user,local-fs,basic}.target.wants/* \
    sockets.target.wants/*{udev,initctl}* "$N"/etc/systemd/system/*.wants/*
)
echo ReadKMsg=no >>"$N/etc/systemd/journald.conf"
ln -sf /usr/lib/systemd/systemd "$N/sbin/init"
systemctl -q --root="$N" enable kubelet containerd undo-mount-hacks
systemctl -q --root="$N" mask systemd-binfmt.service
mkdir -p "$N"/{etc/kubernetes/manifests,opt/cni/bin,kind/manifests,kind/loaded,etc/cni/net.d,usr/local/sbin}
(
  cd "$BIN"
  cp containerd ctr containerd-shim-runc-v2 "$N/usr/local/bin/"
  cp kubelet kubectl kubeadm "$N/usr/bin/"
  cp bridge host-local loopback portmap "$N/opt/cni/bin/"
)
ln -sf /usr/sbin/runc "$N/usr/local/sbin/runc"
"$BIN/ctr" oci spec 2>/dev/null |
  jq '.hooks.createContainer += [{"path":"/kind/bin/mount-product-files.sh"}] | del(.process.rlimits)' \
    >"$N/etc/containerd/cri-base.json"
# restrict_oom_score_adj: see runc-wrap. SystemdCgroup: see kind-own.yaml.
sed -i -e 's/SystemdCgroup = true/SystemdCgroup = false/' \
  -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' \
  -e "s#\"registry.k8s.io/pause:[^\"]*\"#\"$PAUSE\"#" "$N/etc/containerd/config.toml"
echo "$K" >"$N/kind/version"
cp "$HERE/node/default-storage.yaml" "$N/kind/manifests/"
cp "$HERE/node/10-kind.conflist" "$N/etc/cni/net.d/"

echo "  preloading the control plane"
cat >"$WORK/preload.toml" <<EOF
version = 3
root = "$N/var/lib/containerd"
state = "$WORK/preload"
disabled_plugins = ["io.containerd.cri.v1.runtime","io.containerd.grpc.v1.cri","io.containerd.cri.v1.images"]
[grpc]
address = "$WORK/preload.sock"
EOF
PATH=$BIN:$PATH "$BIN/containerd" -c "$WORK/preload.toml" >"$WORK/preload.log" 2>&1 &
PRELOAD=$!
ctr() { "$BIN/ctr" -a "$WORK/preload.sock" "$@"; }
for _ in $(seq 100); do
  ctr version >/dev/null 2>&1 && break
  sleep .1
done
ctr -n k8s.io images import --no-unpack "$WORK/control-plane.tar" >"$WORK/import.log" 2>&1 || {
  tail -3 "$WORK/import.log" >&2
  exit 1
}
kill $PRELOAD
wait $PRELOAD || :
PRELOAD=

echo "  the image"
tar -C "$N" -c . | docker import --change 'ENV container=docker' \
  --change 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]' - "$TAG" >/dev/null
