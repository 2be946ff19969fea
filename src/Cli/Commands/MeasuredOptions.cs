using System.CommandLine;
using System.Globalization;

namespace Kotonoha.Cli.Commands;

/// <summary>The options of commands that measure a model on a file.</summary>
internal static class MeasuredOptions
{
    public static Option<int?> Limit() => new("--limit") { Description = "Only the first so many of the file.", HelpName = "N" };

    /// <summary>The limit, or null for none.</summary>
    /// <exception cref="UsageException">It is below 1.</exception>
    public static int? Checked(ParseResult parsed, Option<int?> limit) => parsed.GetValue(limit) is { } number and < 1
        ? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--limit {number}: at least 1"))
        : parsed.GetValue(limit);
}
