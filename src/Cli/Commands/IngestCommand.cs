using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha ingest</c>.</summary>
internal static class IngestCommand
{
    public static Command Create() => new("ingest", "…");
}
