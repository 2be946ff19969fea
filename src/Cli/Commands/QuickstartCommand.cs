using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha quickstart</c>.</summary>
internal static class QuickstartCommand
{
    public static Command Create() => new("quickstart", "…");
}
