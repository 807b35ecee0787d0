#!/bin/sh
# Runs fuzz targets (all, or those named) one after another, FUZZ_SECONDS each, and fails on a finding.
# The corpus begins with the golden files. A finding lies in artifacts/TARGET; `run.sh TARGET` shows it again first.
set -eu
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-600}
toolchain=${FUZZ_TOOLCHAIN:-nightly}
rustup run "$toolchain" rustc --version >/dev/null 2>&1 || rustup toolchain install "$toolchain" --profile minimal
PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
command -v cargo-fuzz >/dev/null 2>&1 || cargo install cargo-fuzz --locked

golden=../golden
seed() { # TARGET FILE…: each file under its hash
  target=$1; shift
  mkdir -p "corpus/$target"
  for file in "$@"; do
    [ -f "$file" ] && cp "$file" "corpus/$target/seed-$(sha1sum "$file" | cut -c1-16)"
  done
}
lines() { # TARGET < LINES: each line is one input
  mkdir -p "corpus/$1"
  awk -v folder="corpus/$1" '{ file = folder "/seed-line-" NR; printf "%s", $0 > file; close(file) }'
}
seed control $golden/edge/src-*/WAPT/control
for file in $golden/repo/*.wapt $golden/edge/*.wapt; do
  unzip -p "$file" WAPT/control >corpus/control/seed-packed-"$(basename "$file")" 2>/dev/null || true
done
cut -f1,2 $golden/versions.tsv | tr '\t' '\r' | lines version
for file in corpus/version/seed-line-*; do tr '\r' '\n' <"$file" >"$file.tmp" && mv "$file.tmp" "$file"; done
awk -F'\t' '{ print "a(" $2 ")\r" $1 }' $golden/conditions.tsv | lines request
for file in corpus/request/seed-line-*; do tr '\r' '\n' <"$file" >"$file.tmp" && mv "$file.tmp" "$file"; done
printf '%s\n' 'a' 'a,b(>=1.2)' 'a(=1.2-3)' 'a (>=1)' 'a(>=1' | awk '{ print }' | lines request
seed index $golden/repo/Packages
unzip -p $golden/repo/Packages Packages >corpus/index/seed-text
seed archive $golden/repo/*.wapt $golden/repo-host/*.wapt $golden/chain/*.wapt $golden/bad/*.wapt $golden/edge/*.wapt
seed envelope $golden/envelope/*.json $golden/actions/*.json
printf '%s\n' 'status:error os:windows' 'software:"7-zip"<24 group:accounting last_seen>7d not reachable' \
  '(a or b) not name:x*' | lines filter
seed certificate $golden/keys/*.crt
for file in $golden/keys/*.crt; do
  openssl x509 -in "$file" -outform DER -out corpus/certificate/seed-der-"$(basename "$file")" 2>/dev/null || true
done
seed encrypted $golden/host-encrypted/*.wapt
printf '%s\n' '{"type":"status"}' '{"type":"run","action":"install","packages":["a(=1)"]}' '{"type":"about"}' \
  '{"type":"cancel","task":"01890000-0000-7000-8000-000000000000"}' '{"type":"catalogue","query":{}}' | lines local
mkdir -p corpus/rules
unzip -p $golden/repo/peer-selfservice_1.wapt WAPT/selfservice.json >corpus/rules/seed-selfservice
unzip -p $golden/repo/peer-waptwua_1.wapt WAPT/waptwua_rules.json >corpus/rules/seed-wua
unzip -p $golden/repo/peer-base_1.2.3-4_PROD.wapt WAPT/manifest.sha256 >corpus/rules/seed-manifest

targets=${*:-$(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | grep -v muster)}
cargo "+$toolchain" fuzz build --fuzz-dir .
for target in $targets; do
  echo "== $target, $seconds s" >&2
  # Memory and time of one input are bounded too: a limit that does not hold is a finding.
  cargo "+$toolchain" fuzz run --fuzz-dir . "$target" -- \
    -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=300 -timeout=10 -max_len=262144 \
    -print_final_stats=1 ${FUZZ_OPTIONS:-}
done
echo "no finding" >&2
