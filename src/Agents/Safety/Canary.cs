using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Agents.Safety;

/// <summary>
/// A secret word in the instructions: where it appears in what the model writes, the instructions leak. It is found as it is, spaced out,
/// reversed, in ROT13, hexadecimal, character codes and Base64.
/// </summary>
internal sealed class Canary
{
    private readonly string[] _folded;
    private readonly string[] _base64;

    internal Canary(string? word = null)
    {
        // Letters and digits alternate, so that the word is none of any language and survives normalisation.
        Word = word
            ?? string.Concat(Enumerable.Range(0, 9)
                .Select(_ => $"{"bdfgkmpstvz"[RandomNumberGenerator.GetInt32(11)]}{RandomNumberGenerator.GetInt32(2, 10)}"));
        if (Word.Length < 8 || !Word.All(char.IsAsciiLetterOrDigit))
            throw new ArgumentException("A canary has at least eight ASCII letters and digits, so that no text has it by chance.",
                nameof(word));
        var bytes = Encoding.ASCII.GetBytes(Word);
        var lower = Word.ToLowerInvariant();
        _folded =
        [
            lower,
            string.Concat(lower.Reverse()),
            string.Concat(lower.Select(c => char.IsAsciiLetter(c) ? (char)('a' + ((c - 'a' + 13) % 26)) : c)),
            .. ((string[])[Word, lower, Word.ToUpperInvariant()]).Select(text => Convert.ToHexStringLower(Encoding.ASCII.GetBytes(text))),
            .. ((string[])[Word, lower, Word.ToUpperInvariant()])
                .Select(text => string.Concat(text.Select(c => ((int)c).ToString(CultureInfo.InvariantCulture)))),
            string.Concat(lower.Select(c => $"0x{(int)c:x2}")),
            string.Concat(lower.Select(c => $"u{(int)c:x4}")),
        ];
        // Three ways in which three bytes can fall into Base64's groups; what the neighbours decide is left out.
        _base64 = [.. Enumerable.Range(0, 3).Select(shift =>
        {
            var text = Convert.ToBase64String([.. new byte[shift], .. bytes]).TrimEnd('=');
            int head = shift == 0 ? 0 : shift + 1;
            return text[head..^((shift + bytes.Length) % 3 == 0 ? 0 : 1)];
        })];
    }

    internal string Word { get; }

    /// <summary>Whether a text holds the word in any form.</summary>
    internal bool IsIn(string text)
    {
        var folded =
            string.Concat(Normalizer.FoldCase(Normalizer.Normalize(text, NormalizationForm.FormKC)).Where(char.IsAsciiLetterOrDigit));
        if (_folded.Any(form => folded.Contains(form, StringComparison.Ordinal)))
            return true;
        var dense = string.Concat(text.Where(c => char.IsAsciiLetterOrDigit(c) || c is '+' or '/'));
        return _base64.Any(form => dense.Contains(form, StringComparison.Ordinal));
    }
}
