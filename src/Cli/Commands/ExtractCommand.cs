using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha extract</c>.</summary>
internal static class ExtractCommand
{
    public static Command Create() => new("extract", "…");
}
