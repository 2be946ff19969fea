using Kotonoha.LocalModel.Models;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>
/// Scores of stretches that were found (names, chunks, parts of speech), as seqeval computes them: one counts as found where both ends and
/// the label are right. What is undefined (nothing predicted) is 0.
/// </summary>
public sealed class SpanScore
{
    /// <summary>Compares predictions with the truth, text by text.</summary>
    /// <param name="truth">The right stretches of each text.</param>
    /// <param name="predictions">Those that were found in it.</param>
    /// <exception cref="ArgumentException">The numbers of texts differ.</exception>
    public SpanScore(IReadOnlyList<IReadOnlyList<LabeledSpan>> truth, IReadOnlyList<IReadOnlyList<LabeledSpan>> predictions)
    {
        ArgumentNullException.ThrowIfNull(truth);
        ArgumentNullException.ThrowIfNull(predictions);
        if (truth.Count != predictions.Count)
            throw new ArgumentException($"There are {truth.Count} texts with labels and {predictions.Count} with predictions; as many are "
                + "needed.");
        var wanted = truth.SelectMany((spans, text) => spans.Select(span => (text, span))).ToHashSet();
        var found = predictions.SelectMany((spans, text) => spans.Select(span => (text, span))).ToHashSet();
        Micro = PrecisionRecall.Of(found.Count(wanted.Contains), found.Count, wanted.Count);
        PerLabel = wanted.Concat(found).Select(s => s.span.Label).Distinct().Order(StringComparer.Ordinal).ToDictionary(
            label => label,
            label => PrecisionRecall.Of(found.Count(s => s.span.Label == label && wanted.Contains(s)),
                found.Count(s => s.span.Label == label), wanted.Count(s => s.span.Label == label)),
            StringComparer.Ordinal);
    }

    /// <summary>Over all stretches alike.</summary>
    public PrecisionRecall Micro { get; }

    /// <summary>Each label's own scores.</summary>
    public IReadOnlyDictionary<string, PrecisionRecall> PerLabel { get; }
}
