using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>Decides what is quoted around the best sentence: the sentence alone, or with one neighbour that completes it.</summary>
internal static partial class QuoteBuilder
{
    // Chosen on the tuning questions: a neighbour is worth its length where it holds more of the question, or one of the two cannot stand
    // alone.
    private const double NeighbourCoverage = 0.04;
    private const int MaxWidth = 200, MaxListWidth = 800, MaxAnaphoraWidth = 150, ShortWidth = 25, FewNewTerms = 6;

    /// <summary>The width of a text: 1 for a CJK character, a half for any other.</summary>
    internal static double Width(string text)
    {
        int halves = 0;
        foreach (char c in text)
            halves += CjkText.IsCjk(c) ? 2 : 1;
        return halves / 2.0;
    }

    /// <summary>The range of the quotation in the passage's text.</summary>
    internal static TextSpan Build(Candidate candidate, CandidateFeatures features)
    {
        var passage = candidate.Passage;
        var sentence = candidate.Sentence;
        var own = sentence.Span;
        if (sentence.IsRow)
            return own;
        if (ListOf(passage, candidate.Index, features.AsksProcedure) is { } list)
            return list;
        if (sentence.IsItem)
            return own;
        if (candidate.Index + 1 < passage.Sentences.Count && passage.Sentences[candidate.Index + 1] is var next
            && next.Block == sentence.Block && !next.IsRow)
        {
            var both = new TextSpan(own.Start, next.Span.End);
            double width = WidthOf(passage, both);
            if (width <= MaxWidth
                && (candidate.Features[CandidateFeatures.Next] > NeighbourCoverage
                    || WidthOf(passage, own) < ShortWidth
                    || (width <= MaxAnaphoraWidth && PointsBack(next.Normalized))
                    || features.NewTerms(sentence) <= FewNewTerms))
                return both;
        }

        if (candidate.Index > 0 && passage.Sentences[candidate.Index - 1] is var previous && previous.Block == sentence.Block
            && !previous.IsRow)
        {
            var both = new TextSpan(previous.Span.Start, own.End);
            if (WidthOf(passage, both) <= MaxWidth
                && (candidate.Features[CandidateFeatures.Previous] > NeighbourCoverage || PointsBack(sentence.Normalized)))
                return both;
        }

        return own;
    }

    // A list answers as a whole, with the sentence that leads in to it; one that is too long, by the item that answers. Steps under a
    // heading answer as a whole where the question asks how something is done.
    internal static TextSpan? ListOf(Passage passage, int index, bool withSteps = false)
    {
        var sentences = passage.Sentences;
        if (withSteps && sentences[index] is { IsStep: true, LeadIn: null })
            return StepsOf(passage, index);
        int? leadIn = sentences[index].IsItem ? sentences[index].LeadIn : index;
        if (leadIn is not { } lead || lead + 1 >= sentences.Count || sentences[lead + 1].LeadIn != lead)
            return null;
        int last = lead + 1;
        while (last + 1 < sentences.Count && sentences[last + 1].LeadIn == lead)
            last++;
        var span = new TextSpan(sentences[lead].Span.Start, sentences[last].Span.End);
        return WidthOf(passage, span) <= MaxListWidth ? span : null;
    }

    private static TextSpan? StepsOf(Passage passage, int index)
    {
        var sentences = passage.Sentences;
        int first = index, last = index;
        while (first > 0 && IsOfList(first - 1))
            first--;
        while (last + 1 < sentences.Count && IsOfList(last + 1))
            last++;
        var span = new TextSpan(sentences[first].Span.Start, sentences[last].Span.End);
        return WidthOf(passage, span) <= MaxListWidth ? span : null;

        bool IsOfList(int at) => sentences[at].IsItem && sentences[at].LeadIn is null && sentences[at].Block == sentences[index].Block;
    }

    private static double WidthOf(Passage passage, TextSpan span) => Width(passage.Chunk.Text[span.Start..span.End]);

    /// <summary>Whether a sentence in NFKC begins with a word that points back to the one before it.</summary>
    internal static bool PointsBack(string normalized) => Anaphora().IsMatch(normalized);

    [GeneratedRegex("^(これ|この|その|それ|そこ|また|なお|例えば|ちなみに|同|彼|しかし|そして|(It|This|These|They|That|Those|He|She|Its|Their|The (former|latter))\\b)")]
    private static partial Regex Anaphora();
}
