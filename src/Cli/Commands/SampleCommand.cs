using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Training;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Training.Data;

namespace Kotonoha.Cli.Commands;

/// <summary>
/// <c>kotonoha sample</c>: a model writes answers to learn from, those that are right (rejection sampling) or all (sequence distillation).
/// </summary>
internal static class SampleCommand
{
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    public static Command Create()
    {
        var defaults = new CompletionSamplerOptions();
        var adapter = new AdapterOptions();
        var model = new Argument<string>("MODEL") { Description = "A model's folder, a GGUF file, or OWNER/NAME of a pulled model." };
        var data = new Option<string>("--data")
        {
            Description = "JSON lines with prompt (a text, or messages for the model's chat template) or question; for --verify also "
                + "answer, of which what follows #### counts.",
            HelpName = "FILE",
            Required = true,
        };
        var output = new Option<string>("--out")
        {
            Description = "The answers as JSON lines with prompt and completion, which 'train completions' reads (or 'train chat', where "
                + "prompts are messages). An interrupted run goes on from FILE.part.",
            HelpName = "FILE",
            Required = true,
        };
        var verify = new Option<bool>("--verify")
        {
            Description = "Keep right answers alone: what follows ####, or the last number, is the result.",
        };
        var samples = Number("--samples", "The answers to each prompt.", defaults.Samples);
        var keep = new Option<int?>("--keep")
        {
            Description = "The most answers of a prompt that are kept (default: all that differ).",
            HelpName = "N",
        };
        var temperature = Number("--temperature", "What logits are divided by; 0 takes the likeliest token (with --samples 1).",
            defaults.Temperature);
        var topP = Number("--top-p", "The mass of the likeliest tokens that is drawn from.", defaults.TopP);
        var most = Number("--max-tokens", "The most tokens of an answer; longer ones are left out.", defaults.MaxTokens);
        var together = Number("--together", "How many answers are written at once; they do not depend on it.", defaults.Together);
        var seed = Number("--seed", "What the draws come from.", (long)defaults.Seed);
        var skipBad = new Option<bool>("--skip-bad-lines") { Description = "Leave out lines that cannot be read." };
        var json = new Option<bool>("--json") { Description = "Print one JSON object: prompts, sampled, ended, accepted, kept, …" };
        var command = new Command("sample", "Let a model write answers that another one, or itself, learns from: several to each prompt, "
            + "those kept that are right (--verify: rejection sampling) or all (a larger model's: distillation).") { model };
        foreach (var option in (Option[])[data, output, verify, samples, keep, temperature, topP, most, together, seed, skipBad,
            .. adapter.All, LineCommand.Threads, json])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            bool verifies = parsed.GetValue(verify);
            string name = parsed.GetRequiredValue(model), file = parsed.GetRequiredValue(output), lines = parsed.GetRequiredValue(data);
            var options = new CompletionSamplerOptions
            {
                Samples = parsed.GetValue(samples),
                Keep = parsed.GetValue(keep),
                Temperature = parsed.GetValue(temperature),
                TopP = parsed.GetValue(topP),
                MaxTokens = parsed.GetValue(most),
                Together = parsed.GetValue(together),
                Seed = parsed.GetValue(seed) is >= 0 and var given
                    ? (ulong)given
                    : throw new UsageException("--seed: 0 or more"),
                Accepts = verifies ? CompletionSamplerOptions.FinalResult : null,
            };
            Check(options);
            if (File.Exists(file))
                throw new UsageException($"--out '{file}': the file is there; name another one, or delete it");
            if (Path.GetDirectoryName(Path.GetFullPath(file)) is { } folder && !Directory.Exists(folder))
                throw new UsageException($"--out '{file}': there is no folder '{folder}'");
            var prompts = new PromptData(CheckpointText.Load(HubModels.Resolve(name)));
            var read = RecipeData.All(
                lines, parsed.GetValue(skipBad), line => (Prompt: prompts.Sampled(line, verifies), Source: line.Json));
            var settings = adapter.Read(parsed);
            using var gpt = ModelFiles.Gpt(name, parsed.GetValue(LineCommand.Threads), exact: false, settings);
            foreach (var (i, (prompt, _)) in read.Index())
                if (prompt.Request.Prompt is { } text && gpt.CountTokens(text) >= gpt.ContextLength)
                    throw new UsageException(string.Create(Invariant, $"'{lines}': prompt {i + 1} fills the model's context of "
                        + $"{gpt.ContextLength} tokens; leave it out"));
            using var part = SampledFile.Open(file, SampledFile.SettingsOf(name, settings.Path, lines, verifies, options));
            var clock = Stopwatch.StartNew();
            int begun = part.Answers.Count;
            long written = 0, keptSoFar = part.Answers.Sum(a => (long)a.Kept.Count);
            try
            {
                await ProgressDisplay.RunAsync(async progress =>
                {
                    var left = read.Skip(begun).Select(r => r.Prompt);
                    await foreach (var answers in new CompletionSampler(gpt, options).SampleAsync(left, begun, cancellationToken))
                    {
                        part.Add(answers);
                        written += answers.Tokens;
                        keptSoFar += answers.Kept.Count;
                        progress.Report(new ProgressReport("prompts", part.Answers.Count, read.Count, string.Create(
                            Invariant, $"{keptSoFar:N0} answers kept")));
                    }

                    return 0;
                });
            }
            catch (OperationCanceledException)
            {
                await Console.Error.WriteLineAsync($"Stopped; the same command goes on where it stopped ({part.Path}).");
                throw;
            }

            double seconds = clock.Elapsed.TotalSeconds;
            if (!part.Finish(file, [.. read.Select(r => r.Source)]))
                throw new UsageException("no answer was kept; take more --samples, more --max-tokens, or a model that knows more");
            Tell(part.Answers, file, seconds > 0 ? written / seconds : 0, parsed.GetValue(json));
            return 0;
        });
        return command;
    }

    private static void Check(CompletionSamplerOptions options)
    {
        foreach (var (name, value) in (ReadOnlySpan<(string, int?)>)[("--samples", options.Samples), ("--keep", options.Keep),
            ("--max-tokens", options.MaxTokens), ("--together", options.Together)])
            if (value is < 1)
                throw new UsageException(string.Create(Invariant, $"{name} {value}: at least 1"));
        if (!(options.Temperature is >= 0 and < float.MaxValue))
            throw new UsageException(string.Create(Invariant, $"--temperature {options.Temperature}: 0 or more"));
        if (!(options.TopP is > 0 and <= 1))
            throw new UsageException(string.Create(Invariant, $"--top-p {options.TopP}: above 0 and at most 1"));
        if (options is { Temperature: 0, Samples: > 1 })
            throw new UsageException("--temperature 0 gives the same answer each time; add --samples 1");
    }

    private static void Tell(IReadOnlyList<SampledLine> answers, string file, double speed, bool asJson)
    {
        long sampled = answers.Sum(a => (long)a.Sampled), ended = answers.Sum(a => (long)a.Ended),
            accepted = answers.Sum(a => (long)a.Accepted), kept = answers.Sum(a => (long)a.Kept.Count);
        int answered = answers.Count(a => a.Kept.Count > 0);
        if (asJson)
        {
            Console.Out.WriteLine(JsonLines.Line(json =>
            {
                json.WriteNumber("prompts", answers.Count);
                json.WriteNumber("sampled", sampled);
                json.WriteNumber("ended", ended);
                json.WriteNumber("accepted", accepted);
                json.WriteNumber("kept", kept);
                json.WriteNumber("prompts_with_answers", answered);
                json.WriteNumber("tokens_per_second", Math.Round(speed, 1));
            }));
            return;
        }

        void Line(FormattableString text) => Console.Out.WriteLine(text.ToString(Invariant));
        Line($"sampled   {sampled,10:N0} answers to {answers.Count:N0} prompts ({speed:N0} tokens/s)");
        Line($"ended     {ended,10:N0} within --max-tokens");
        Line($"accepted  {accepted,10:N0} ({100.0 * accepted / sampled:F1}%)");
        Line($"kept      {kept,10:N0} that differ, of {answered:N0} prompts: {file}");
    }

    private static Option<T> Number<T>(string name, string description, T standard)
        => new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => standard };
}
