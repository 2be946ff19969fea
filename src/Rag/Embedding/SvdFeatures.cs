using System.Text;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Embedding;

/// <summary>
/// What the fitted embedder counts: words cut to their first six letters (so that inflected forms meet), numbers whole, and for kanji and kana
/// each bigram and its first character. Against the analyzer's terms alone this gains .014 nDCG@10 on Cranfield and .005 MRR@10 on JSQuAD.
/// </summary>
internal static class SvdFeatures
{
    private const int StemLength = 6;

    public static TermVector Of(string text) => TermVector.FromTerms(Features(text));

    private static IEnumerable<string> Features(string text)
    {
        foreach (var (term, _, _) in TextAnalyzer.Analyze(text))
        {
            if (Rune.TryGetRuneAt(term, 0, out var first) && IsKanaOrKanji(first.Value))
            {
                yield return term;
                if (term.Length > first.Utf16SequenceLength)
                    yield return "1:" + first;
            }
            else
            {
                yield return term.Length > StemLength && !term.AsSpan().ContainsAnyInRange('0', '9') ? term[..(char.IsHighSurrogate(term[StemLength - 1]) ? StemLength - 1 : StemLength)] : term;
            }
        }
    }

    private static bool IsKanaOrKanji(int codePoint) => codePoint is (>= 0x3040 and <= 0x30ff) or (>= 0x3400 and <= 0x9fff) or (>= 0xf900 and <= 0xfaff) or (>= 0x20000 and <= 0x3ffff) or 0x3005;
}
