using System.Globalization;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>Counts what bar 6 asks for.</summary>
internal sealed class TruthScore
{
    private int _answerable, _unanswerable, _hits, _falseAnswers, _falseAbstentions, _quotes, _notLiteral;
    private long _quoteLength;

    /// <summary>Takes an answer into account.</summary>
    /// <param name="gold">The question with its gold answers.</param>
    /// <param name="found">Whether it was answered.</param>
    /// <param name="quotes">The quotations, each with the text of its document from start to end.</param>
    internal void Add(GoldQuestion gold, bool found, IReadOnlyList<(string Quote, string InSource)> quotes)
    {
        if (gold.Answers.Count > 0)
        {
            _answerable++;
            _falseAbstentions += found ? 0 : 1;
            _hits += found && quotes.Count > 0 && gold.Answers.Any(answer => quotes[0].Quote.Contains(answer, StringComparison.Ordinal))
                ? 1
                : 0;
        }
        else
        {
            _unanswerable++;
            _falseAnswers += found ? 1 : 0;
        }

        if (quotes.Count > 0)
            _quoteLength += quotes[0].Quote.Length;
        foreach (var (quote, inSource) in quotes)
        {
            _quotes++;
            _notLiteral += quote == inSource ? 0 : 1;
        }
    }

    internal bool IsTrue => _notLiteral == 0;

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"first quote contains a gold answer {Rate(_hits, _answerable):F3} of {_answerable}; false answers "
            + $"{Rate(_falseAnswers, _unanswerable):F3} of {_unanswerable}; "
        + $"false abstentions {Rate(_falseAbstentions, _answerable):F3}; quotes {_quotes}, not literally in their source "
        + $"{_notLiteral}; first quote {Rate(_quoteLength, Math.Max(1, _answerable - _falseAbstentions + _falseAnswers)):F0} characters "
        + $"on average");

    private static double Rate(long part, long whole) => whole == 0 ? 0 : (double)part / whole;
}
