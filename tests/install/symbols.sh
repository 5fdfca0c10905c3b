#!/usr/bin/env bash
# Whether a shared library shows our public names and nothing else.
#   symbols.sh LIBRARY INCLUDE_FOLDER
set -euo pipefail
names=$(nm -DC --defined-only "$1" | cut -d' ' -f3- | sort -u)
others=$(grep -vE '^(vtable for |typeinfo for |typeinfo name for )?kvswarm::' <<<"$names" || true)
[ -z "$others" ] || { printf 'not ours:\n%s\n' "$others" >&2; exit 1; }
# Internal folders have namespaces of their own; what is in kvswarm itself must stand in a header.
status=0
while read -r name; do
  case $name in
    ports) continue ;;
  esac
  grep -rqw -- "$name" "$2" || { echo "not in a public header: $name" >&2; status=1; }
done < <(sed -E 's/^(vtable for |typeinfo for |typeinfo name for )//; s/^kvswarm::([A-Za-z_0-9]+).*/\1/' <<<"$names" | sort -u)
for name in kvswarm::Node::start kvswarm::Client::open kvswarm::Config::parse kvswarm::version; do
  grep -q "^$name" <<<"$names" || { echo "missing: $name" >&2; status=1; }
done
exit $status
