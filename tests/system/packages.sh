#!/bin/sh
# Installs the system packages that tests talk to, when root on Debian or Ubuntu. Without them those tests are skipped,
# each printing its reason.
set -eu

wanted=""
[ -x /usr/sbin/sshd ] || wanted="$wanted openssh-server"
command -v ssh-keygen >/dev/null || wanted="$wanted openssh-client"
command -v ip >/dev/null || wanted="$wanted iproute2"
command -v chromium >/dev/null || wanted="$wanted chromium"
command -v chromedriver >/dev/null || wanted="$wanted chromium-driver"
command -v gcc >/dev/null || wanted="$wanted gcc libc6-dev"
command -v aarch64-linux-gnu-gcc >/dev/null || wanted="$wanted gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
command -v qemu-aarch64-static >/dev/null || wanted="$wanted qemu-user-static"
command -v update-binfmts >/dev/null || wanted="$wanted binfmt-support"
command -v tcsh >/dev/null || wanted="$wanted tcsh"
command -v busybox >/dev/null || wanted="$wanted busybox"
command -v toybox >/dev/null || wanted="$wanted toybox"
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of names
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $wanted >/dev/null \
        || echo "could not install:$wanted; the tests that need them are skipped" >&2
else
    echo "not root, so not installed:$wanted; the tests that need them are skipped" >&2
fi
