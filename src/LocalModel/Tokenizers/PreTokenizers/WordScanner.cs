using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>A hand-written cutter that stands for a pattern: what the pattern matches and what lies between are its pieces.</summary>
internal abstract class WordScanner
{
    private static readonly Dictionary<(string, RegexDialect), WordScanner> Known = BuildKnown();

    /// <summary>Whether every character of any text belongs to a match.</summary>
    public bool LeavesNothing { get; private init; }

    /// <summary>Cuts every piece of a buffer.</summary>
    public abstract void Cut(PieceBuffer buffer);

    /// <summary>Knows the patterns of well-known tokenizers in the spellings that are in use, and simple runs of one set.</summary>
    /// <returns>The scanner, or null when the pattern has none.</returns>
    public static WordScanner? For(string pattern, RegexDialect dialect)
    {
        if (Known.TryGetValue((pattern, dialect), out var scanner))
            return scanner;
        return RegexParser.Parse(pattern, dialect) switch
        {
            RegexNode.Set set => Of(new SetRunCutter(null, set.CodePoints, 1)),
            RegexNode.Repeat { Body: RegexNode.Set set, Min: 1, Greed: not RegexGreed.Lazy } run => Of(new SetRunCutter(null, set.CodePoints, run.Max)),
            RegexNode.Sequence
            {
                Parts:
                [
                    RegexNode.Repeat { Body: RegexNode.Set lead, Min: 0, Max: 1, Greed: RegexGreed.Greedy },
                    RegexNode.Repeat { Body: RegexNode.Set set, Min: 1, Greed: not RegexGreed.Lazy } run,
                ]
            } => Of(new SetRunCutter(lead.CodePoints, set.CodePoints, run.Max)),
            _ => null,
        };
    }

    private static WordScanner Of<TCutter>(TCutter cutter, bool leavesNothing = false)
        where TCutter : IPieceCutter => new Scanner<TCutter>(cutter) { LeavesNothing = leavesNothing };

    private static Dictionary<(string, RegexDialect), WordScanner> BuildKnown()
    {
        var known = new Dictionary<(string, RegexDialect), WordScanner>();
        void Add(WordScanner scanner, params ReadOnlySpan<string> patterns)
        {
            foreach (var pattern in patterns)
                known[(pattern, RegexDialect.Oniguruma)] = known[(pattern, RegexDialect.Rust)] = scanner;
        }

        Add(Of(default(Gpt2WordCutter), leavesNothing: true), Gpt2WordCutter.Patterns);
        Add(Of(new Cl100kWordCutter(3), leavesNothing: true), Cl100kWordCutter.ThreeDigits);
        Add(Of(new Cl100kWordCutter(1), leavesNothing: true), Cl100kWordCutter.OneDigit);
        Add(Of(default(O200kWordCutter), leavesNothing: true), O200kWordCutter.Pattern);
        Add(Of(default(DeepSeekWordCutter)), DeepSeekWordCutter.Pattern);
        known[(Cl100kWordCutter.TiktokenPattern, RegexDialect.Rust)] = Of(new Cl100kWordCutter(3, WholeTail: true), leavesNothing: true);
        known[(RegexTranslation.ToOniguruma(Cl100kWordCutter.TiktokenPattern)!, RegexDialect.Oniguruma)] = known[(Cl100kWordCutter.TiktokenPattern, RegexDialect.Rust)];
        known[(TrailingSpaceCutter.Pattern, RegexDialect.Oniguruma)] = Of(default(TrailingSpaceCutter));
        return known;
    }

    private sealed class Scanner<TCutter>(TCutter cutter) : WordScanner
        where TCutter : IPieceCutter
    {
        public override void Cut(PieceBuffer buffer) => buffer.Cut(cutter);
    }
}
