using System.CommandLine;
using System.Globalization;
using System.Text;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation.Security;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha audit verify FILE</c>: whether an audit log is whole.</summary>
internal static class AuditCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "The log that '--audit-log' wrote." };
        var key = new Option<string?>("--key-env")
        {
            Description = "The environment variable that holds the key of its chain.",
            HelpName = "NAME",
        };
        var head = new Option<string?>("--head")
        {
            Description = "An entry that was kept elsewhere and must be there, as this command prints it.",
            HelpName = "NUMBER:HASH",
        };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var verify = new Command("verify", "Say whether every entry of an audit log is there and unchanged; exit code 1 where it is not.")
        {
            file, key, head, json,
        };
        verify.SetAction(parsed => Verify(
            parsed.GetValue(file)!, Key(parsed.GetValue(key), "--key-env"), Head(parsed.GetValue(head)), parsed.GetValue(json)));
        return new Command("audit", "Look after audit logs.") { verify };
    }

    /// <summary>The key that an environment variable holds.</summary>
    public static byte[]? Key(string? variable, string option)
        => variable is null ? null
            : Environment.GetEnvironmentVariable(variable) is { Length: > 0 } key ? Encoding.UTF8.GetBytes(key)
            : throw new UsageException($"the environment variable '{variable}' ({option}) is not set");

    private static AuditHead? Head(string? text)
    {
        if (text is null)
            return null;
        return text.Split(':', 2) is [var number, { Length: 64 } hash]
            && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? new AuditHead(value, hash.ToLowerInvariant())
            : throw new UsageException($"--head '{text}': NUMBER:HASH, with 64 hexadecimal digits");
    }

    private static int Verify(string path, byte[]? key, AuditHead? expected, bool json)
    {
        if (!File.Exists(path))
            throw new UsageException($"file '{path}' does not exist");
        var check = AuditLog.Verify(path, key, expected);
        if (json)
            Console.Out.WriteLine(JsonLines.Line(writer =>
            {
                writer.WriteBoolean("intact", check.IsIntact);
                writer.WriteNumber("entries", check.Head.Number);
                writer.WriteString("head", $"{check.Head.Number}:{check.Head.Hash}");
                if (check.BrokenLine is { } line)
                    writer.WriteNumber("broken_line", line);
                writer.WriteString("problem", check.Problem);
            }));
        else if (check.IsIntact)
            Console.Out.WriteLine($"intact: {check.Head.Number} entries, head {check.Head.Number}:{check.Head.Hash}");
        else
            Console.Out.WriteLine($"broken at line {check.BrokenLine}: {check.Problem}");
        return check.IsIntact ? 0 : 1;
    }
}
