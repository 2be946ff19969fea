using System.CommandLine;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha look</c>: what happens inside a model while it reads a text, as a page.</summary>
internal static class LookCommand
{
    private const int DefaultTokens = 48;

    public static Command Create()
    {
        var model = new Argument<string>("MODEL") { Description = "A language model: a folder, a GGUF file, or a pulled OWNER/NAME." };
        var text = new Argument<string>("TEXT") { Description = "What it reads." };
        var output = new Option<string>("--out")
        {
            Description = "The page.",
            HelpName = "FILE.html",
            DefaultValueFactory = _ => "look.html",
        };
        var command = new Command("look", "Show what happens inside a model while it reads a text: attention, token probabilities, what "
            + "each layer would say, where the tokens lie. Writes one page for a browser.") { model, text, output };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var path = HubModels.Resolve(parsed.GetRequiredValue(model));
            var tokenizer = CheckpointText.Load(path).Tokenizer!;
            using var loaded = ModelCheckpoint.Load(path, WeightPrecision.AsStored);
            int[] ids = tokenizer.Encode(parsed.GetRequiredValue(text), parseSpecialTokens: true);
            if (ids.Length == 0)
                throw new UsageException("the text has no tokens");
            int kept = Math.Min(Math.Min(ids.Length, DefaultTokens), loaded.ContextLength);
            if (kept < ids.Length)
                await Console.Error.WriteLineAsync($"The text has {ids.Length} tokens; the first {kept} are shown.");
            var view = await Task.Run(() => ModelView.Of(loaded, ids.AsSpan(0, kept), cancellationToken: cancellationToken),
                cancellationToken);
            var file = parsed.GetRequiredValue(output);
            AtomicFile.WriteText(file, LookPage.Write(view, id => tokenizer.IdToToken(id) is { } piece
                ? tokenizer.Decode([id]) is { Length: > 0 } shown && !shown.Contains('\uFFFD') ? shown : piece
                : "?"));
            await Console.Error.WriteLineAsync($"Written: {file}");
            return 0;
        });
        return command;
    }
}
