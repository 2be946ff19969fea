using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha perplexity</c>: how well a language model predicts texts.</summary>
internal static class PerplexityCommand
{
    public static Command Create()
    {
        var adapter = new AdapterOptions();
        var model = new Argument<string>("MODEL") { Description = "A model's folder, a GGUF file, or OWNER/NAME of a pulled model." };
        var texts = new Argument<string>("PATH")
        {
            Description = "A text file, a .jsonl file (one object with a text a line), a .json file (an array of such), or a "
                + "folder of these.",
        };
        var window = new Option<int?>("--window")
        {
            Description = "The tokens that are read at once; windows do not overlap (default: the model's context).",
            HelpName = "N",
        };
        var json = new Option<bool>("--json") { Description = "Print one JSON object: loss, perplexity, bits_per_byte, tokens, bytes, …" };
        var command = new Command("perplexity", "Measure how well a language model predicts texts: the loss in nats a token, perplexity, "
            + "bits per byte. Each text is read by itself, and each of its tokens but the first is predicted once, from those before it in "
            + "its window.") { model, texts };
        foreach (var option in (Option[])[window, .. adapter.All, LineCommand.Threads, json])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string path = parsed.GetRequiredValue(model), data = parsed.GetRequiredValue(texts);
            if (!Path.Exists(data))
                throw new UsageException($"'{data}': there is no such file or folder");
            int threads = ThreadCount.Check(parsed.GetValue(LineCommand.Threads)) ?? 0;
            var resolved = HubModels.Resolve(path);
            var tokenizer = CheckpointText.Load(resolved).Tokenizer!;
            var settings = adapter.Read(parsed);
            using var causal = settings.Path is { } folder
                ? ModelCheckpoint.Load(resolved, HubModels.Resolve(folder), settings.Merge, WeightPrecision.AsStored)
                : ModelCheckpoint.Load(resolved, WeightPrecision.AsStored);
            int length = parsed.GetValue(window) ?? causal.ContextLength;
            if (length < 1 || length > causal.ContextLength)
                throw new UsageException(string.Create(
                    CultureInfo.InvariantCulture, $"--window {length}: from 1 to the model's context of {causal.ContextLength}"));
            var measured = await ProgressDisplay.RunAsync(progress => Task.Run(
                () => Measure(causal, tokenizer, data, length, threads, progress, cancellationToken), cancellationToken));
            if (measured.Texts == 0)
                throw new UsageException($"'{data}' has no text of two tokens or more");
            if (parsed.GetValue(json))
                Console.Out.WriteLine(Json(measured, length));
            else
                Tell(measured, length);
            return 0;
        });
        return command;
    }

    private static (TextLikelihood Likelihood, long Texts) Measure(
        CausalModel model, Tokenizers.Tokenizer tokenizer, string path, int window, int threads, IProgress<ProgressReport> progress,
        CancellationToken cancellationToken)
    {
        using var session = ComputeDevice.Current.CreateInferenceSession(threads);
        session.Load(model.Parameters);
        TextLikelihood all = default;
        long texts = 0;
        foreach (var document in CorpusFiles.Read(path))
        {
            int[] ids = tokenizer.Encode(document.Text);
            if (ids.Length < 2)
                continue;
            using var tokens = new MemoryTokens(ids, tokenizer.VocabularySize);
            var (loss, count) = ValidationLoss.Measure(model, tokens, session, window, cancellationToken);
            var counted = TextLikelihood.Of(document.Text, []);
            all += counted with { NegativeLogLikelihood = loss * count, Tokens = count };
            progress.Report(new ProgressReport("texts", ++texts, null, document.Name));
        }

        return (all, texts);
    }

    private static void Tell((TextLikelihood Likelihood, long Texts) measured, int window)
    {
        var (all, texts) = measured;
        void Line(FormattableString text) => Console.Out.WriteLine(text.ToString(CultureInfo.InvariantCulture));
        Line($"loss           {Loss(all):F4} nats a token");
        Line($"perplexity     {all.Perplexity:G6}");
        Line($"bits per byte  {all.BitsPerByte:F4}");
        Line($"texts          {texts:N0}, {all.Bytes:N0} bytes");
        Line($"tokens         {all.Tokens:N0} predicted, in windows of {window:N0}");
    }

    private static string Json((TextLikelihood Likelihood, long Texts) measured, int window) => JsonLines.Line(json =>
    {
        var (all, texts) = measured;
        json.WriteNumber("loss", Loss(all));
        json.WriteNumber("perplexity", double.IsFinite(all.Perplexity) ? all.Perplexity : double.MaxValue);
        json.WriteNumber("bits_per_byte", all.BitsPerByte);
        json.WriteNumber("tokens", all.Tokens);
        json.WriteNumber("bytes", all.Bytes);
        json.WriteNumber("texts", texts);
        json.WriteNumber("window", window);
    });

    private static double Loss(TextLikelihood all) => all.NegativeLogLikelihood / all.Tokens;
}
