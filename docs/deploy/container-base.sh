#!/bin/sh
# Make the base image "debian-python" from Debian's packages alone: as root, with debootstrap and buildah installed.
# Then: buildah build --isolation chroot -f docs/deploy/Containerfile --build-arg BASE=localhost/debian-python -t zoo-mirror .
# (--volume /etc/pip.conf:/etc/pip.conf:ro where pip has settings of your own; likewise /etc/ssl/certs.)
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates bookworm "$folder"
rm -rf "$folder"/debootstrap "$folder"/var/cache/apt/archives/*.deb "$folder"/var/lib/apt/lists/*
container=$(buildah from scratch)
buildah add --quiet "$container" "$folder" /
buildah commit --quiet --rm "$container" debian-python
