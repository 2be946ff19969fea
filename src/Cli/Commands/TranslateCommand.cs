using System.CommandLine;
using System.Globalization;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha translate</c>: texts for texts by an encoder–decoder (Transformer, Marian, T5).</summary>
internal static class TranslateCommand
{
    private const int LinesAtOnce = 64;

    public static Command Create()
    {
        var model = new Argument<string>("MODEL")
        {
            Description = "A folder that 'train translation' wrote, a Marian or a T5, or a pulled OWNER/NAME.",
        };
        var texts = new Argument<string[]>("TEXT")
        {
            Description = "What is translated (default: each line of standard input).",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var beams = new Option<int?>("--beams")
        {
            Description = "How many hypotheses are kept (default: as the model's files say).",
            HelpName = "N",
        };
        var penalty = new Option<double?>("--length-penalty")
        {
            Description = "Hypotheses score Σ log p / tokens^P: above 1 favours long ones (default 1).",
            HelpName = "P",
        };
        var most = new Option<int?>("--max-tokens") { Description = "The most tokens of a translation.", HelpName = "N" };
        var command = new Command("translate", "Translate texts with an encoder–decoder; one line for each.") { model, texts };
        foreach (var option in (Option[])[beams, penalty, most])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (parsed.GetValue(beams) is < 1 || parsed.GetValue(most) is < 1)
                throw new UsageException("--beams and --max-tokens are at least 1");
            if (parsed.GetValue(penalty) is { } given && !double.IsFinite(given))
                throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--length-penalty {given}: a finite number"));
            using var translator = SequenceToSequence.Load(parsed.GetRequiredValue(model));
            var options = new SequenceOptions
            {
                MaxNewTokens = parsed.GetValue(most),
                Beams = Beams(parsed.GetValue(beams), parsed.GetValue(penalty)),
            };
            var sources = parsed.GetValue(texts) is { Length: > 0 } written ? written : Lines(Console.In);
            foreach (var some in sources.Chunk(LinesAtOnce))
            {
                // Nothing is the translation of nothing.
                string[] said = [.. some.Where(text => !string.IsNullOrWhiteSpace(text))];
                var results = new Queue<string>(said.Length == 0
                    ? []
                    : (await translator.GenerateAsync(said, options, cancellationToken)).Select(r => r.Text.ReplaceLineEndings(" ")));
                foreach (var text in some)
                    await Console.Out.WriteLineAsync(string.IsNullOrWhiteSpace(text) ? "" : results.Dequeue());
            }

            return 0;
        });
        return command;
    }

    private static BeamSearchOptions? Beams(int? count, double? penalty) => (count, penalty) switch
    {
        (null, null) => null,
        (1, null) => new BeamSearchOptions { BeamCount = 1 },
        _ => new BeamSearchOptions { BeamCount = count ?? new BeamSearchOptions().BeamCount, LengthPenalty = (float)(penalty ?? 1) },
    };

    private static IEnumerable<string> Lines(TextReader reader)
    {
        while (reader.ReadLine() is { } line)
            yield return line;
    }
}
