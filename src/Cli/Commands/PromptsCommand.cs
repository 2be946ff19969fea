using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Server.Work;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha prompts show FOLDER</c>: what the server's prompt log holds.</summary>
internal static class PromptsCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("FOLDER") { Description = "The folder that the server's setting 'prompt-log' names." };
        var home = new Option<string?>("--home")
        {
            Description = "Where Kotonoha keeps what it makes (default: KOTONOHA_HOME, else .kotonoha).",
            HelpName = "DIR",
        };
        var since = new Option<string?>("--since") { Description = "Leave out what is older than this day or time.", HelpName = "TIME" };
        var key = new Option<string?>("--key") { Description = "Only of this key, by its id or its name.", HelpName = "KEY" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        var show = new Command("show", "Decrypt prompts and answers and print them, the earliest first.")
        {
            folder, home, since, key, json,
        };
        show.SetAction(parsed => Show(
            parsed.GetValue(folder)!, Path.Combine(Workspace.HomeFolder(parsed.GetValue(home)), "server"), Time(parsed.GetValue(since)),
            parsed.GetValue(key), parsed.GetValue(json)));
        return new Command("prompts", "Read what the server's prompt log holds.") { show };
    }

    private static DateTimeOffset? Time(string? text)
        => text is null ? null
            : DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time) ? time
            : throw new UsageException($"--since '{text}': a day or a time, such as 2026-11-29 or 2026-11-29T14:00");

    private static int Show(string folder, string home, DateTimeOffset? since, string? key, bool json)
    {
        if (!Directory.Exists(folder))
            throw new UsageException($"folder '{folder}' does not exist");
        foreach (var record in PromptLog.Read(folder, home, since, key))
            Console.Out.WriteLine(json
                ? JsonLines.Line(writer =>
                {
                    writer.WriteString("time", record.Time);
                    writer.WriteString("key", record.Caller);
                    writer.WriteString("name", record.Name);
                    writer.WriteString("operation", record.Operation);
                    writer.WriteString("model", record.Model);
                    writer.WriteString("prompt", record.Prompt);
                    writer.WriteString("answer", record.Answer);
                    writer.WriteString("error", record.Error);
                })
                : string.Create(CultureInfo.InvariantCulture, $"""
                    {record.Time:yyyy-MM-dd HH:mm:ss} {record.Name} ({record.Caller}): {record.Operation} {record.Model} {record.Error}
                    > {Printable(record.Prompt).ReplaceLineEndings("\n> ")}
                    {Printable(record.Answer)}

                    """));
        return 0;
    }

    // What strangers and models wrote does not get to steer the terminal.
    private static string Printable(string text)
        => string.Concat(text.Select(letter => char.IsControl(letter) && letter is not ('\n' or '\t') ? '\uFFFD' : letter));
}
