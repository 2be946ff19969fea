#!/usr/bin/env bash
# Builds Kotonoha and runs it: documents in, cited answers out, on a GPT that is trained here.
#   ./run.sh                              the sample documents and questions
#   ./run.sh --docs DIR --ask "…"         your folder, your question (--json for one JSON object a line)
#   ./run.sh --chat-model FILE --embedding-model DIR   your own models in place of the GPT trained here
#   ./run.sh --device cuda …              on an NVIDIA GPU, through TorchSharp (also cuda:N, mps, torch-cpu)
#   ./run.sh serve                        your models and documents for other programs, at http://127.0.0.1:7860
#   ./run.sh COMMAND …                    any other command of kotonoha (./run.sh help lists them)
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
export DOTNET_CLI_UI_LANGUAGE=en DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

if ! command -v dotnet >/dev/null; then
  echo "run.sh: the command 'dotnet' is missing; install the .NET 10 SDK first." >&2
  exit 1
fi

# A device other than the processor needs TorchSharp, which a plain build does not fetch.
torch=""
case " $* " in
  *" --device cuda"* | *" --device=cuda"*)
    torch=cuda-linux
    case "$(uname -s)" in MINGW* | MSYS* | CYGWIN*) torch=cuda-windows ;; esac ;;
  *" --device mps "* | *" --device=mps "* | *" --device torch-cpu "* | *" --device=torch-cpu "*) torch=cpu ;;
esac

log="$(mktemp)"
trap 'rm -f "$log"' EXIT
if ! dotnet build "$here/src/Cli/Cli.csproj" -c Release -v quiet -nologo --tl:off -p:KotonohaTorch="$torch" >"$log" 2>&1; then
  cat "$log" >&2
  if [ -n "$torch" ] && grep -q 'NU1101\|NU1102' "$log"; then
    echo "run.sh: the package TorchSharp-$torch cannot be fetched here; it is in the public NuGet gallery. Without it: leave --device out." >&2
  fi
  echo "run.sh: the build failed." >&2
  exit 1
fi
cat "$log" | grep -v '^[[:space:]]*$' | grep -Ev 'Build succeeded|Warning\(s\)|Error\(s\)|Time Elapsed' >&2 || true
rm -f "$log"
trap - EXIT

app="$here/src/Cli/bin/Release/net10.0/Kotonoha.Cli.dll"
case "${1-}" in
  help) exec dotnet "$app" --help ;;
  "" | -*) exec dotnet "$app" quickstart "$@" ;;
  *) exec dotnet "$app" "$@" ;;
esac
