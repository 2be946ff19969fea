using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Connector;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;

namespace Kotonoha.Benchmarks;

/// <summary>
/// What constraints cost: a model decodes with and without one by turns, far from the end of the budget and near it; the masks of the
/// texts that come of it are then timed by themselves, on a grammar that has seen nothing yet (first use) and on the same one later.
/// </summary>
internal static class MaskBenchmark
{
    private const int FarTokens = 96;
    private const int NearTokens = 8;
    private const string Prompt = "Describe a lighthouse keeper, where the lighthouse stands and what it has seen.";

    private const string Person = """
        {"type": "object", "required": ["name", "age", "tags", "address"], "properties": {
          "name": {"type": "string", "maxLength": 60}, "age": {"type": "integer", "minimum": 0, "maximum": 120},
          "kind": {"enum": ["keeper", "captain", "visitor"]},
          "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 6},
          "address": {"type": "object", "required": ["street", "city"], "properties": {
            "street": {"type": "string"}, "city": {"type": "string"}, "zip": {"type": "string", "pattern": "^[0-9]{4}$"}}},
          "born": {"type": "string", "format": "date"}, "note": {"type": ["string", "null"]}}}
        """;

    private const string Tree = """
        {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["label", "children"], "properties": {
          "label": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}}
        """;

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments.Length == 0 || arguments[0].StartsWith("--", StringComparison.Ordinal))
        {
            Console.Error.WriteLine("usage: benchmarks masks MODEL [--rounds N] [--threads N]");
            return 2;
        }

        if (!Path.Exists(arguments[0]))
        {
            Console.WriteLine($"skipped: {arguments[0]} is not there");
            return 0;
        }

        var options = Arguments.Parse(arguments[1..], "rounds", "threads");
        int rounds = options.TryGetValue("rounds", out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : 5;
        int threads = options.TryGetValue("threads", out text) ? int.Parse(text, CultureInfo.InvariantCulture) : Environment.ProcessorCount;
        Console.WriteLine(Machine.Describe());
        await using var model = LocalGpt.Load(arguments[0], new LocalGptOptions { Threads = threads });
        Console.WriteLine($"{arguments[0]}: {model.Description}");
        await model.WarmUpAsync();

        // Code that runs for the first time is compiled first; that is measured apart, with one grammar that is not in the table.
        var (vocabulary, building) = Timed(() => model.TokenVocabulary);
        var (_, compiling) = Timed(() => Masks(new GrammarMatcher(Grammar.FromRegex("[a-z]+ [0-9]+"), vocabulary, 20), vocabulary));
        var (_, again) = Timed(() => TokenVocabularies.Of(model.Tokenizer, vocabulary.EndTokens, vocabulary.Size));
        Print($"vocabulary of {vocabulary.Size} tokens: {building:0.0} ms, once for a model ({again:0.0} ms when the code is warm); ",
            $"first grammar of the process: {compiling:0.0} ms");
        Print($"{"constraint",-14}{"budget",7} | first use, ms: {"compile",7} {"matcher",7} {"masks",7} {"longest",7} | later, ms/token: ",
            $"{"mean",6} {"longest",7} | decode, ms/token: {"with",6} {"without",7} | mask's share");
        var shares = new List<double>();
        foreach (var (name, make) in Kinds(model))
        {
            int shortest = new GrammarMatcher(make(), vocabulary).ShortestCompletion;
            shares.Add(await MeasureAsync(model, name, make, Math.Max(FarTokens, 2 * shortest), rounds));
            shares.Add(await MeasureAsync(model, name, make, shortest + NearTokens, rounds));
        }

        Print($"mask's share of decoding: mean {shares.Average():0.0%}, largest {shares.Max():0.0%}");
        return 0;
    }

    private static IEnumerable<(string Name, Func<Grammar> Make)> Kinds(LocalGpt model)
    {
        yield return ("schema", () => Schema(Person));
        yield return ("recursive", () => Schema(Tree));
        yield return ("json", () => Grammar.OneOf(Grammar.JsonObject));
        yield return ("regex", () => Grammar.FromRegex(@"([A-Z][a-z]{2,12} ){3,9}\([0-9]{4}-[0-9]{2}\): [^\n]{20,400}\."));
        yield return ("choice", () => Grammar.FromChoices(Enumerable.Range(0, 200).Select(i => $"the answer is number {i * 37 % 1000}")));
        yield return ("tools", () => Tools(model));
    }

    private static Grammar Schema(string text)
    {
        using var schema = JsonDocument.Parse(text);
        return Grammar.FromJsonSchema(schema.RootElement);
    }

    private static Grammar Tools(LocalGpt model)
    {
        var options = new ChatOptions
        {
            ToolMode = ChatToolMode.RequireAny,
            Tools =
            [
                AIFunctionFactory.Create((string city, string? country) => city + country, "weather", "The weather of a city."),
                AIFunctionFactory.Create((string[] names, int limit, double threshold) => names.Length, "rank", "Ranks some names."),
                AIFunctionFactory.Create((DateTime from, DateTime until, DayOfWeek day) => day, "book", "Books a visit."),
            ],
        };
        var tools = RequestedTools.Read(options, () => model.ToolCalls)!;
        return new AnswerConstraint(model.Tokenizer, new Notices(NullLogger.Instance)).Of(tools, null, null, false)!;
    }

    private static async Task<double> MeasureAsync(LocalGpt model, string name, Func<Grammar> make, int budget, int rounds)
    {
        var vocabulary = model.TokenVocabulary;
        var used = make();
        var (with, without, laterMean) = (new List<double>(), new List<double>(), new List<double>());
        var (own, compile) = Timed(make);
        double matcher = 0, first = 0, firstLongest = 0, laterLongest = 0;
        for (int round = 0; round <= rounds; round++)
        {
            var request = GenerationRequest.FromTurns(new ChatTurn("user", Prompt)) with
            {
                MaxOutputTokens = budget,
                Sampling = new SamplingOptions { Temperature = 0.8f, Seed = round },
            };
            var answer = await model.CompleteAsync(request with { Constraint = used });
            int count = answer.Usage.OutputTokens;
            var free = await model.CompleteAsync(request with { MaxOutputTokens = Math.Max(8, count), IgnoreEndTokens = true });
            var (begun, start) = Timed(() => new GrammarMatcher(own, vocabulary, budget));
            var times = Masks(begun, vocabulary, answer.TokenIds);
            if (round == 0) // the first warms up
            {
                (matcher, first, firstLongest) = (start, times.Sum(), times.Max());
                continue;
            }

            if (count > NearTokens)
                with.Add(answer.Usage.DecodeTime.TotalMilliseconds / (count - 1));
            without.Add(free.Usage.DecodeTime.TotalMilliseconds / (free.Usage.OutputTokens - 1));
            laterMean.Add((start + times.Sum()) / times.Count);
            laterLongest = Math.Max(laterLongest, times.Max());
        }

        double decode = Median(without), mean = Median(laterMean);
        Print($"{name,-14}{budget,7} |                {compile,7:0.00} {matcher,7:0.00} {first,7:0.00} {firstLongest,7:0.00} | ",
            $"                 {mean,6:0.000} {laterLongest,7:0.00} |                   ",
            $"{(with.Count == 0 ? double.NaN : Median(with)),6:0.0} {decode,7:0.0} | {mean / decode:0.0%}");
        return mean / decode;
    }

    // The time of each mask and its token, the tokens being given or else the first that may come.
    private static List<double> Masks(GrammarMatcher matcher, TokenVocabulary vocabulary, IReadOnlyList<int>? tokens = null)
    {
        var times = new List<double>();
        var scores = new float[vocabulary.Size];
        for (int i = 0; i < (tokens?.Count ?? int.MaxValue) && !matcher.HasEnded && matcher.CanContinue; i++)
        {
            scores.AsSpan().Clear();
            long start = Stopwatch.GetTimestamp();
            matcher.Apply(scores);
            matcher.Accept(tokens?[i] ?? Array.IndexOf(scores, 0));
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }

        return times;
    }

    private static (T Made, double Milliseconds) Timed<T>(Func<T> make)
    {
        long start = Stopwatch.GetTimestamp();
        var made = make();
        return (made, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    private static void Print(params FormattableString[] line)
        => Console.WriteLine(string.Concat(line.Select(FormattableString.Invariant)));

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
