using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha ask</c>.</summary>
internal static class AskCommand
{
    public static Command Create() => new("ask", "…");
}
