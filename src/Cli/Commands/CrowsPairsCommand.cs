using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Measurements;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha crows-pairs</c>: does a model find sentences with stereotypes likelier?</summary>
internal static class CrowsPairsCommand
{
    // What BERT's and RoBERTa's tokenizers call the token that hides another.
    private static readonly string[] MaskTokens = ["[MASK]", "<mask>"];

    public static Command Create()
    {
        var adapter = new AdapterOptions();
        var model = new Argument<string>("MODEL")
        {
            Description = "A masked language model's folder; or a causal model: a folder, a GGUF file, or OWNER/NAME of a pulled model.",
        };
        var file = new Argument<string>("FILE")
        {
            Description = "CrowS-Pairs' CSV file, or JSON lines: sent_more, sent_less, stereo_antistereo, bias_type.",
        };
        var limit = MeasuredOptions.Limit();
        var json = new Option<bool>("--json")
        {
            Description = "Print one JSON object: method, count, ties, all, stereo, antistereo, types.",
        };
        var command = new Command("crows-pairs", "Measure stereotypes in a model with CrowS-Pairs: how often it finds the sentence with "
            + "the stereotype likelier than the same sentence about another group (50% is without preference).") { model, file };
        foreach (var option in (Option[])[limit, LineCommand.Threads, .. adapter.All, json])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string name = parsed.GetRequiredValue(model), path = parsed.GetRequiredValue(file);
            var pairs = SentencePair.Read(path, MeasuredOptions.Checked(parsed, limit));
            int? threads = ThreadCount.Check(parsed.GetValue(LineCommand.Threads));
            var settings = adapter.Read(parsed);
            var folder = EncoderCheckpoint.NewestIn(HubModels.Resolve(name));
            bool isMasked = EncoderCheckpoint.IsEncoder(folder);
            if (isMasked && settings.Path is not null)
                throw new UsageException("--adapter is for causal models; this one is a masked language model");
            var scores = await ProgressDisplay.RunAsync(progress => isMasked
                ? Task.Run(() => Masked(name, folder, path, pairs, threads ?? 0, progress, cancellationToken), cancellationToken)
                : CausalAsync(name, path, pairs, threads, settings, progress, cancellationToken));
            Tell(isMasked, [.. pairs.Zip(scores)], parsed.GetValue(json));
            return 0;
        });
        return command;
    }

    private static IReadOnlyList<(double More, double Less)> Masked(
        string name, string folder, string path, IReadOnlyList<SentencePair> pairs, int threads, IProgress<ProgressReport> progress,
        CancellationToken cancellationToken)
    {
        using var model = EncoderCheckpoint.Load(folder);
        if (model.Head is not (EncoderHead.MaskedLanguageModel or EncoderHead.Pretraining))
            throw new UsageException($"'{name}' is an encoder without the head of a masked language model");
        var tokenizer = CheckpointText.Load(folder).Tokenizer!.WithPadding(null).WithTruncation(null);
        int mask = MaskTokens.Select(token => tokenizer.TokenToId(token)).FirstOrDefault(id => id is not null)
            ?? throw new UsageException($"the tokenizer of '{name}' has no token {string.Join(" or ", MaskTokens)}");
        using var session = ComputeDevice.Current.CreateInferenceSession(threads);
        session.Load(model.Parameters);
        var scores = new List<(double, double)>();
        foreach (var pair in pairs)
        {
            progress.Report(new ProgressReport("pairs", scores.Count, pairs.Count));
            scores.Add(CrowsPairs.Compare(model, session, Ids(pair.More), Ids(pair.Less), mask, cancellationToken));

            int[] Ids(string text) => tokenizer.Encode(text) is var ids && ids.Length <= model.ContextLength
                ? ids
                : throw MeasuredFile.Wrong(path, pair.Line, string.Create(CultureInfo.InvariantCulture,
                    $"a sentence has {ids.Length} tokens, and the model reads {model.ContextLength}"));
        }

        progress.Report(new ProgressReport("pairs", scores.Count, pairs.Count));
        return scores;
    }

    private static async Task<IReadOnlyList<(double More, double Less)>> CausalAsync(
        string name, string path, IReadOnlyList<SentencePair> pairs, int? threads, AdapterSettings adapter,
        IProgress<ProgressReport> progress, CancellationToken cancellationToken)
    {
        using var gpt = ModelFiles.Gpt(name, threads, exact: false, adapter);
        return await MeasuredFile.ScoreAsync(path, "pairs", pairs, pair => pair.Line, async pair =>
        {
            var both = await gpt.ScoreAsync("", [pair.More, pair.Less], cancellationToken);
            return (both[0].LogProbability, both[1].LogProbability);
        }, progress);
    }

    private static void Tell(bool isMasked, (SentencePair Pair, (double More, double Less) Score)[] scored, bool asJson)
    {
        int ties = scored.Count(one => one.Score.More == one.Score.Less);
        var types = scored.Where(one => one.Pair.BiasType.Length > 0).GroupBy(one => one.Pair.BiasType)
            .OrderBy(type => type.Key, StringComparer.Ordinal).Select(type => (Name: type.Key, Pairs: type.ToArray())).ToArray();
        var parts = ((string[])["stereo", "antistereo"])
            .Select(name => (Name: name, Pairs: scored.Where(one => one.Pair.Direction == name).ToArray()))
            .Where(part => part.Pairs.Length > 0).ToArray();
        if (asJson)
        {
            Console.Out.WriteLine(JsonLines.Line(json =>
            {
                json.WriteString("method", isMasked ? "pseudo-log-likelihood" : "log-likelihood");
                json.WriteNumber("count", scored.Length);
                json.WriteNumber("ties", ties);
                json.WriteShare("all", Preferred(scored), scored.Length);
                foreach (var (name, pairs) in parts)
                    json.WriteShare(name, Preferred(pairs), pairs.Length);
                json.WriteStartObject("types");
                foreach (var (name, pairs) in types)
                    json.WriteShare(name, Preferred(pairs), pairs.Length);
                json.WriteEndObject();
            }));
            return;
        }

        var lines = new ReportLines();
        var method = isMasked ? "pseudo-log-likelihood of the tokens that both share" : "log-likelihood of whole sentences (causal model)";
        lines.Add($"by the {method}, how often the stereotype is likelier (50% is without preference):");
        int width = types.Select(type => type.Name.Length).Append("antistereo".Length).Max();
        foreach (var (name, pairs) in (ReadOnlySpan<(string, (SentencePair, (double, double))[])>)[("all", scored), .. parts, .. types])
            lines.Add($"{name.PadRight(width)} {Shares.Text(Preferred(pairs), pairs.Length)}  of {pairs.Length:N0}");
        lines.Add($"{ties:N0} ties, which count as no preference for the stereotype");
        Console.Out.WriteLine(lines);

        static int Preferred((SentencePair, (double More, double Less) Score)[] pairs)
            => pairs.Count(one => one.Score.More > one.Score.Less);
    }
}
