namespace Kotonoha.LocalModel.Evaluation;

/// <summary>A labelled stretch of tokens or characters.</summary>
/// <param name="Start">The first one.</param>
/// <param name="End">The one behind the last.</param>
/// <param name="Label">What it is.</param>
public readonly record struct LabeledSpan(int Start, int End, string Label);

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

    /// <summary>
    /// The stretches of a sequence of tags: B-PER begins one, I-PER goes on with it (or begins one where none of its label is open), O is
    /// outside; S-, E- and U-, L- are read too. Neighbours with the same tag without such a prefix are one stretch.
    /// </summary>
    /// <param name="tags">One tag a token.</param>
    public static IReadOnlyList<LabeledSpan> OfTags(IReadOnlyList<string> tags)
    {
        ArgumentNullException.ThrowIfNull(tags);
        var spans = new List<LabeledSpan>();
        bool open = false;
        for (int i = 0; i < tags.Count; i++)
        {
            var (prefix, label) = Parse(tags[i]);
            if (label.Length == 0)
            {
                open = false;
                continue;
            }

            if (open && prefix is not ('B' or 'S' or 'U') && spans[^1].Label == label)
                spans[^1] = spans[^1] with { End = i + 1 };
            else
                spans.Add(new LabeledSpan(i, i + 1, label));
            open = prefix is not ('E' or 'L' or 'S' or 'U');
        }

        return spans;
    }

    /// <summary>The prefix of a tag (I where it has none), and its label; no label for O.</summary>
    internal static (char Prefix, string Label) Parse(string tag)
        => tag == "O" ? ('O', "") : HasPrefix(tag) ? (tag[0], tag[2..]) : ('I', tag);

    /// <summary>Whether a tag says where in its stretch it stands.</summary>
    internal static bool HasPrefix(string tag) => tag is ['B' or 'I' or 'E' or 'S' or 'U' or 'L', '-', _, ..];
}
