using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>Spells a pattern of Rust's engine for Oniguruma. Both spellings are parsed and compared, so that none goes out that means something else.</summary>
internal static class RegexTranslation
{
    /// <summary>The pattern in Oniguruma's spelling, or null when none is known.</summary>
    public static string? ToOniguruma(string pattern)
    {
        var spelled = Respell(pattern);
        try
        {
            return AreSame(RegexParser.Parse(pattern, RegexDialect.Rust), RegexParser.Parse(spelled, RegexDialect.Oniguruma)) ? spelled : null;
        }
        catch (TokenizerException)
        {
            return null;
        }
    }

    /// <summary>Anchors of the whole text get their own escapes; a possessive interval becomes an atomic group.</summary>
    private static string Respell(string pattern)
    {
        var output = new StringBuilder();
        var groups = new Stack<int>();
        int part = 0; // where the part begins that a quantifier would repeat
        for (int at = 0, end; at < pattern.Length; at = end)
        {
            end = at + 1;
            switch (pattern[at])
            {
                case '\\':
                    part = output.Length;
                    end = Math.Min(at + 2, pattern.Length);
                    if (end < pattern.Length && pattern[end] == '{' && pattern[at + 1] is 'p' or 'P' or 'x')
                        end = EndOf('}', end, pattern);
                    output.Append(pattern, at, end - at);
                    break;
                case '[':
                    part = output.Length;
                    end = EndOfSet(pattern, at);
                    output.Append(pattern, at, end - at);
                    break;
                case '(':
                    groups.Push(output.Length);
                    if (end < pattern.Length && pattern[end] == '?')
                        end++;
                    output.Append(pattern, at, end - at);
                    break;
                case ')':
                    part = groups.TryPop(out int open) ? open : output.Length;
                    output.Append(')');
                    break;
                case '^' or '$':
                    part = output.Length;
                    output.Append(pattern[at] == '^' ? @"\A" : @"\z");
                    break;
                case '{':
                    end = EndOf('}', at, pattern);
                    output.Append(pattern, at, end - at);
                    if (end < pattern.Length && pattern[end] == '+')
                    {
                        output.Insert(part, "(?>").Append(')');
                        end++;
                    }

                    break;
                case '?' or '*' or '+':
                    output.Append(pattern[at]);
                    break;
                default:
                    part = output.Length;
                    if (char.IsHighSurrogate(pattern[at]))
                        end = Math.Min(at + 2, pattern.Length);
                    output.Append(pattern, at, end - at);
                    break;
            }
        }

        return output.ToString();
    }

    private static int EndOf(char close, int at, string pattern) => pattern.IndexOf(close, at) is >= 0 and var end ? end + 1 : pattern.Length;

    private static int EndOfSet(string pattern, int at)
    {
        int depth = 0;
        for (; at < pattern.Length; at++)
            switch (pattern[at])
            {
                case '\\':
                    at++;
                    break;
                case '[':
                    depth++;
                    break;
                case ']' when --depth == 0:
                    return at + 1;
            }

        return pattern.Length;
    }

    private static bool AreSame(RegexNode one, RegexNode other) => (one, other) switch
    {
        (RegexNode.Set a, RegexNode.Set b) => a.CodePoints.Holds(b.CodePoints),
        (RegexNode.Sequence a, RegexNode.Sequence b) => AreAllSame(a.Parts, b.Parts),
        (RegexNode.Choice a, RegexNode.Choice b) => AreAllSame(a.Options, b.Options),
        (RegexNode.Repeat { Greed: RegexGreed.Possessive } a, RegexNode.Atomic { Body: RegexNode.Repeat { Greed: RegexGreed.Greedy } b })
            => a.Min == b.Min && a.Max == b.Max && AreSame(a.Body, b.Body),
        (RegexNode.Repeat a, RegexNode.Repeat b) => a.Min == b.Min && a.Max == b.Max && a.Greed == b.Greed && AreSame(a.Body, b.Body),
        (RegexNode.Atomic a, RegexNode.Atomic b) => AreSame(a.Body, b.Body),
        (RegexNode.Look a, RegexNode.Look b) => a.IsBehind == b.IsBehind && a.IsNegative == b.IsNegative && AreSame(a.Body, b.Body),

        // The ends of words depend on the engine's idea of a word.
        (RegexNode.Anchor a, RegexNode.Anchor b) => a.Kind == b.Kind && a.Kind is RegexAnchor.TextStart or RegexAnchor.TextEnd,
        _ => false,
    };

    private static bool AreAllSame(IReadOnlyList<RegexNode> ones, IReadOnlyList<RegexNode> others)
    {
        if (ones.Count != others.Count)
            return false;
        for (int i = 0; i < ones.Count; i++)
            if (!AreSame(ones[i], others[i]))
                return false;
        return true;
    }
}
