using System.CommandLine;
using Kotonoha.Cli.Output;
using Kotonoha.Readers;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha extract FILE</c>: the text that citations point into.</summary>
internal static class ExtractCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE") { Description = "A Markdown, text, HTML, PDF or DOCX file." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object with the text and its blocks." };
        var command = new Command("extract", "Print the text of a document, exactly as citations count it.") { file, json };
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed.GetValue(file)!, parsed.GetValue(json), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string path, bool json, CancellationToken cancellationToken)
    {
        if (!File.Exists(path))
            throw new UsageException(Directory.Exists(path)
                ? $"'{path}' is a folder; extract takes a file"
                : $"file '{path}' does not exist");
        var document = await DocumentReaders.Default.ReadFileAsync(path, cancellationToken);
        if (!json)
        {
            foreach (var remark in document.Remarks)
                await Console.Error.WriteLineAsync($"note: {remark}");
            await Console.Out.WriteAsync(document.Text);
            return 0;
        }

        await Console.Out.WriteLineAsync(JsonLines.Line(writer =>
        {
            writer.WriteString("file", path);
            writer.WriteString("media_type", document.MediaType);
            writer.WriteString("title", document.Title);
            writer.WriteString("text", document.Text);
            writer.WriteStartArray("blocks");
            foreach (var block in document.Blocks)
            {
                writer.WriteStartObject();
                writer.WriteString("kind", block.Kind.ToString().ToLowerInvariant());
                writer.WriteNumber("start", block.Start);
                writer.WriteNumber("end", block.End);
                writer.WriteString("heading", block.HeadingPath);
                if (block.Page is { } page)
                    writer.WriteNumber("page", page);
                else
                    writer.WriteNull("page");
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteStartArray("remarks");
            foreach (var remark in document.Remarks)
                writer.WriteStringValue(remark);
            writer.WriteEndArray();
        }));
        return 0;
    }
}
