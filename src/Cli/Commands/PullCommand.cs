using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Output;
using Kotonoha.LocalModel.Checkpoints;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha pull</c>: a model from a hub into the cache that the Hugging Face tools share.</summary>
internal static class PullCommand
{
    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "OWNER/NAME, as the hub spells it." };
        var file =
            new Option<string?>(
                "--file")
            {
                Description =
                    "One file of the model, for example a GGUF file (default: configuration, tokenizer and safetensors).",
                HelpName = "F"
            };
        var revision = new Option<string?>("--revision") { Description = "A branch, a tag or a commit (default: main).", HelpName = "R" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("pull", "Fetch a model from a hub into the cache that the Hugging Face tools use. "
            + "Goes on where it was interrupted, checks every hash, takes nothing pickled. Prints the path; OWNER/NAME stands for it "
            + "wherever a model is asked for. "
            + "HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE are honoured.")
        {
            model, file, revision, json,
        };
        command.SetAction((parsed, cancellationToken) => RunAsync(
            parsed.GetRequiredValue(model), parsed.GetValue(file), parsed.GetValue(revision), parsed.GetValue(json), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(string model, string? file, string? revision, bool json, CancellationToken cancellationToken)
    {
        using var client = new HubClient();
        var pulled = await ProgressDisplay.RunAsync(progress => client.PullAsync(model, file, revision, new ProgressDisplay.Sink(report =>
        {
            if (report.Detail == HubClient.Waiting)
                Console.Error.WriteLine($"{report.Stage}: {report.Detail}");
            progress.Report(report);
        }), cancellationToken));
        await Console.Error.WriteLineAsync(pulled.FetchedBytes == 0
            ? $"{pulled.Id}: everything is in the cache"
            : string.Create(CultureInfo.InvariantCulture, $"{pulled.Id}: {pulled.FetchedBytes / (double)(1 << 20):F1} MiB fetched"));
        await Console.Out.WriteLineAsync(json
            ? JsonLines.Line(writer =>
            {
                writer.WriteString("id", pulled.Id);
                writer.WriteString("commit", pulled.Commit);
                writer.WriteString("path", pulled.Path);
                writer.WriteStartArray("files");
                foreach (var name in pulled.Files)
                    writer.WriteStringValue(name);
                writer.WriteEndArray();
                writer.WriteNumber("fetched_bytes", pulled.FetchedBytes);
            })
            : pulled.Path);
        return 0;
    }
}
