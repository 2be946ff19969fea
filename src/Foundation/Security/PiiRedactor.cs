using System.Text;
using System.Text.RegularExpressions;

namespace Kotonoha.Foundation.Security;

/// <summary>Kinds of personal data that have a form of their own.</summary>
[Flags]
public enum PiiKinds
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>E-mail addresses.</summary>
    Email = 1,

    /// <summary>Telephone numbers: international with a plus sign, Japanese and North American ones.</summary>
    Phone = 2,

    /// <summary>Payment card numbers (13 to 19 digits with the right check digit).</summary>
    Card = 4,

    /// <summary>Bank accounts by IBAN (right check digits).</summary>
    Iban = 8,

    /// <summary>Japanese individual numbers (マイナンバー: 12 digits with the right check digit).</summary>
    MyNumber = 16,

    /// <summary>Postal codes: Japanese, and American ones after a state.</summary>
    PostalCode = 32,

    /// <summary>All of them.</summary>
    All = Email | Phone | Card | Iban | MyNumber | PostalCode,
}

/// <summary>
/// Replaces personal data in English and Japanese text by placeholders such as <c>[EMAIL_1]</c>, and puts it back in what is written with
/// them.
/// </summary>
/// <remarks>
/// Only what has a form is found; names and street addresses have none and stay. Digits, hyphens and at signs are read in ASCII and full
/// width. The same value has the same placeholder throughout a <see cref="PiiMap"/>. Thread-safe, except for one map in two calls.
/// </remarks>
/// <param name="kinds">What is replaced.</param>
public sealed partial class PiiRedactor(PiiKinds kinds = PiiKinds.All)
{
    // Of two that overlap, the one with a check digit goes first.
    private static readonly (PiiKinds Kind, string Label, Func<Regex> Pattern, Func<Match, bool> IsValid)[] Rules =
    [
        (PiiKinds.Email, "EMAIL", EmailPattern, static _ => true),
        (PiiKinds.Iban, "IBAN", IbanPattern, static match => IsIban(match.Value)),
        (PiiKinds.Card, "CARD", CardPattern, static match => IsCard(Digits(match.Value))),
        (PiiKinds.MyNumber, "MY_NUMBER", MyNumberPattern, static match => IsMyNumber(Digits(match.Value))),
        (PiiKinds.Phone, "PHONE", PhonePattern, static match => Digits(match.Value).Length is >= 9 and <= 15),
        (PiiKinds.PostalCode, "POSTAL_CODE", PostalCodePattern, static _ => true),
    ];

    /// <summary>Replaces personal data by placeholders.</summary>
    /// <param name="text">The text.</param>
    /// <param name="map">Where the values are kept; give the same one for every text of a conversation. Null keeps nothing.</param>
    /// <returns>The text with placeholders.</returns>
    public string Redact(string text, PiiMap? map = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        map ??= new PiiMap();
        var found = new List<(int Start, int Length, string Label)>();
        foreach (var (kind, label, pattern, isValid) in Rules)
        {
            if (!kinds.HasFlag(kind))
                continue;
            foreach (Match match in pattern().Matches(text))
                if (isValid(match)
                    && !found.Any(other => match.Index < other.Start + other.Length && other.Start < match.Index + match.Length))
                    found.Add((match.Index, match.Length, label));
        }

        var result = new StringBuilder();
        int end = 0;
        foreach (var (start, length, label) in found.OrderBy(place => place.Start))
        {
            result.Append(text, end, start - end).Append(map.PlaceholderOf(text.Substring(start, length), label, text));
            end = start + length;
        }

        return result.Append(text, end, text.Length - end).ToString();
    }

    /// <summary>Whether digits are a payment card's: 13 to 19 of them, not all the same, with Luhn's check digit.</summary>
    internal static bool IsCard(string digits)
    {
        if (digits.Length is < 13 or > 19 || digits.All(digit => digit == digits[0]))
            return false;
        int sum = 0;
        for (int i = 0; i < digits.Length; i++)
        {
            int digit = digits[^(i + 1)] - '0';
            sum += i % 2 == 0 ? digit : digit > 4 ? (2 * digit) - 9 : 2 * digit;
        }

        return sum % 10 == 0;
    }

    /// <summary>Whether a text is an IBAN: two letters, two check digits, and up to 30 more, modulo 97 (ISO 13616).</summary>
    internal static bool IsIban(string text)
    {
        var characters = string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
        if (characters.Length is < 15 or > 34)
            return false;
        int rest = 0;
        foreach (char c in characters[4..] + characters[..4])
            rest = char.IsAsciiDigit(c) ? ((rest * 10) + (c - '0')) % 97 : ((rest * 100) + (c - 'A' + 10)) % 97;
        return rest == 1;
    }

    /// <summary>Whether digits are an individual number: the twelfth checks the eleven before it (総務省令第八十五号, 2014).</summary>
    internal static bool IsMyNumber(string digits)
    {
        if (digits.Length != 12 || digits.All(digit => digit == digits[0]))
            return false;
        int sum = 0;
        for (int n = 1; n <= 11; n++)
            sum += (digits[11 - n] - '0') * (n <= 6 ? n + 1 : n - 5);
        int rest = sum % 11;
        return digits[11] - '0' == (rest <= 1 ? 0 : 11 - rest);
    }

    private static string Digits(string text)
        => string.Concat(text.Where(c => char.IsAsciiDigit(c) || c is >= '０' and <= '９').Select(c => c > '9' ? (char)(c - '０' + '0') : c));

    [GeneratedRegex(@"[A-Za-z0-9._%+\-]{1,64}[@＠](?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?[.．]){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])",
        RegexOptions.CultureInvariant)]
    private static partial Regex EmailPattern();

    [GeneratedRegex(@"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])",
        RegexOptions.CultureInvariant)]
    private static partial Regex IbanPattern();

    [GeneratedRegex(@"(?<![0-9０-９])(?:[0-9０-９][ \-‐‑–－−]?){12,18}[0-9０-９](?![0-9０-９])", RegexOptions.CultureInvariant)]
    private static partial Regex CardPattern();

    [GeneratedRegex(@"(?<![0-9０-９][ \-‐‑–－−]?)(?:[0-9０-９]{4}[ \-‐‑–－−]?){2}[0-9０-９]{4}(?![ \-‐‑–－−]?[0-9０-９])",
        RegexOptions.CultureInvariant)]
    private static partial Regex MyNumberPattern();

    [GeneratedRegex(@"(?<![0-9０-９A-Za-z+＋])(?<![0-9０-９][\-‐‑–－−ー])(?:"
        + @"[+＋][1-9１-９][0-9０-９]{0,2}(?:[ \-‐‑–－−.]?[(（]?[0-9０-９]{1,5}[)）]?){2,5}"
        + @"|[(（]?[0０][1-9１-９][0-9０-９]{0,3}[)）]?[ \-‐‑–－−ー]?[0-9０-９]{1,4}[ \-‐‑–－−ー][0-9０-９]{3,4}"
        + @"|[0０][5-9５-９][0０][0-9０-９]{8}"
        + @"|[(（]?[2-9][0-9]{2}[)）]?[ \-.][2-9][0-9]{2}[ \-.][0-9]{4}"
        + @")(?![\-‐‑–－−ー]?[0-9０-９])", RegexOptions.CultureInvariant)]
    private static partial Regex PhonePattern();

    [GeneratedRegex(@"〒 ?[0-9０-９]{3}[\-‐‑–－−ー]?[0-9０-９]{4}(?![0-9０-９])|"
        + @"(?<![0-9０-９\-‐‑–－−ー])[0-9０-９]{3}[\-‐‑–－−ー][0-9０-９]{4}(?![0-9０-９\-‐‑–－−ー])"
        + @"|(?<=(?<![A-Za-z])[A-Z]{2} )[0-9]{5}(?:-[0-9]{4})?(?![0-9])", RegexOptions.CultureInvariant)]
    private static partial Regex PostalCodePattern();
}

/// <summary>What placeholders stand for.</summary>
public sealed partial class PiiMap
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _placeholders = new(StringComparer.Ordinal);

    /// <summary>The values by their placeholders.</summary>
    public IReadOnlyDictionary<string, string> Values => _values;

    /// <summary>Puts the values back in place of the placeholders.</summary>
    /// <param name="text">A text with placeholders; those that are not of this map stay.</param>
    /// <returns>The text with the values.</returns>
    public string Restore(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Placeholder().Replace(text, match => _values.GetValueOrDefault(match.Value, match.Value));
    }

    internal string PlaceholderOf(string value, string label, string text)
    {
        if (_placeholders.TryGetValue($"{label} {value}", out var known))
            return known;
        // A placeholder that the text itself writes would be read as a value of ours.
        int number = 1;
        string placeholder;
        while (_values.ContainsKey(placeholder = $"[{label}_{number}]") || text.Contains(placeholder, StringComparison.Ordinal))
            number++;
        _values[placeholder] = value;
        return _placeholders[$"{label} {value}"] = placeholder;
    }

    [GeneratedRegex(@"\[[A-Z_]+_[0-9]+\]", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();
}
