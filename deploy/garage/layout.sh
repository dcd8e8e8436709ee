#!/bin/sh
# Once, on one node, when all five know each other: places, buckets, and a key that can read and write them and nothing else.
# usage: layout.sh CAPACITY ID1 ID2 ID3 ID4 ID5   (ids: `garage node id -q` on each node)
set -eu
GARAGE=${GARAGE:-garage}
BUCKETS=${BUCKETS:-mail-one mail-two mail-three}
[ $# -eq 6 ] || { sed -n 3p "$0" >&2; exit 2; }
capacity=$1
shift

n=0
for id in "$@"; do
  n=$((n + 1))
  # A zone is what fails together: a home.
  $GARAGE layout assign -z "site$n" -c "$capacity" "${id%%@*}"
done
$GARAGE layout config -r 3
$GARAGE layout show
$GARAGE layout apply --version 1

$GARAGE key create colombier
for bucket in $BUCKETS; do
  $GARAGE bucket create "$bucket"
  # Without --owner the key can't delete the bucket or change its rights.
  $GARAGE bucket allow --read --write "$bucket" --key colombier
done
$GARAGE key deny --create-bucket colombier
$GARAGE key info colombier
