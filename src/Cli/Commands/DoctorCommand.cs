using System.CommandLine;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha doctor</c>.</summary>
internal static class DoctorCommand
{
    public static Command Create() => new("doctor", "…");
}
