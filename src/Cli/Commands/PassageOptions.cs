using System.CommandLine;
using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Cli.Commands;

/// <summary>The options of every command that looks for passages.</summary>
/// <param name="top">What <c>--top</c> says in the command's help.</param>
internal sealed class PassageOptions(string top)
{
    private const string Hybrid = "hybrid";

    private static readonly Dictionary<string, FusionMethod> Modes = new(StringComparer.Ordinal)
    {
        [Hybrid] = FusionMethod.MinMax,
        ["rrf"] = FusionMethod.ReciprocalRank,
        ["keyword"] = FusionMethod.SparseOnly,
        ["vector"] = FusionMethod.DenseOnly,
    };

    private readonly Option<int?> _top = new("--top") { Description = top, HelpName = "N" };

    private readonly Option<string> _mode = new("--mode")
    {
        Description = "hybrid (words and meaning, weighed), rrf (both, by reciprocal rank fusion), keyword (BM25 alone) or vector (meaning "
            + "alone).",
        DefaultValueFactory = _ => Hybrid,
    };

    private readonly Option<string?> _filter = new("--filter")
    {
        Description = "Which documents: tag:NAME, source:FOLDER-OR-DOCUMENT, joined by and, or, not and parentheses.",
        HelpName = "FILTER",
    };

    private readonly Option<double?> _vectorWeight = Number(
        "--vector-weight", "How much meaning counts beside words in --mode hybrid, from 0 to 1 (default: by the question).", "W");

    private readonly Option<double?> _minScore = Number("--min-score", "Leave out passages with a smaller score.", "S");

    private readonly Option<double?> _minVectorScore = Number(
        "--min-vector-score", "Leave out passages whose cosine similarity is smaller or unknown.", "S");

    private readonly Option<double?> _minKeywordScore = Number(
        "--min-keyword-score", "Leave out passages whose BM25 score is smaller or unknown.", "S");

    private readonly Option<double?> _diversity = Number(
        "--mmr", "λ of maximal marginal relevance: below 1, passages that say the same give way to others.", "LAMBDA");

    public void AddTo(Command command)
    {
        _mode.AcceptOneOf([.. Modes.Keys]);
        foreach (var option in new Option[]
        {
            _top, _mode, _filter, _vectorWeight, _minScore, _minVectorScore, _minKeywordScore, _diversity,
        })
            command.Options.Add(option);
    }

    /// <summary>What the options said.</summary>
    public PassageSettings Read(ParseResult parsed)
    {
        var settings = new PassageSettings(
            parsed.GetValue(_top),
            Modes[parsed.GetValue(_mode)!],
            Filter(parsed.GetValue(_filter)),
            Share(parsed, _vectorWeight),
            Finite(parsed, _minScore),
            Finite(parsed, _minVectorScore),
            Finite(parsed, _minKeywordScore),
            Share(parsed, _diversity));
        if (settings.Top < 1)
            throw new UsageException($"--top {settings.Top}: at least 1");
        if (settings.VectorWeight is not null && settings.Mode != FusionMethod.MinMax)
            throw new UsageException("--vector-weight goes with --mode hybrid");
        return settings;
    }

    private static StoreFilter? Filter(string? text)
    {
        try
        {
            return text is null ? null : StoreFilter.Parse(text);
        }
        catch (KotonohaException error)
        {
            throw new UsageException($"--filter: {error.Message}");
        }
    }

    private static double? Share(ParseResult parsed, Option<double?> option)
        => parsed.GetValue(option) switch
        {
            null => null,
            >= 0 and <= 1 and var value => value,
            var value => throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{option.Name} {value}: from 0 to 1")),
        };

    private static double? Finite(ParseResult parsed, Option<double?> option)
        => parsed.GetValue(option) is { } value && !double.IsFinite(value)
            ? throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{option.Name} {value}: a number"))
            : parsed.GetValue(option);

    private static Option<double?> Number(string name, string description, string help)
        => new(name) { Description = description, HelpName = help };
}

/// <summary>What the options about passages said.</summary>
internal sealed record PassageSettings(
    int? Top, FusionMethod Mode, StoreFilter? Filter, double? VectorWeight, double? MinScore, double? MinVectorScore,
    double? MinKeywordScore, double? Diversity)
{
    /// <summary>A way of searching, as the options change it.</summary>
    public SearchOptions ApplyTo(SearchOptions search) => search with
    {
        Limit = Top ?? search.Limit,
        Fusion = Mode,
        Filter = Filter,
        DenseWeight = VectorWeight,
        MinScore = MinScore,
        MinDenseScore = MinVectorScore,
        MinSparseScore = MinKeywordScore,
        MmrLambda = Diversity,
    };
}
