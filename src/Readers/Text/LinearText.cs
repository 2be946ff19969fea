namespace Kotonoha.Readers;

/// <summary>How raised, lowered and grouped text is written in one line.</summary>
internal static class LinearText
{
    /// <summary>An exponent after its base. A figure after a letter stands as it is read (mc2, km2); after a figure it would make another
    /// number.</summary>
    internal static string Superscript(string power, string exponent)
        => exponent.Length > 0 && power.Length > 0 && char.IsLetter(power[^1]) && exponent.All(char.IsAsciiDigit) ? exponent
            : exponent is "′" or "″" or "°" or "*" or "†" ? exponent : "^" + Grouped(exponent);

    internal static string Subscript(string index) => index.Length > 0 && index.All(char.IsAsciiDigit) ? index : "_" + Grouped(index);

    /// <summary>Whether raised text right after other text would be read as more figures of its number: 10⁵ is not 105.</summary>
    internal static bool WouldJoinNumber(char before, string raised)
        => char.IsDigit(before) && raised.TrimStart('-', '−', '+') is { Length: > 0 } figures && char.IsDigit(figures[0]);

    /// <summary>Brackets around what would be read apart without them.</summary>
    internal static string Grouped(string text)
    {
        bool simple = text.All(char.IsLetterOrDigit) || (text.Length > 0 && text.All(c => char.IsAsciiDigit(c) || c is '.' or ','));
        return simple || IsBracketed(text) ? text : $"({text})";
    }

    private static bool IsBracketed(string text)
    {
        if (!text.StartsWith('(') || !text.EndsWith(')'))
            return false;
        int depth = 0;
        for (int i = 0; i < text.Length; i++)
        {
            depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
            if (depth == 0 && i < text.Length - 1)
                return false;
        }

        return true;
    }
}
