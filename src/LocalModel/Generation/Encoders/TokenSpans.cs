using Kotonoha.LocalModel.Models;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Generation;

/// <summary>Makes stretches of a text from the classes of its tokens.</summary>
internal static class TokenSpans
{
    // Scripts from Thai on are written without spaces, or join words that a label tells apart.
    private const char FirstOfUnspacedScripts = '\u0E00';

    /// <summary>The stretches that the likeliest class of each token gives; a word of letters has the class of its first token.</summary>
    /// <param name="text">The text.</param>
    /// <param name="tokens">Its tokens.</param>
    /// <param name="logits">A row of logits or log-probabilities for each token.</param>
    /// <param name="names">The classes: O, and tags such as B-PER and I-PER.</param>
    public static IReadOnlyList<TaggedSpan> Of(string text, TokenizedText tokens, ReadOnlySpan<float> logits, IReadOnlyList<string> names)
    {
        var tags = new List<string>();
        var places = new List<(int Start, int End, double? Probability)>();
        for (int i = 0; i < tokens.Ids.Count; i++)
        {
            var (start, end) = (StartOf(text, tokens.Offsets[i].Start, tokens.Offsets[i].End), tokens.Offsets[i].End);
            if (tokens.SpecialTokensMask[i] || start >= end)
                continue;
            if (places.Count > 0 && IsSameWord(text, places[^1].End, start))
            {
                tags.Add(tags[^1] == SpanTags.Outside ? SpanTags.Outside : $"I-{SpanTags.LabelOf(tags[^1])}");
                places.Add((start, end, null));
                continue;
            }

            var row = logits.Slice(i * names.Count, names.Count);
            int best = row.IndexOf(System.Numerics.Tensors.TensorPrimitives.Max(row));
            double sum = 0;
            foreach (float logit in row)
                sum += Math.Exp(logit - (double)row[best]);
            tags.Add(names[best]);
            places.Add((start, end, 1 / sum));
        }

        return [.. SpanTags.SpansOf(tags).Select(span => new TaggedSpan(
            places[span.Start].Start, places[span.End - 1].End, span.Label,
            (float)places[span.Start..span.End].Average(place => place.Probability)!.Value))];
    }

    /// <summary>Where the characters of a token begin, behind white space that its offsets take in.</summary>
    public static int StartOf(string text, int start, int end)
    {
        while (start < end && char.IsWhiteSpace(text[start]))
            start++;
        return start;
    }

    private static bool IsSameWord(string text, int end, int start)
        => start < end || (start == end && IsOfWord(text[start - 1]) && IsOfWord(text[start]));

    private static bool IsOfWord(char c) => c < FirstOfUnspacedScripts && char.IsLetterOrDigit(c);
}
