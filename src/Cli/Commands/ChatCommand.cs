using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha chat</c>.</summary>
internal static class ChatCommand
{
    public static Command Create() => new("chat", "…");
}
