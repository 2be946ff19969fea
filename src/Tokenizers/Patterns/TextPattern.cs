using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>What Replace looks for: a string as it is, or a regular expression.</summary>
internal sealed class TextPattern : IMatchFinder
{
    private readonly BoundedRegex? _regex;

    public TextPattern(string text, bool isRegex)
    {
        (Text, IsRegex) = (text, isRegex);
        _regex = isRegex ? BoundedRegex.Parse(text) : null;
    }

    /// <summary>The string, or the regular expression.</summary>
    public string Text { get; }

    public bool IsRegex { get; }

    /// <inheritdoc/>
    public void FindAll(ReadOnlySpan<char> text, List<RegexMatch> matches)
    {
        if (_regex is not null)
        {
            _regex.FindAll(text, matches);
            return;
        }

        if (Text.Length == 0)
        {
            // The empty string stands between any two characters, and at both ends.
            for (int at = 0; at <= text.Length; at++)
                if (at == 0 || at == text.Length || !char.IsSurrogatePair(text[at - 1], text[at]))
                    matches.Add(new RegexMatch(at, at));
            return;
        }

        for (int at = 0; text[at..].IndexOf(Text, StringComparison.Ordinal) is int skip and >= 0;)
        {
            matches.Add(new RegexMatch(at + skip, at + skip + Text.Length));
            at += skip + Text.Length;
        }
    }

    /// <summary>Writes the member <c>pattern</c>.</summary>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("pattern"u8);
        writer.WriteString(IsRegex ? "Regex"u8 : "String"u8, Text);
        writer.WriteEndObject();
    }
}

/// <summary>Finds all places of a text that a component of tokenizer.json asks for.</summary>
internal interface IMatchFinder
{
    /// <summary>Appends the matches from left to right; they do not overlap.</summary>
    void FindAll(ReadOnlySpan<char> text, List<RegexMatch> matches);
}

/// <summary>Finds single code points; each is a match of its own.</summary>
internal sealed class CodePointFinder(Func<int, bool> wanted) : IMatchFinder
{
    /// <inheritdoc/>
    public void FindAll(ReadOnlySpan<char> text, List<RegexMatch> matches)
    {
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            if (wanted(CodePoints.Next(text, ref at)))
                matches.Add(new RegexMatch(start, at));
        }
    }
}
