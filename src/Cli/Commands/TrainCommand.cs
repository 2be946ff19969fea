using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha train</c>.</summary>
internal static class TrainCommand
{
    public static Command Create() => new("train", "…");
}
