#!/bin/bash
# Makes an image of Debian packages, unpacked and not configured, for where there is no registry to get a base from.
# usage: base-image.sh WORK TAG PACKAGES
set -euo pipefail
WORK=$1 TAG=$2 PACKAGES=$3
export PATH=/usr/sbin:/sbin:$PATH
# What the packages' own scripts would do, which do not run here: trusted certificates, and a user like that of the public base.
cat >"$WORK/finish" <<'EOF'
#!/bin/sh
set -e
mkdir -p "$1/tmp" "$1/etc/ssl/certs" "$1/var/lib"
chmod 1777 "$1/tmp"
if [ -d "$1/usr/share/ca-certificates/mozilla" ]; then
    cat "$1"/usr/share/ca-certificates/mozilla/*.crt >"$1/etc/ssl/certs/ca-certificates.crt"
fi
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/sbin/nologin\n' >"$1/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$1/etc/group"
EOF
chmod +x "$WORK/finish"
mmdebstrap -q --variant=extract --include="$PACKAGES" --extract-hook="$WORK/finish" \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' bookworm "$WORK/tree.tar"
docker import --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$WORK/tree.tar" "$TAG" >/dev/null
